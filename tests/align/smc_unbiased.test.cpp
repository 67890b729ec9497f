/// E[Z-hat] = Z for any value, resampler and threshold, on twelve configurations; and estimates that break
/// (eq. smc-weights) or (eq. smc-log-z) fail the same test.
///
/// Each configuration is run thousands of times with few particles. The mean of Z-hat/Z must lie within 4.5
/// of its standard errors of 1, and these must be below 1 %. Z-hat is skewed, but its mean over so many runs
/// is normal enough: by chance one of the twelve fails once in 10,000 choices of the seed.
#include "cases.hpp"

namespace align_smc_unbiased_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value, diamond::smc,
    diamond::smc_options;

namespace {

using batch = diamond::eigen::batch<double>;

bool unbiased(const std::vector<double>& ratios) {
    return statistics::within(statistics::average(ratios), 1.0);
}

template <class Sampler>
void check_unbiased(Sampler sampler, const diamond::eigen::context& context, index_t runs, double log_z) {
    const auto all = ratios(sampler, context, runs, log_z, 2024);
    const auto mean = statistics::average(all);
    MESSAGE("E[Z-hat]/Z = ", mean.value, " +- ", mean.standard_error);
    CHECK(unbiased(all));
    CHECK(mean.standard_error < 0.01);
}

/// What a wrong program does to SMC. `none` is right, and a peer of the library's.
struct faults {
    bool redraws_values = false, drops_last_weight = false, subtracts_initial_value = false,
         has_no_floor = false;
};
/// A plain SMC on the host around the library's kernel, value and resampler, with faults.
template <class Kernel, class Value>
double plain_log_z(const diamond::eigen::context& context, Kernel& kernel, Value& value, index_t n,
                   index_t steps, philox rng, const faults& wrong) {
    constexpr double floor = -1000.0;
    const double initial = wrong.subtracts_initial_value ? 0.4 : 0.0;
    batch x(context, 2, n), next(context, 2, n);
    diamond::owning_batch<double, diamond::eigen::context> values(context, 1, n), weights(context, 1, n);
    diamond::owning_batch<std::uint64_t, diamond::eigen::context> cumulative(context, 1, n);
    diamond::owning_batch<std::int32_t, diamond::eigen::context> ancestors(context, 1, n);
    diamond::resampling_scratch<diamond::eigen::context> space;
    std::vector<double> v(static_cast<std::size_t>(n), initial), v_next(v),
        log_w(static_cast<std::size_t>(n), 0.0);
    double log_z = 0.0;
    const auto evaluate = [&](const batch& at, double t, diamond::noise_stream stream,
                              std::vector<double>& to) {
        value(at, t, {}, stream, {.value = row(values)});
        context.to_host(values.data(), n, to.data());
        if (t < 1.0 && !wrong.has_no_floor)
            for (double& one : to) one = std::max(one, floor);
    };
    const auto log_mean = [&] {
        const double high = *std::max_element(log_w.begin(), log_w.end());
        if (high == -infinity) throw diamond::dead_weights(0);
        double sum = 0.0, squares = 0.0;
        for (const double w : log_w) {
            sum += std::exp(w - high);
            squares += std::exp(2.0 * (w - high));
        }
        return std::pair{high + std::log(sum / static_cast<double>(n)), sum * sum / squares};
    };
    diamond::draw_normal(rng.stream(purpose::initial), x.mutable_view());
    for (index_t k = 1; k <= steps; ++k) {
        const diamond::interval span{static_cast<double>(k - 1) / static_cast<double>(steps),
                                     static_cast<double>(k) / static_cast<double>(steps)};
        if (wrong.redraws_values && k > 1) evaluate(x, span.from, rng.split(1).stream(purpose::value, k), v);
        kernel(x.read(), span, {}, rng.stream(purpose::transition, k), next.mutable_view());
        x.swap(next);
        evaluate(x, span.to, rng.stream(purpose::value, k), v_next);
        if (!(k == steps && wrong.drops_last_weight))
            for (std::size_t j = 0; j < v.size(); ++j)
                log_w[j] = v[j] == -infinity || v_next[j] == -infinity ? -infinity
                                                                       : log_w[j] + v_next[j] - v[j];
        v = v_next;
        const auto [mean, ess] = log_mean();
        if (k == steps) return log_z + mean;
        if (ess >= 0.5 * static_cast<double>(n)) continue;
        log_z += mean;
        context.from_host(log_w.data(), n, weights.data());
        diamond::cumulative_weights(context, weights.data(), n, space, cumulative.data());
        diamond::multinomial{}(context, cumulative.data(), n, rng.stream(purpose::resampling, k), space,
                               ancestors.data());
        context.gather(x.read(), ancestors.data(), next.mutable_view());
        x.swap(next);
        for (index_t j = 0; j < n; ++j)
            v[static_cast<std::size_t>(j)] = v_next[static_cast<std::size_t>(ancestors.data()[j])];
        std::fill(log_w.begin(), log_w.end(), 0.0);
    }
    return log_z;
}
template <class Kernel, class Value>
std::vector<double> plain_ratios(const diamond::eigen::context& context, Kernel kernel, Value value,
                                 double log_z, const faults& wrong) {
    std::vector<double> result;
    for (std::uint64_t run = 0; run < 3000; ++run) {
        try {
            result.push_back(
                std::exp(plain_log_z(context, kernel, value, 64, 6, philox{99}.split(run), wrong) - log_z));
        } catch (const diamond::dead_weights&) {
            result.push_back(0.0);
        }
    }
    const auto mean = statistics::average(result);
    MESSAGE("E[Z-hat]/Z = ", mean.value, " +- ", mean.standard_error);
    return result;
}

} // namespace

