#include <diamond/nn/mlp.hpp>
#include <xtensor/xarray.hpp> // only io/xtensor.hpp may
