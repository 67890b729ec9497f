#include <diamond/core/upward.hpp>
#include <diamond/reward/linear.hpp> // a neighbour
#  include "quoted.hpp"              // unreadable