TEST_CASE("Z-hat is unbiased: mixture, posterior values") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context), wrong = wrong_mixture<batch>(context);
    const auto tilt = tilt_2d<double>(), bowl = bowl_2d<double>();
    const double z_tilt = model.tilted(tilt.quadratic_form()).log_z,
                 z_bowl = model.tilted(bowl.quadratic_form()).log_z;
    using kernel = one_of::kernel<ddpm_posterior_kernel<exact_posterior<mixture_of<batch>>>,
                                  diamond::renoise_kernel<exact_posterior<mixture_of<batch>>>>;
    using value = posterior_value<exact_posterior<mixture_of<batch>>, form_reward<double>>;
    const kernel ddpm{ddpm_posterior_kernel{exact_posterior{model}}},
        renoise{diamond::renoise_kernel{exact_posterior{model}}};
    const exact_posterior right{model};
    const auto run = [&](const kernel& k, const value& v, const smc_options& options, one_of::resampling r,
                         index_t runs, double log_z) {
        check_unbiased(smc{k, v, options, one_of::resampler{r}}, context, runs, log_z);
    };

    SUBCASE("1 sample, systematic") {
        run(ddpm, value{right, tilt, {.samples = 1}}, {.particles = 128, .steps = 6, .log_delta = -infinity},
            one_of::resampling::systematic, 3000, z_tilt);
    }
    SUBCASE("2 samples, stratified, resampling at every step") {
        run(ddpm, value{right, bowl, {.samples = 2}},
            {.particles = 128, .steps = 5, .threshold = 2.0, .log_delta = -infinity},
            one_of::resampling::stratified, 3000, z_bowl);
    }
    SUBCASE("8 samples, multinomial") {
        run(ddpm, value{right, tilt, {.samples = 8}}, {.particles = 64, .steps = 6, .log_delta = -infinity},
            one_of::resampling::multinomial, 2000, z_tilt);
    }
    SUBCASE("no resampling at all") {
        run(ddpm, value{right, bowl, {.samples = 1}},
            {.particles = 128, .steps = 4, .threshold = 0.0, .log_delta = -infinity},
            one_of::resampling::systematic, 2000, z_bowl);
    }
    SUBCASE("V_0 of 2.5, residual, resampling at every step, unequal times") {
        run(ddpm, value{right, tilt, {.samples = 1}},
            {.particles = 128,
             .times = {0.0, 0.1, 0.3, 0.8, 0.95, 1.0},
             .threshold = 2.0,
             .initial_value = 2.5,
             .log_delta = -infinity},
            one_of::resampling::residual, 4000, z_tilt);
    }
    SUBCASE("the value of a wrong posterior, multinomial") {
        run(ddpm, value{exact_posterior{wrong}, tilt, {.samples = 2}},
            {.particles = 128, .steps = 6, .log_delta = -infinity}, one_of::resampling::multinomial, 3000,
            z_tilt);
    }
    SUBCASE("delta by the pilot, renoising, antithetic samples") {
        run(renoise, value{right, bowl, {.samples = 2, .antithetic = true}},
            {.particles = 128, .steps = 6, .pilot_particles = 32}, one_of::resampling::systematic, 3000,
            z_bowl);
    }
    SUBCASE("a hard constraint, held by the floor") {
        auto walled = tilt_2d<double>();
        walled.wall = 0.3;
        const auto tilted = model.tilted(walled.quadratic_form());
        const double log_z = tilted.log_z + log_probability_above(tilted.tilted, walled.wall);
        // A value of -inf, lifted to near log Z, keeps a particle that may still get past the wall. At -6 the
        // mean is as right, but so few runs carry it that its standard error is 0.7; at the default, 1000
        // nats below the best, it takes delta.
        run(ddpm, value{right, walled, {.samples = 1}},
            {.particles = 128, .steps = 6, .value_floor = -1.0, .log_delta = -infinity},
            one_of::resampling::systematic, 3000, log_z);
    }
}

