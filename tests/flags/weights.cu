// What must not change under --use_fast_math: weights in fixed point, and the checks of rewards and log weights.
#include <diamond/align/fixed_point.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/value/reward_caller.hpp>

extern "C" __global__ void weights(diamond::detail::to_fixed_point to) { to(threadIdx.x); }
extern "C" __global__ void checks(const double* x, int* found) {
    found[threadIdx.x] = diamond::detail::not_a_reward{x}(threadIdx.x) + 2 * diamond::detail::not_a_weight{x}(threadIdx.x);
}
