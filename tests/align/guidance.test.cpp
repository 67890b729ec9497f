/// Guidance carries noise to the tilted model: with the exact value, with the gradient-free one and with the
/// pathwise one.
///
/// Moments of N particles are held to 4.5 standard errors plus an allowance for the solver and for the finite
/// number of value samples, about twice what was measured against 1,024 steps from the same noise. By chance
/// one of the 48 moments fails once in 3,000 seeds.
#include <diamond/align/guidance.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

#include "moments.hpp"

namespace align_guidance_test {

using namespace cases;
using diamond::exact_posterior, diamond::exact_value, diamond::guidance, diamond::guidance_options,
    diamond::heun, diamond::linear_schedule, diamond::explicit_midpoint, diamond::posterior_value;

namespace {

using batch = diamond::eigen::batch<double>;

template <class Model>
void check_moments(const batch& particles, const Model& tilted, double allowance) {
    const mixture_moments moments(tilted);
    const auto each = moments.of_each(particles);
    for (std::size_t i = 0; i < moments.truth().size(); ++i) {
        const auto mean = statistics::average(
            particles.columns(), [&](index_t j) { return each[static_cast<std::size_t>(j)][i]; });
        CAPTURE(i);
        CAPTURE(moments.truth()[i]);
        CAPTURE(mean.value);
        CAPTURE(mean.standard_error);
        CHECK(std::abs(mean.value - moments.truth()[i]) <= 4.5 * mean.standard_error + allowance);
    }
}
template <class Batch>
double largest_difference(const Batch& a, const Batch& b) {
    return statistics::largest_error(diamond::to_host(a), diamond::to_host(b));
}

/// This is the model as a network that predicts E[z | x_t].
template <class Model>
struct denoiser_of {
    using batch_type = batch;
    Model model;
    [[nodiscard]] index_t dimension() const { return model.dimension(); }
    [[nodiscard]] auto make_workspace(const diamond::eigen::context& context, index_t columns) const {
        return model.make_workspace(context, columns);
    }
    template <class Workspace>
    void operator()(diamond::const_view_t<batch> x, diamond::time_view t, diamond::no_condition c,
                    Workspace& space, diamond::view_t<batch> out) const {
        model.denoiser(x, t, c, space, out);
    }
};

} // namespace

TEST_CASE("guidance by the exact value draws the tilted mixture") {
    const diamond::eigen::context context{.threads = 2};
    const auto model = mixture<batch>(context);
    for (const auto& reward : {tilt_2d<double>(), bowl_2d<double>(2.0)}) {
        guidance sampler{model, exact_value{model, reward}, {.particles = 10'000, .steps = 64}};
        const auto result = sampler(context, philox{3});
        CHECK(result.complete);
        check_moments(result.particles, model.tilted(reward.quadratic_form()).tilted, 1e-4);
    }
}

TEST_CASE("guidance needs no gradient of the reward") {
    // What M draws a particle leave, the bias of the ratio D^r and their noise: measured 0.09 for M = 16,
    // 0.024 for 64, 0.007 for 256.
    const diamond::eigen::context context{.threads = 2};
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>();
    // A lambda gives nothing but values.
    const auto plain = [tilt](diamond::column_view<const double> z) { return tilt(z); };
    guidance sampler{model,
                     posterior_value{exact_posterior{model}, plain, {.samples = 256}},
                     {.particles = 3000, .steps = 24}};
    check_moments(sampler(context, philox{4}).particles, model.tilted(tilt.quadratic_form()).tilted, 0.014);
}

TEST_CASE("guidance along paths") {
    // dz/dx_t through the discrete GLASS map; M = 64 was measured to leave 0.034.
    const diamond::eigen::context context{.threads = 2};
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>();
    const diamond::diamond_map_posterior sampler{
        diamond::glass_diamond_map{linear_schedule{}, model, diamond::runge_kutta_4{.steps = 2}}};
    guidance guided{model,
                    diamond::pathwise_posterior_value{sampler, tilt, {.samples = 64}},
                    {.particles = 600, .steps = 12}};
    check_moments(guided(context, philox{5}).particles, model.tilted(tilt.quadratic_form()).tilted, 0.05);
}

TEST_CASE("both gradients of a Gaussian's value carry noise where the exact one does") {
    // All three integrate the same ODE from the same x_0; what M = 1024 draws leave was measured as 0.008 at
    // most.
    const diamond::eigen::context context{.threads = 2};
    const auto model = gaussian<batch>(context);
    const auto bowl = bowl_3d<double>();
    const diamond::gaussian_diamond_map map{model};
    const diamond::diamond_map_posterior draws{map};
    const guidance_options options{.particles = 50, .steps = 12};
    const auto exact = guidance{model, exact_value{model, bowl}, options}(context, philox{6});
    const auto free = guidance{model, posterior_value{draws, bowl, {.samples = 1024}}, options}(context,
                                                                                                philox{6});
    const auto pathwise = guidance{model, diamond::pathwise_posterior_value{draws, bowl, {.samples = 1024}},
                                   options}(context, philox{6});
    const double of_free = largest_difference(free.particles, exact.particles),
                 of_pathwise = largest_difference(pathwise.particles, exact.particles);
    MESSAGE("gradient-free ", of_free, ", pathwise ", of_pathwise);
    CHECK(of_free < 0.03);
    CHECK(of_pathwise < 0.03);
}

TEST_CASE("guidance by the exact value on other schedules") {
    // b(1) = alpha'(1) for the variance preserving schedule: guidance does not fade there.
    const diamond::eigen::context context{.threads = 2};
    const auto numbers = mixture<batch>(context);
    const auto bowl = bowl_2d<double>();
    const auto check = [&](auto schedule, double allowance) {
        const diamond::gaussian_mixture<batch, decltype(schedule)> model(
            context, schedule, numbers.components().weights(), numbers.components().means(),
            numbers.components().variances());
        guidance sampler{model, exact_value{model, bowl}, {.particles = 8'000, .steps = 64}};
        check_moments(sampler(context, philox{7}).particles, model.tilted(bowl.quadratic_form()).tilted,
                      allowance);
    };
    check(diamond::trigonometric_schedule{}, 1e-4);
    // alpha(0) = 0.0066: the start is off by that much of the data
    check(diamond::variance_preserving_schedule{}, 1e-2);
}

TEST_CASE(
    "by default guidance asks for nothing at t = 1, where a denoiser gives no velocity on some schedules") {
    const diamond::eigen::context context{.threads = 1};
    const auto numbers = mixture<batch>(context);
    const auto check = [&](auto schedule) {
        using model_type = diamond::gaussian_mixture<batch, decltype(schedule)>;
        const model_type model(context, schedule, numbers.components().weights(),
                               numbers.components().means(), numbers.components().variances());
        const diamond::denoiser_network network{schedule, denoiser_of<model_type>{model}};
        const guidance_options options{.particles = 20, .steps = 6};
        const auto by_denoiser = guidance{network, exact_value{model, bowl_2d<double>()}, options}(context,
                                                                                                   philox{7});
        const auto by_velocity = guidance{model, exact_value{model, bowl_2d<double>()}, options}(context,
                                                                                                 philox{7});
        // At t = 0 the denoiser knows pure noise, the variance preserving velocity alpha(0) = 0.0066:
        // measured 9e-9, on cosine 1e-15.
        CHECK(largest_difference(by_denoiser.particles, by_velocity.particles) < 1e-7);
        guidance reads_end{network, exact_value{model, bowl_2d<double>()}, options, heun{.steps = 1}};
        CHECK_THROWS_WITH_AS(reads_end(context, philox{7}),
                             doctest::Contains("use a solver that does not read t = 1"),
                             std::invalid_argument);
    };
    check(diamond::variance_preserving_schedule{});
    check(diamond::cosine_schedule{});
}

TEST_CASE("one value sample gives no gradient-free guidance, and says so") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    const guidance_options options{.particles = 4, .steps = 2};
    const auto refused = [&](auto value) {
        guidance sampler{model, value, options};
        CHECK_THROWS_WITH_AS(sampler(context, philox{1}), doctest::Contains("samples >= 2"),
                             std::invalid_argument);
    };
    refused(posterior_value{draws, tilt_2d<double>()});
    refused(posterior_value{draws, tilt_2d<double>(), {.samples = 1}});
    refused(diamond::weighted_value{diamond::best_density(linear_schedule{}, model),
                                    diamond::ode_flow_map{model, diamond::euler{.steps = 2}},
                                    tilt_2d<double>()});
}

TEST_CASE("strength 0 is the model's own ODE") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    for (const bool matched : {false, true}) {
        guidance sampler{model,
                         exact_value{model, tilt_2d<double>()},
                         {.particles = 200, .steps = 8, .strength = 0.0, .norm_matched = matched}};
        const auto guided = sampler(context, philox{8});
        batch x(context, 2, 200), expected(context, 2, 200);
        diamond::draw_normal(philox{8}.stream(purpose::initial), x.mutable_view());
        diamond::ode_flow_map flow{model, explicit_midpoint{.steps = 8}};
        flow(x.read(), diamond::interval{0.0, 1.0}, {}, expected.mutable_view());
        CHECK(diamond::to_host(guided.particles) == diamond::to_host(expected));
    }
}

TEST_CASE("strength and norm matching are what they say, in one Euler step") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>();
    constexpr index_t n = 50;
    batch x(context, 2, n), u(context, 2, n), g(context, 2, n);
    diamond::draw_normal(philox{9}.stream(purpose::initial), x.mutable_view());
    auto space = model.make_workspace(context, n);
    exact_value value{model, tilt};
    model(x, diamond::time_view(0.0), {}, space, u.mutable_view());
    value.guidance(x, 0.0, {}, philox{9}.stream(purpose::value, 1), g.mutable_view());
    for (const double strength : {1.0, 0.5, -2.0}) {
        for (const bool matched : {false, true}) {
            guidance sampler{model,
                             value,
                             {.particles = n, .steps = 1, .strength = strength, .norm_matched = matched},
                             diamond::euler{.steps = 1}};
            const auto result = sampler(context, philox{9});
            for (index_t j = 0; j < n; ++j) {
                const double norm_u = std::hypot(u.data()[2 * j], u.data()[2 * j + 1]),
                             norm_g = std::hypot(g.data()[2 * j], g.data()[2 * j + 1]);
                for (index_t i = 2 * j; i < 2 * j + 2; ++i)
                    CHECK(result.particles.data()[i] ==
                          doctest::Approx(x.data()[i] + u.data()[i] +
                                          strength * (matched ? norm_u / norm_g : 1.0) * g.data()[i])
                              .epsilon(1e-12));
            }
        }
    }
}

/// A reward whose gradient is no number at one particle.
struct breaking_gradient {
    double broken;
    double operator()(diamond::column_view<const double> z) const { return z[0]; }
    void gradient(diamond::const_view_t<batch> z, diamond::view_t<batch> out) const {
        for (index_t j = 0; j < z.columns(); ++j)
            for (index_t i = 0; i < z.rows(); ++i) out(i, j) = j == 3 ? broken : 1.0;
    }
};

TEST_CASE("guidance that is no number is refused, and not left out by norm matching") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    for (const bool matched : {false, true})
        for (const double broken : {diamond::not_a_number, diamond::infinity}) {
            guidance sampler{model,
                             diamond::denoised_value{linear_schedule{}, model, breaking_gradient{broken}},
                             {.particles = 8, .steps = 2, .norm_matched = matched}};
            CHECK_THROWS_WITH_AS(sampler(context, philox{11}),
                                 doctest::Contains("the reward's gradient is not finite there"),
                                 diamond::numeric_error);
            CHECK_THROWS_WITH_AS(sampler(context, philox{11}), doctest::Contains("(step 1, particle 3)"),
                                 diamond::numeric_error);
        }
}

TEST_CASE("where there is no guidance to scale, norm matching adds none") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const form_reward<double> flat{{0.0, 0.0}, {0.0, 0.0}, 1.0};
    const auto matched = guidance{model,
                                  exact_value{model, flat},
                                  {.particles = 20, .steps = 4, .norm_matched = true}}(context, philox{10});
    const auto plain = guidance{
        model, exact_value{model, flat}, {.particles = 20, .steps = 4, .strength = 0.0}}(context, philox{10});
    CHECK(largest_difference(matched.particles, plain.particles) < 1e-12);
}

