#include <cmath>

#include <Eigen/Core> // a library outside its place

#include <diamond/backend/eigen.hpp> // a back end
#include <diamond/map/flow.hpp>      // upward
