#include <cmath>
#include <diamond/backend/eigen.hpp> // a back end
#include <diamond/map/flow.hpp>      // upward
#include <Eigen/Core>                // a library outside its place
