#include <Eigen/Core>

#include <diamond/schedule/linear.hpp> // more than a back end may know
