/// The weighted value, (eq. weighted-value), against golden values: renoised points, every term of the log
/// weight, value, gradient, trapezoid. The noises are the file's: they reach the estimator through a back end
/// of our own whose normals are what we tell it.
#include <diamond/backend/thrust_cpu.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/solver.hpp>
#include <diamond/value/weighted_value.hpp>

#include "golden/golden.hpp"

namespace golden_golden_value_test {

using namespace diamond;
using golden::error, golden::gradient_tolerance, golden::json, golden::map_tolerance, golden::list,
    golden::tolerance;

namespace {

/// thrust's sequential vocabulary with normals from a list.
struct told_context : detail::thrust_host<told_context> {
    const list* normals = nullptr;

    [[nodiscard]] static constexpr auto policy() { return thrust::cpp::par; }
    template <class Real>
    void fill_normal(noise_stream, batch_view<Real, told_context> out) const {
        REQUIRE(normals != nullptr);
        REQUIRE(static_cast<index_t>(normals->size()) == out.size());
        for (index_t k = 0; k < out.size(); ++k)
            out[k] = static_cast<Real>((*normals)[static_cast<std::size_t>(k)]);
    }
};
static_assert(backend<told_context>);

using told_batch = diamond::owning_batch<double, told_context>;
using told_model = gaussian_mixture<told_batch, schedules::any>;

/// Answers with the file's own look-ahead, and keeps what it was asked.
struct told_map {
    using batch_type = told_batch;
    index_t d;
    list answer;
    list* asked;
    [[nodiscard]] index_t dimension() const { return d; }
    [[nodiscard]] cost spent() const { return {}; }
    void operator()(const_view_t<told_batch> x, interval span, no_condition, view_t<told_batch> out) {
        CHECK(span.to == 1.0);
        *asked = to_host(x);
        out.context().from_host(answer.data(), out.size(), out.data());
    }
};

/// One schedule's entry, ready for the estimator.
struct weighted_case {
    told_context context;
    const golden::file& file;
    const json& wanted;
    schedules::any schedule;
    double t, t_renoise;
    list x, noise, renoised, lookahead;
    index_t samples;
    weighted_value_options options;

