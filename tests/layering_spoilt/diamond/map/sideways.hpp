#include <diamond/core/upward.hpp>
#include <diamond/reward/linear_reward.hpp> // a neighbour
#  include "quoted.hpp"              // unreadable
