// The lines that docs/which_method.md shows.
#include <algorithm>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/oracle/gaussian.hpp>

namespace {

using batch = diamond::eigen::batch<float>;
using velocity = diamond::gaussian<batch, diamond::linear_schedule>; // whatever models velocity_field
using network = diamond::trained_network<diamond::diamond_mlp<batch, diamond::linear_schedule>>;
using flow_network =
    diamond::trained_network<diamond::diamond_mlp_with_divergence<batch, diamond::linear_schedule>>;

template <class Map, class Reward>
auto run(const diamond::eigen::context& context, const Map& map, const Reward& reward) {
    // [smc]
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 16}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 1024, .steps = 16}};
    const auto result = sampler(context, diamond::philox{.seed = 1});
    // [/smc]
    return result.log_z;
}

template <class Map, class Reward>
auto search(const diamond::eigen::context& context, const Map& map, const Reward& reward) {
    // [search]
    const diamond::diamond_map_posterior draws{map};
    const diamond::ddpm_posterior_kernel kernel{draws};
    // 64 winners, each the best of 256 samples.
    diamond::best_of_n best{kernel, reward, {.winners = 64, .candidates = 256, .steps = 1}};
    // 64 searches: of 2 survivors with 2 children each the 2 of highest value go on.
    const diamond::posterior_value value{draws, reward, {.samples = 16}};
    diamond::beam beams{kernel, value, {.beams = 64, .width = 2, .children = 2, .steps = 16}};
    const auto winners = beams(context, diamond::philox{.seed = 1});
    // [/search]
    // [tree_search]
    // 64 trees of 1,024 evaluations each: a winner and 4 draws of the tilted law from each.
    diamond::tree_search trees{kernel, reward, {.trees = 64, .evaluations = 1024, .draws = 4, .steps = 16}};
    const auto found = trees(context, diamond::philox{.seed = 1});
    // [/tree_search]
    return best(context, diamond::philox{.seed = 1}).rewards.front() + winners.rewards.front() +
           found.log_z.front();
}

template <class Draws, class Kernel, class Reward>
auto rejuvenate(const diamond::eigen::context& context, const Draws& draws, const Kernel& kernel,
                const Reward& reward) {
    // [rejuvenation]
    const diamond::posterior_value value{draws, reward, {.samples = 16}};
    const diamond::crank_nicolson moves{.moves = 2, .beta = 0.3};
    diamond::smc sampler{kernel, value, {.particles = 256, .steps = 16}, diamond::systematic{}, moves};
    const auto result = sampler(context, diamond::philox{.seed = 1});
    // [/rejuvenation]
    return result.log_z;
}

template <class Kernel, class Value>
auto gibbs(const diamond::eigen::context& context, const Kernel& kernel, const Value& value) {
    // [particle_gibbs]
    diamond::particle_gibbs chains{
        kernel, value, {.chains = 8, .particles = 64, .moves = 64, .steps = 16, .log_delta = -4.0}};
    const auto result = chains(context, diamond::philox{.seed = 1}); // result.particles, d x (8 x 64)
    // [/particle_gibbs]
    return result.r_hat;
}

template <class Map, class Reward>
auto renoise(const diamond::eigen::context& context, const Map& map, const Reward& reward) {
    // [renoise]
    diamond::renoise_chain chain{
        diamond::diamond_map_posterior{map}, reward, {.particles = 256, .steps = 256}};
    const auto result = chain(context, diamond::philox{.seed = 1}); // or from samples: chain(context, rng, z)
    // [/renoise]
    return result.r_hat;
}

} // namespace

double by_velocity(const diamond::eigen::context& context, const velocity& field,
                   const diamond::linear_reward<batch>& reward) {
    const diamond::linear_schedule schedule;
    // [velocity]
    const diamond::glass_diamond_map map{schedule, field, diamond::runge_kutta_4{.steps = 4}};
    // [/velocity]
    const diamond::diamond_map_posterior draws{map};
    const diamond::early_stop_kernel kernel{map};
    return run(context, map, reward) + rejuvenate(context, draws, kernel, reward) +
           gibbs(context, kernel, diamond::posterior_value{draws, reward});
}