namespace {
/// Another's values, raised to half a nat below the best of the step: what the default floor does, much
/// nearer.
template <class Value>
struct raised_value : Value {
    explicit raised_value(const Value& value) : Value(value) {}
    void operator()(diamond::const_view_t<batch> x, double t, diamond::no_condition c,
                    diamond::noise_stream stream, diamond::value_rows<diamond::eigen::context> values) {
        Value::operator()(x, t, c, stream, values);
        const double floor = *std::max_element(values.value.begin(), values.value.end()) - 0.5;
        for (index_t j = 0; j < x.columns(); ++j) values.value[j] = std::max(values.value[j], floor);
    }
};
} // namespace

TEST_CASE("Z-hat is unbiased under a floor that moves with each step's values") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>();
    const raised_value value{posterior_value{exact_posterior{model}, tilt}};
    check_unbiased(smc{ddpm_posterior_kernel{exact_posterior{model}}, value,
                       smc_options{.particles = 16, .steps = 5, .threshold = 2.0, .log_delta = -infinity},
                       diamond::multinomial{}},
                   context, 12'000, model.tilted(tilt.quadratic_form()).log_z);
}

TEST_CASE("Z-hat is unbiased: mixture, other values") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>(), bowl = bowl_2d<double>();
    const ddpm_posterior_kernel ddpm{exact_posterior{model}};

    SUBCASE("the exact value") {
        diamond::exact_value value{model, bowl};
        check_unbiased(smc{ddpm, value,
                           smc_options{.particles = 64, .steps = 6, .threshold = 2.0, .log_delta = -infinity},
                           diamond::multinomial{}},
                       context, 2000, value.log_z());
    }
    SUBCASE("the denoised value") {
        check_unbiased(smc{ddpm, diamond::denoised_value{diamond::linear_schedule{}, model, tilt},
                           smc_options{.particles = 64, .steps = 6, .log_delta = -infinity}},
                       context, 2000, model.tilted(tilt.quadratic_form()).log_z);
    }
}

TEST_CASE("Z-hat is unbiased: Gaussian, one-step maps in float, weighted value in double") {
    const diamond::eigen::context context{.threads = 1};

    SUBCASE("early stop and posterior by the Diamond map, float, residual") {
        using single = diamond::eigen::batch<float>;
        const auto model = gaussian<single>(context);
        const auto bowl = bowl_3d<float>();
        const diamond::gaussian_diamond_map map{model};
        check_unbiased(smc{diamond::early_stop_kernel{map},
                           posterior_value{diamond::diamond_map_posterior{map}, bowl, {.samples = 2}},
                           smc_options{.particles = 128, .steps = 6, .log_delta = -infinity},
                           diamond::residual{}},
                       context, 3000, model.tilted(bowl.quadratic_form()).log_z);
    }
    SUBCASE("weighted value") {
        const auto model = gaussian<batch>(context);
        const auto bowl = bowl_3d<double>();
        const diamond::linear_schedule schedule;
        const diamond::gaussian_flow_map map{model};
        const diamond::gaussian_diamond_map posterior{model};
        check_unbiased(
            smc{diamond::early_stop_kernel{posterior},
                diamond::weighted_value{diamond::best_density(schedule, model), map, bowl, {.samples = 2}},
                smc_options{.particles = 128, .steps = 6, .log_delta = -infinity}, diamond::stratified{}},
            context, 3000, model.tilted(bowl.quadratic_form()).log_z);
    }
}

TEST_CASE("the errors of published programs fail the same test") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>();
    const double log_z = model.tilted(tilt.quadratic_form()).log_z;
    const ddpm_posterior_kernel ddpm{exact_posterior{model}};
    const posterior_value value{exact_posterior{model}, tilt, {.samples = 1}};

    SUBCASE("without an error it passes") { CHECK(unbiased(plain_ratios(context, ddpm, value, log_z, {}))); }
    SUBCASE("values drawn again") {
        CHECK_FALSE(unbiased(plain_ratios(context, ddpm, value, log_z, {.redraws_values = true})));
    }
    SUBCASE("last weight dropped") {
        // exp of a posterior value is unbiased itself, and hides this one: only another value shows it.
        const diamond::denoised_value other{diamond::linear_schedule{}, model, tilt};
        CHECK(unbiased(plain_ratios(context, ddpm, other, log_z, {})));
        CHECK_FALSE(unbiased(plain_ratios(context, ddpm, other, log_z, {.drops_last_weight = true})));
    }
    SUBCASE("V_0 subtracted that was never added") {
        CHECK_FALSE(unbiased(plain_ratios(context, ddpm, value, log_z, {.subtracts_initial_value = true})));
    }

    auto walled = tilt;
    walled.wall = 0.3;
    const auto tilted = model.tilted(walled.quadratic_form());
    const double log_z_walled = tilted.log_z + log_probability_above(tilted.tilted, walled.wall);
    const posterior_value walled_value{exact_posterior{model}, walled, {.samples = 1}};
    SUBCASE("no floor under a constraint") {
        CHECK_FALSE(
            unbiased(plain_ratios(context, ddpm, walled_value, log_z_walled, {.has_no_floor = true})));
    }
}

} // namespace align_smc_unbiased_test
