/// Everything but the back ends, io and adapters: schedules, maps, kernels, rewards, values, alignment, and the exact models.
#pragma once

#include <diamond/align/chain.hpp>
#include <diamond/align/guidance.hpp>
#include <diamond/align/search.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/concepts/backend.hpp>
#include <diamond/core/version.hpp>
#include <diamond/map/diamond_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>
#include <diamond/value/point.hpp>
#include <diamond/value/posterior.hpp>
#include <diamond/value/weighted.hpp>