double by_diamond_map(const diamond::eigen::context& context, const network& net,
                      const diamond::linear_reward<batch>& reward) {
    // [map]
    const diamond::network_diamond_map map{net};
    // [/map]
    return run(context, map, reward) + search(context, map, reward) + renoise(context, map, reward);
}

double by_denoised_moments(
    const diamond::eigen::context& context, const velocity& field, double v,
    const diamond::gaussian_measurement_reward<diamond::mask_measurement<batch>>& reward) {
    const diamond::linear_schedule schedule;
    // [denoised]
    const diamond::denoised_moment_value moments{context, schedule, field, reward, {.variance = v}};
    // [/denoised]
    return static_cast<double>(moments.dimension());
}

double by_soft_constraint(const diamond::eigen::context& context, const network& net, double v) {
    const diamond::linear_schedule schedule;
    const diamond::network_velocity field{net};
    const diamond::network_diamond_map map{net};
    // [soft]
    // No coordinate above 1: the constraint, and its depth in units of s.
    const auto allowed = [](diamond::column_view<const float> z) {
        return *std::max_element(z.begin(), z.end()) <= 1.0f ? 0.0 : -diamond::infinity;
    };
    constexpr double s = 0.05;
    const auto soft = [](diamond::column_view<const float> z) {
        double sum = 0.0;
        for (const float x : z) sum -= 0.5 * diamond::square(std::max(x - 1.0f, 0.0f) / s);
        return sum;
    };
    const auto beta = [schedule, v](double t) { // s^2/(s^2 + c): what the denoiser knows of variance v
        const double c = diamond::posterior_variance(diamond::level_at(schedule, t), v);
        return diamond::square(s) / (diamond::square(s) + c);
    };
    const diamond::surrogate_value value{
        diamond::annealed_value{diamond::denoised_value{schedule, field, soft}, beta}, allowed};
    const auto times = diamond::noise_ratio_time_grid(schedule, 16, {.first = 3.0, .last = 0.5 * s});
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.times = times, .pilot_particles = 0}};
    // [/soft]
    return sampler(context, diamond::philox{.seed = 1}).log_z;
}

double by_glass(const diamond::eigen::context& context, const velocity& field,
                const diamond::linear_reward<batch>& reward) {
    const diamond::linear_schedule schedule;
    const diamond::glass_diamond_map map{schedule, field, diamond::runge_kutta_4{.steps = 4}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 16}};
    // [glass]
    const diamond::glass_kernel kernel{schedule, field, diamond::runge_kutta_4{.steps = 4}};
    // [/glass]
    return diamond::smc{kernel, value}(context, diamond::philox{.seed = 1}).log_z;
}

double by_flow_map(const diamond::eigen::context& context, const flow_network& net,
                   const diamond::linear_reward<batch>& reward) {
    // [flow_map]
    const diamond::network_flow_map flow{net}; // with its divergence
    const diamond::weighted_value value{diamond::flow_density{flow}, flow, reward, {.samples = 8}};
    diamond::smc sampler{diamond::early_stop_kernel{diamond::network_diamond_map{net}},
                         value,
                         {.particles = 512, .steps = 16}};
    // [/flow_map]
    return sampler(context, diamond::philox{.seed = 1}).log_z;
}

double by_guidance(const diamond::eigen::context& context, const velocity& field,
                   const diamond::linear_reward<batch>& reward) {
    const diamond::linear_schedule schedule;
    const diamond::glass_diamond_map map{schedule, field, diamond::runge_kutta_4{.steps = 4}};
    // [guidance]
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 32}};
    diamond::guidance guided{field, value, {.particles = 256, .steps = 32}};
    const auto result = guided(context, diamond::philox{.seed = 1});
    // [/guidance]
    // [pathwise]
    const diamond::pathwise_posterior_value steeper{
        diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
    // [/pathwise]
    return static_cast<double>(result.particles.columns()) + static_cast<double>(steeper.dimension());
}
