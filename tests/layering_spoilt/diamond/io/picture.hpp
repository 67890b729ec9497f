#include <xtensor/xarray.hpp> // only io/xtensor.hpp may

#include <diamond/nn/mlp.hpp>
