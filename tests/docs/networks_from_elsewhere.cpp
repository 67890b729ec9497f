// Networks of other conventions as networks of this library: what docs/networks_from_elsewhere.md shows.
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace elsewhere {

// [backbone]
// A network stands here for whatever runs the weights: it writes f(state, time) into out.
struct backbone {
    using batch_type = diamond::eigen::batch<float>;
    struct workspace {};
    diamond::index_t dimension() const { return 2; }
    workspace make_workspace(const diamond::eigen::context&, diamond::index_t) const { return {}; }
    void operator()(diamond::const_view_t<batch_type> y, diamond::time_view time, diamond::no_condition,
                    workspace&, diamond::view_t<batch_type> out) const {
        diamond::assign(out, time * y);
    }
};
// [/backbone]

struct backbone_of_two_times {
    using batch_type = diamond::eigen::batch<float>;
    struct workspace {};
    diamond::index_t dimension() const { return 2; }
    workspace make_workspace(const diamond::eigen::context&, diamond::index_t) const { return {}; }
    // [two_times]
    void operator()(diamond::const_view_t<batch_type> x, double r, double tau, diamond::no_condition,
                    workspace&, diamond::view_t<batch_type> out) const {
        diamond::assign(out, (tau - r) * x);
    }
    // [/two_times]
};

template <class Field>
auto draws(const Field& field) {
    // [use]
    const diamond::linear_schedule schedule;
    const diamond::glass_diamond_map map{schedule, field, diamond::runge_kutta_4{.steps = 4}};
    // [/use]
    return diamond::diamond_map_posterior{map};
}

void take(const diamond::eigen::context& context, const backbone& net,
          const backbone_of_two_times& net_of_two_times, const std::vector<double>& alphas_cumprod) {
    const diamond::linear_schedule schedule;
    {
        // [flow]
        const diamond::rectified_flow_network field{net, {.time_scale = 1000.0}};
        // [/flow]
        draws(field);
    }
    {
        // [edm]
        const diamond::edm_network field{
            schedule, net, {.sigma_data = 0.5, .sigma_min = 0.002, .sigma_max = 80.0}};
        // [/edm]
        draws(field);
    }
    {
        // [sigma]
        const diamond::variance_exploding_network of_score{
            schedule, net, {.sigma_min = 0.01, .sigma_max = 50.0}};
        const diamond::variance_exploding_network of_denoiser{
            schedule, net, {.predicts = diamond::predicted::x0, .sigma_min = 0.002, .sigma_max = 80.0}};
        // [/sigma]
        draws(of_score);
        draws(of_denoiser);
    }
    {
        // [discrete]
        const diamond::discrete_time_network field{
            context, schedule, net, {.alpha_bar = alphas_cumprod, .predicts = diamond::predicted::eps}};
        const diamond::smc_options options{
            .times = diamond::discrete_time_grid(schedule, alphas_cumprod, 50)};
        // [/discrete]
        draws(field);
        (void)options;
    }
    {
        // [own]
        const diamond::noise_network of_noise{diamond::variance_preserving_schedule{}, net};
        const diamond::v_network of_v{diamond::cosine_schedule{}, net};
        // [/own]
        (void)of_noise, (void)of_v;
    }
    // [maps]
    const diamond::mean_flow_map mean_flow{net_of_two_times};
    const diamond::consistency_map look_ahead{schedule, net, {.sigma_min = 0.002, .sigma_max = 80.0}};
    // [/maps]
    (void)mean_flow, (void)look_ahead;
}

} // namespace elsewhere
