// What must not change under --use_fast_math: weights in fixed point, and the checks of rewards and log
// weights.
#include <diamond/align/resampling.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/reward/reward_caller.hpp>

extern "C" __global__ void weights(const double* log_weight, double scale, std::uint64_t* out) {
    out[threadIdx.x] = diamond::detail::to_fixed_point(log_weight[threadIdx.x], scale);
}
extern "C" __global__ void checks(const double* x, int* found) {
    found[threadIdx.x] = diamond::detail::is_no_log_weight(x[threadIdx.x]);
}
