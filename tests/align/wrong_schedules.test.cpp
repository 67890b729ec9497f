/// Whatever is made with a schedule checks it: DDPM's betas taken as rates are refused by every public class.
#include <functional>
#include <string>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "support/back_ends.hpp"
#include "support/models.hpp"

namespace align_wrong_schedules_test {

namespace {
using batch = diamond::eigen::batch<double>;
using schedule = diamond::variance_preserving_schedule;
using field = models::mixture<batch, schedule>;

constexpr schedule betas{1e-4, 0.02}, rates{0.1, 20.0};

/// A user's own Diamond map and posterior sampler, which tell their schedules.
struct own_map {
    using batch_type = align_wrong_schedules_test::batch;
    align_wrong_schedules_test::schedule outer;
    [[nodiscard]] diamond::index_t dimension() const { return 2; }
    [[nodiscard]] align_wrong_schedules_test::schedule schedule() const { return outer; }
    [[nodiscard]] diamond::linear_schedule inner_schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    void operator()(diamond::const_view_t<batch>, diamond::interval, diamond::const_view_t<batch>,
                    diamond::time_view, diamond::no_condition, diamond::view_t<batch>) {}
};
struct own_sampler {
    using batch_type = align_wrong_schedules_test::batch;
    align_wrong_schedules_test::schedule outer;
    [[nodiscard]] diamond::index_t dimension() const { return 2; }
    [[nodiscard]] align_wrong_schedules_test::schedule schedule() const { return outer; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    [[nodiscard]] bool exact() const { return false; }
    void operator()(diamond::const_view_t<batch>, double, diamond::no_condition, diamond::noise_stream,
                    diamond::view_t<batch>) {}
};
/// And a transition kernel that takes its last noise.
struct own_kernel {
    using batch_type = align_wrong_schedules_test::batch;
    using view = diamond::view_t<batch>;
    using const_view = diamond::const_view_t<batch>;
    align_wrong_schedules_test::schedule outer;
    [[nodiscard]] diamond::index_t dimension() const { return 2; }
    [[nodiscard]] align_wrong_schedules_test::schedule schedule() const { return outer; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    [[nodiscard]] bool exact() const { return false; }
    void operator()(const_view, diamond::interval, diamond::no_condition, diamond::noise_stream, view) {}
    void centre(const_view, diamond::interval, diamond::no_condition, diamond::noise_stream, view) {}
    void steered(const_view, diamond::interval, diamond::no_condition, const_view, const_view, view) {}
    [[nodiscard]] double noise_deviation(diamond::interval, double) const { return 1.0; }
};
struct sum_of_coordinates {
    template <class Column>
    double operator()(const Column& z) const {
        return z[0] + z[1];
    }
};
} // namespace

TEST_CASE(
    "no map, kernel, estimator, network, grid or oracle is made with a schedule that breaks its promise") {
    const auto context = back_ends::eigen<double>::make(1);
    using make = std::function<void(schedule)>;
    const std::vector<std::pair<const char*, make>> all{
        {"readings", [](schedule s) { diamond::readings(s, field(s)); }},
        {"denoiser_network", [](schedule s) { diamond::denoiser_network(s, field(s)); }},
        {"noise_network", [](schedule s) { diamond::noise_network(s, field(s)); }},
        {"score_network", [](schedule s) { diamond::score_network(s, field(s)); }},
        {"v_network", [](schedule s) { diamond::v_network(s, field(s)); }},
        {"edm_network", [](schedule s) { diamond::edm_network(s, field(s)); }},
        {"variance_exploding_network",
         [](schedule s) {
             diamond::variance_exploding_network(s, field(s), {.sigma_min = 0.01, .sigma_max = 50.0});
         }},
        {"discrete_time_network",
         [&](schedule s) {
             diamond::discrete_time_network(context, s, field(s), {.alpha_bar = {0.9, 0.001}});
         }},
        {"glass_diamond_map",
         [](schedule s) { diamond::glass_diamond_map(s, field(s), diamond::explicit_midpoint{}); }},
        {"its inner schedule",
         [](schedule s) {
             diamond::glass_diamond_map(rates, field(rates), diamond::explicit_midpoint{}, s);
         }},
        {"glass_kernel",
         [](schedule s) { diamond::glass_kernel(s, field(s), diamond::explicit_midpoint{}); }},
        {"glass_teacher", [](schedule s) { diamond::glass_teacher(s, field(s)); }},
        {"ancestral_kernel", [](schedule s) { diamond::ancestral_kernel(s, field(s)); }},
        {"euler_maruyama_kernel", [](schedule s) { diamond::euler_maruyama_kernel(s, field(s)); }},
        {"early_stop_kernel", [](schedule s) { diamond::early_stop_kernel(own_map{s}); }},
        {"diamond_map_posterior", [](schedule s) { diamond::diamond_map_posterior(own_map{s}); }},
        {"ddpm_posterior_kernel", [](schedule s) { diamond::ddpm_posterior_kernel(own_sampler{s}); }},
        {"renoise_kernel", [](schedule s) { diamond::renoise_kernel(own_sampler{s}); }},
        {"value_guided_kernel",
         [&](schedule s) {
             diamond::value_guided_kernel(
                 own_kernel{s}, diamond::denoised_value(rates, field(rates),
                                                        diamond::linear_reward<batch>(context, {1.0, 0.0})));
         }},
        {"consistency_map", [](schedule s) { diamond::consistency_map(s, field(s)); }},
        {"noise_ratio_time_grid",
         [](schedule s) { (void)diamond::noise_ratio_time_grid(s, 8, {.first = 3.0, .last = 0.1}); }},
        {"discrete_time_grid",
         [](schedule s) {
             (void)diamond::discrete_time_grid(s, {0.9, 0.5, 0.001}, 2);
         }},
        {"posterior_value",
         [](schedule s) { diamond::posterior_value(own_sampler{s}, sum_of_coordinates{}); }},
        {"denoised_value", [](schedule s) { diamond::denoised_value(s, field(s), sum_of_coordinates{}); }},
        {"look_ahead_value",
         [](schedule s) {
             diamond::look_ahead_value(s, diamond::ode_flow_map(field(s), diamond::explicit_midpoint{}),
                                       sum_of_coordinates{});
         }},
        {"exact_density", [](schedule s) { diamond::exact_density(s, field(s)); }},
        {"trapezoid_density", [](schedule s) { diamond::trapezoid_density(s, field(s)); }},
        {"rescheduled_density",
         [](schedule s) { diamond::rescheduled_density(diamond::exact_density(rates, field(rates)), s); }},
        {"gaussian", [&](schedule s) { diamond::gaussian<batch, schedule>(context, s, {2.0}, {0.25}); }},
        {"gaussian_diamond_map's inner schedule",
         [&](schedule s) {
             diamond::gaussian_diamond_map<batch, schedule, schedule>(
                 diamond::gaussian<batch, schedule>(context, rates, {2.0}, {0.25}), s);
         }},
        {"gaussian_mixture",
         [&](schedule s) { diamond::gaussian_mixture<batch, schedule>(context, s, {1.0}, {2.0}, {0.25}); }},
        {"checkerboard", [&](schedule s) { diamond::checkerboard<batch, schedule>(context, s); }},
        {"diamond_mlp",
         [&](schedule s) {
             diamond::diamond_mlp<batch, schedule>(
                 s, diamond::gaussian_frame<batch>(context, {{0.0}, {1.0}, {}}));
         }},
    };
    for (const auto& [name, made_with] : all) {
        CAPTURE(std::string(name));
        CHECK_NOTHROW(made_with(rates));
        CHECK_THROWS_WITH_AS(made_with(betas), doctest::Contains("alpha(0) = 0.99498"),
                             std::invalid_argument);
    }
}

} // namespace align_wrong_schedules_test
