// A resampler of your own: killing. A particle stays with probability w / max w, and else its place is taken
// by a draw in proportion to the weights, so that E[offspring] = N w / sum w.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using diamond::index_t;

// [resampler]
template <class Context>
struct weight_of { // from inclusive sums of 64-bit fixed-point weights
    diamond::row_view<const std::uint64_t, Context> cumulative;
    DIAMOND_HD double operator()(index_t j) const {
        return static_cast<double>(cumulative[j] - (j == 0 ? 0 : cumulative[j - 1]));
    }
};
template <class Context>
struct kill_or_keep {
    weight_of<Context> weight;
    const double* largest;
    diamond::noise_stream stream;
    diamond::row_view<std::int32_t, Context> ancestors;
    DIAMOND_HD void operator()(index_t j) const {
        const auto& sums = weight.cumulative;
        index_t low = 0, high = sums.columns() - 1;
        const auto u = static_cast<std::uint64_t>(stream.uniform(j, 1) * static_cast<double>(sums[high]));
        if (stream.uniform(j, 0) * *largest < weight(j)) low = high = j; // it stays
        while (low < high) { // by bisection, the first whose sum is above u
            const index_t middle = (low + high) / 2;
            sums[middle] > u ? high = middle : low = middle + 1;
        }
        ancestors[j] = static_cast<std::int32_t>(low);
    }
};
struct killing {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns,
                    diamond::noise_stream stream, diamond::resampling_scratch<Context>& space,
                    std::int32_t* ancestors) const {
        space.highest.resize(context, 1, 1);
        const weight_of<Context> weight{diamond::row(context, columns, cumulative)};
        context.max(columns, weight, space.highest.data());
        context.for_each(columns,
                         kill_or_keep<Context>{.weight = weight,
                                               .largest = space.highest.data(),
                                               .stream = stream,
                                               .ancestors = diamond::row(context, columns, ancestors)});
    }
    diamond::log_z_error method() const { return diamond::log_z_error::none; } // islands tell the error
};
// [/resampler]

int run() {
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian_mixture<diamond::eigen::batch<float>, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    // [program]
    const diamond::exact_posterior posterior{model};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                         diamond::posterior_value{posterior, reward, {.samples = 4}},
                         {.particles = 512, .steps = 8, .threshold = 2.0}, // resamples at every step
                         killing{}};
    std::vector<double> log_z;
    for (std::uint64_t k = 0; k < 8; ++k)
        log_z.push_back(sampler(context, diamond::philox{.seed = 42}.split(k)).log_z);
    const auto all = diamond::combine_islands(log_z);
    // [/program]
    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("log Z %.3f +- %.3f by 8 runs, exactly %.3f\n", all.log_z, all.standard_error, exact);
    return std::abs(all.log_z - exact) < 5.0 * all.standard_error ? 0 : 1;
}

int main() { return examples::run_main("own_resampler", run); }