TEST_CASE("guidance counts one evaluation of u and one guidance of V a stage, and stops when it is told to") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const posterior_value value{exact_posterior{model}, tilt_2d<double>(), {.samples = 4}};
    guidance sampler{model, value, {.particles = 10, .steps = 5}, heun{.steps = 2}};
    const auto result = sampler(context, philox{11});
    // 5 x 2 steps of 2 stages; the last stage is at t = 1, where guidance of the linear schedule is 0 and
    // draws nothing.
    CHECK(result.spent == diamond::cost{.forward = 20 * 10 + 19 * 4 * 10, .reward = 19 * 4 * 10});
    CHECK(sampler(context, philox{11}).spent == result.spent);
    CHECK(diamond::to_host(sampler(context, philox{11}).particles) == diamond::to_host(result.particles));

    std::vector<double> seen;
    const auto stopped = sampler(context, philox{11}, {}, [&](const auto& view) {
        seen.push_back(view.time);
        CHECK(view.steps == 5);
        CHECK(view.step == static_cast<index_t>(seen.size()));
        return view.step < 3;
    });
    CHECK_FALSE(stopped.complete);
    CHECK(seen.size() == 3);
    CHECK(seen.back() == doctest::Approx(0.6));
}

TEST_CASE("guidance by few draws says so, of the run that it was, and exact guidance or a weak reward has "
          "nothing to say") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const guidance_options options{.particles = 400, .steps = 8};
    guidance few{model, posterior_value{exact_posterior{model}, tilt_2d<double>(2.0), {.samples = 2}},
                 options};
    const auto first = few(context, philox{12}), again = few(context, philox{12});
    REQUIRE(first.warnings.size() == 1);
    CHECK(first.warnings[0].find("guidance by 2 draws a particle gives a share of about 0.") !=
          std::string::npos);
    CHECK(again.warnings == first.warnings);
    CHECK(guidance{model, posterior_value{exact_posterior{model}, tilt_2d<double>(2.0), {.samples = 256}},
                   options}(context, philox{12})
              .warnings.empty());
    CHECK(guidance{model, posterior_value{exact_posterior{model}, tilt_2d<double>(0.1), {.samples = 2}},
                   options}(context, philox{12})
              .warnings.empty());
    CHECK(guidance{model, exact_value{model, tilt_2d<double>(2.0)}, options}(context, philox{12})
              .warnings.empty());
    const diamond::diamond_map_posterior paths{
        diamond::glass_diamond_map{linear_schedule{}, model, diamond::euler{.steps = 2}}};
    const auto pathwise = guidance{model, diamond::pathwise_posterior_value{paths, bowl_2d<double>()},
                                   options}(context, philox{12});
    REQUIRE(pathwise.warnings.size() == 1);
    CHECK(pathwise.warnings[0].find("an effective 1 of 1 draws") != std::string::npos);
}

} // namespace align_guidance_test
