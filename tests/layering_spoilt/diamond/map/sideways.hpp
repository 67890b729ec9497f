#include <diamond/core/upward.hpp>
#include <diamond/value/point_values.hpp> // what stands above

#include "quoted.hpp" // unreadable