    weighted_case(const golden::file& golden, const json& entry, schedules::any plan)
        : file(golden),
          wanted(entry.at("weighted")),
          schedule(plan),
          t(entry.at("t").get<double>()),
          t_renoise(entry.at("t_renoise").get<double>()),
          x(golden::flat(wanted.at("x"))),
          noise(golden::flat(wanted.at("noise"))),
          renoised(golden::flat(wanted.at("renoised"))),
          lookahead(golden::flat(wanted.at("lookahead"))),
          samples(static_cast<index_t>(noise.size()) / golden.d) {
        context.normals = &noise;
        // The file states the time renoised to, the library the ratio kappa of the signal-to-noise ratios.
        options = {.samples = samples,
                   .kappa = level_at(schedule, t).snr() / level_at(schedule, t_renoise).snr(),
                   .force_small_kappa = true};
    }
    [[nodiscard]] told_model make_model() const {
        return {context, schedule, file.weights, file.means, file.variances};
    }
    [[nodiscard]] auto make_reward() const {
        return sum_reward{
            linear_reward<told_batch>(context, file.reward_slope),
            quadratic_reward<told_batch>(context, file.reward_centre,
                                         list(static_cast<std::size_t>(file.d), file.reward_curvature))};
    }
    [[nodiscard]] told_batch upload(const list& points) const {
        return from_host<double>(context, file.d, static_cast<index_t>(points.size()) / file.d, points);
    }
    [[nodiscard]] list entries(const char* name) const { return golden::flat(wanted.at(name)); }
};

} // namespace

TEST_CASE(
    "golden: renoised points and log weights from the file's own look-ahead, the value, no other noise") {
    golden::for_each_schedule([](const golden::file& file, const json& entry, schedules::any schedule) {
        weighted_case at(file, entry, schedule);
        list asked;
        weighted_value estimator(exact_density(schedule, at.make_model()),
                                 told_map{file.d, at.lookahead, &asked}, at.make_reward(), at.options);
        const told_batch x = at.upload(at.x);
        double value = 0.0, ess = 0.0, ess_base = 0.0;
        estimator(x.read(), at.t, {}, {},
                  {.value = row(at.context, 1, &value),
                   .ess = row(at.context, 1, &ess),
                   .ess_base = row(at.context, 1, &ess_base)});
        CHECK(error(renoising_at(schedule, at.t, *at.options.kappa).time, entry.at("t_renoise")) < tolerance);
        CHECK(error(asked, at.wanted.at("renoised")) < tolerance);
        CHECK(error(value, at.wanted.at("value_self_normalised")) < tolerance);

        // log of the mean weight, and the effective sample sizes, from the file's log weights.
        const list log_weight = at.entries("log_weight"), reward = at.entries("reward");
        double sum = 0.0, squares = 0.0, base = 0.0, base_squares = 0.0;
        for (std::size_t i = 0; i < log_weight.size(); ++i) {
            sum += std::exp(log_weight[i]);
            squares += std::exp(2.0 * log_weight[i]);
            base += std::exp(log_weight[i] - reward[i]);
            base_squares += std::exp(2.0 * (log_weight[i] - reward[i]));
        }
        CHECK(ess == doctest::Approx(square(sum) / squares).epsilon(1e-9));
        CHECK(ess_base == doctest::Approx(square(base) / base_squares).epsilon(1e-9));
        double log_mean = 0.0;
        estimator.log_tilted_density(x.read(), at.t, {}, {}, row(at.context, 1, &log_mean));
        CHECK(log_mean ==
              doctest::Approx(std::log(sum / static_cast<double>(log_weight.size()))).epsilon(tolerance));

        // Sample by sample: a mean of one weight is that weight, with every term in it.
        for (std::size_t i = 0; i < log_weight.size(); ++i) {
            const auto d = static_cast<std::size_t>(file.d);
            const auto part = [&](const list& all) {
                return list(all.begin() + static_cast<index_t>(d * i),
                            all.begin() + static_cast<index_t>(d * (i + 1)));
            };
            const list noise = part(at.noise);
            weighted_case one(file, entry, schedule);
            one.context.normals = &noise;
            one.options.samples = 1;
            weighted_value single(exact_density(schedule, one.make_model()),
                                  told_map{file.d, part(at.lookahead), &asked}, one.make_reward(),
                                  one.options);
            const told_batch alone = one.upload(one.x);
            single.log_tilted_density(alone.read(), one.t, {}, {}, row(one.context, 1, &log_mean));
            CHECK(error(log_mean, at.wanted.at("log_weight").at(i)) < tolerance);
        }
    });
}

TEST_CASE("golden: the terms of the log weight one by one, and the trapezoid's density") {
    golden::for_each_schedule([](const golden::file& file, const json& entry, schedules::any schedule) {
        const weighted_case at(file, entry, schedule);
        const auto model = at.make_model();
        auto space = model.make_workspace(at.context, at.samples);
        const told_batch renoised = at.upload(at.renoised), ahead = at.upload(at.lookahead),
                         x = at.upload(at.x);
        const auto samples = static_cast<std::size_t>(at.samples);
        list reward(samples), density(samples), trapezoid(samples), rest = at.entries("log_weight");
        auto r = at.make_reward();
        evaluate_reward(r, ahead.read(), no_condition{}, row(at.context, at.samples, reward.data()));
        CHECK(error(reward, at.wanted.at("reward")) < tolerance);
        model.log_density(renoised.read(), at.t_renoise, {}, space,
                          row(at.context, at.samples, density.data()));
        CHECK(error(density, at.wanted.at("log_density_renoised")) < tolerance);
        // What is left of the weight is the likelihood over the proposal.
        const list likelihood = at.entries("log_likelihood"), proposal = at.entries("log_proposal");
        list ratio(samples);
        for (std::size_t i = 0; i < samples; ++i) {
            rest[i] -= reward[i] + density[i];
            ratio[i] = likelihood[i] - proposal[i];
        }
        CHECK(error(rest, ratio) < tolerance);
        trapezoid_density rule(schedule, model);
        rule(renoised.read(), at.t_renoise, {}, x.read(), at.samples,
             row(at.context, at.samples, trapezoid.data()));
        CHECK(error(trapezoid, at.wanted.at("log_density_trapezoid")) < tolerance);
    });
}

TEST_CASE("golden: value and gradient with the look-ahead integrated") {
    golden::for_each_schedule([](const golden::file& file, const json& entry, schedules::any schedule) {
        weighted_case at(file, entry, schedule);
        const auto model = at.make_model();
        weighted_value estimator(exact_density(schedule, model),
                                 ode_flow_map(model, runge_kutta_4{.steps = 1000}), at.make_reward(),
                                 at.options);
        const told_batch x = at.upload(at.x);
        double value = 0.0;
        estimator(x.read(), at.t, {}, {}, {.value = row(at.context, 1, &value)});
        // The file looks ahead to t = 1 - 1e-9, which leaves an error of 1e-9 in linear time.
        CHECK(error(value, at.wanted.at("value_self_normalised")) < 10 * map_tolerance);
        told_batch guidance(at.context, file.d, 1);
        estimator.guidance(x.read(), at.t, {}, {}, guidance.mutable_view());
        list gradient = to_host(guidance);
        for (double& g : gradient) g /= guidance_factor(schedule, at.t);
        CHECK(error(gradient, at.wanted.at("gradient")) < gradient_tolerance);
    });
}

} // namespace golden_golden_value_test
