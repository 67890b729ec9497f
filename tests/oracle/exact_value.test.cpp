/// Tilted models, log Z and the exact value function, against pointwise identities, quadrature and finite
/// differences.
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace oracle_exact_value_test {

using namespace diamond;
using reference::any_schedule, reference::call, reference::call_numbers, reference::spread_points;
using statistics::largest_error;

namespace {

// r(z) = 0.3 + (1.2, -0.7) . z - (0.5 z_0^2 + 1.5 z_1^2)/2: nothing about it is symmetric.
const diamond::quadratic_form form{0.3, {1.2, -0.7}, {0.5, 1.5}};

class form_reward {
public:
    explicit form_reward(const diamond::quadratic_form& form) : constant_(form.constant) {
        REQUIRE(form.linear.size() == rows);
        for (std::size_t i = 0; i < rows; ++i) linear_[i] = form.linear[i], curvature_[i] = form.curvature[i];
    }
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        double value = constant_;
        for (index_t i = 0; i < z.size(); ++i)
            value += (linear_[i] - 0.5 * curvature_[i] * static_cast<double>(z[i])) *
                     static_cast<double>(z[i]);
        return value;
    }
    [[nodiscard]] diamond::quadratic_form quadratic_form() const {
        return {constant_, {linear_, linear_ + rows}, {curvature_, curvature_ + rows}};
    }

private:
    static constexpr std::size_t rows = 2;
    double constant_, linear_[rows], curvature_[rows];
};

template <class BackEnd>
using mixture_model = gaussian_mixture<typename BackEnd::batch, any_schedule>;
template <class BackEnd>
using gaussian_model = gaussian<typename BackEnd::batch, any_schedule>;

template <class BackEnd>
mixture_model<BackEnd> make(const typename BackEnd::context& context, any_schedule schedule,
                            mixture_model<BackEnd>*) {
    return {context,
            schedule,
            {0.4, 0.1, 0.5},
            {-1.0, 0.5, 1.5, -0.75, 0.25, 1.25},
            {0.25, 0.5, 0.125, 1.0, 0.75, 0.25}};
}
template <class BackEnd>
gaussian_model<BackEnd> make(const typename BackEnd::context& context, any_schedule schedule,
                             gaussian_model<BackEnd>*) {
    return {context, schedule, {0.75, -0.5}, {1.25, 0.5, 0.5, 0.75}};
}

// Calls f with both models, whose exact values are one code.
template <class BackEnd, class F>
void for_both_models(const typename BackEnd::context& context, any_schedule schedule, const F& f) {
    f(make<BackEnd>(context, schedule, static_cast<mixture_model<BackEnd>*>(nullptr)), "mixture");
    f(make<BackEnd>(context, schedule, static_cast<gaussian_model<BackEnd>*>(nullptr)), "gaussian");
}

template <class BackEnd, class Value>
std::vector<double> values_at(const typename BackEnd::context& context, Value& value,
                              const std::vector<double>& x, double t) {
    return call_numbers<BackEnd>(context, 2, x,
                                 [&](auto in, auto out) { value(in, t, {}, {}, {.value = out}); });
}
template <class BackEnd, class Model>
std::vector<double> log_density(const typename BackEnd::context& context, const Model& model,
                                const std::vector<double>& x, double t) {
    auto space = model.make_workspace(context, 0);
    return call_numbers<BackEnd>(context, 2, x,
                                 [&](auto in, auto out) { model.log_density(in, t, {}, space, out); });
}

} // namespace

TEST_CASE_TEMPLATE("the tilted density is the density times exp r over Z, at every point", back_end,
                   BACK_ENDS) {
    const auto context = back_end::make();
    const auto x = spread_points(2 * 9);
    for_both_models<back_end>(context, {}, [&](const auto& model, const std::string& name) {
        CAPTURE(name);
        const auto tilt = model.tilted(form);
        const auto plain = log_density<back_end>(context, model, x, 1.0);
        auto wanted = plain;
        for (std::size_t j = 0; j < wanted.size(); ++j)
            wanted[j] += form.constant + (form.linear[0] - 0.5 * form.curvature[0] * x[2 * j]) * x[2 * j] +
                         (form.linear[1] - 0.5 * form.curvature[1] * x[2 * j + 1]) * x[2 * j + 1] -
                         tilt.log_z;
        const double near = 20 * back_end::tolerance;
        CHECK(largest_error(log_density<back_end>(context, tilt.tilted, x, 1.0), wanted) < near);
        CHECK(largest_error(plain, wanted) > 0.1); // negative control
    });
}

TEST_CASE("log Z is the integral that quadrature finds") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    for_both_models<back_end>(context, {}, [&](const auto& model, const std::string& name) {
        std::vector<double> grid;
        const double step = 0.1;
        for (double a = -7.0; a < 8.0; a += step)
            for (double b = -7.0; b < 8.0; b += step) grid.insert(grid.end(), {a, b});
        const auto log_p = log_density<back_end>(context, model, grid, 1.0);
        const form_reward reward{form};
        double z = 0.0;
        for (std::size_t j = 0; j < log_p.size(); ++j)
            z += std::exp(log_p[j] + reward(column_view<const double>(&grid[2 * j], 2))) * step * step;
        CAPTURE(name);
        CHECK(model.tilted(form).log_z == doctest::Approx(std::log(z)).epsilon(1e-12));
    });
}

TEST_CASE("the value is the logarithm of the posterior mean of exp r, by quadrature") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    reference::for_each_schedule([&](any_schedule schedule, const std::string& schedule_name) {
        for_both_models<back_end>(context, schedule, [&](const auto& model, const std::string& name) {
            exact_value value(model, form_reward{form});
            const std::vector<double> x{0.5, -0.25, -1.0, 0.75};
            const double t = 0.5, alpha = schedule.alpha(t), sigma = schedule.sigma(t), step = 0.05;
            std::vector<double> grid;
            for (double a = -9.0; a < 9.0; a += step)
                for (double b = -9.0; b < 9.0; b += step) grid.insert(grid.end(), {a, b});
            const auto log_p = log_density<back_end>(context, model, grid, 1.0),
                       got = values_at<back_end>(context, value, x, t);
            for (std::size_t j = 0; j < 2; ++j) {
                double plain = 0.0, tilted = 0.0;
                for (std::size_t k = 0; k < log_p.size(); ++k) {
                    const double p = std::exp(log_p[k] -
                                              0.5 *
                                                  (square(x[2 * j] - alpha * grid[2 * k]) +
                                                   square(x[2 * j + 1] - alpha * grid[2 * k + 1])) /
                                                  square(sigma));
                    plain += p;
                    tilted += p * std::exp(value.reward()(column_view<const double>(&grid[2 * k], 2)));
                }
                CAPTURE(schedule_name);
                CAPTURE(name);
                CHECK(got[j] == doctest::Approx(std::log(tilted / plain)).epsilon(1e-10));
            }
        });
    });
}

TEST_CASE_TEMPLATE("the value is log Z at t = 0 for every x, and the reward at t = 1", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const auto x = spread_points(2 * 6);
    for (const any_schedule schedule : {reference::linear, reference::variance_preserving})
        for_both_models<back_end>(context, schedule, [&](const auto& model, const std::string& name) {
            CAPTURE(name);
            exact_value value(model, form_reward{form});
            for (const double v : values_at<back_end>(context, value, x, 0.0))
                CHECK(v == doctest::Approx(value.log_z()).epsilon(4 * back_end::tolerance));
            const auto last = values_at<back_end>(context, value, x, 1.0);
            for (std::size_t j = 0; j < 6; ++j)
                CHECK(last[j] == value.reward()(column_view<const double>(&x[2 * j], 2)));
            // And continuous there.
            CHECK(largest_error(values_at<back_end>(context, value, x, 1.0 - 1e-7), last) < 1e-4);
            CHECK(value.spent().forward == 2 * 12);
            CHECK(value.spent().reward == 6);
        });
}

TEST_CASE("guidance is b grad V by differences, and its limits at the ends") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto x = spread_points(2 * 3, 1.5);
    reference::for_each_schedule([&](any_schedule schedule, const std::string& schedule_name) {
        for_both_models<back_end>(context, schedule, [&](const auto& model, const std::string& name) {
            CAPTURE(schedule_name);
            CAPTURE(name);
            exact_value value(model, form_reward{form});
            const auto guidance = [&](double t) {
                return call<back_end>(context, 2, x,
                                      [&](auto in, auto out) { value.guidance(in, t, {}, {}, out); });
            };
            for (const double t : {0.05, 0.4, 0.6, 0.95}) {
                const double h = 1e-4, b = guidance_factor(schedule, t);
                std::vector<double> wanted;
                for (std::size_t k = 0; k < x.size(); ++k) {
                    auto high = x, low = x;
                    high[k] += h;
                    low[k] -= h;
                    wanted.push_back(b *
                                     (values_at<back_end>(context, value, high, t)[k / 2] -
                                      values_at<back_end>(context, value, low, t)[k / 2]) /
                                     (2 * h));
                }
                CAPTURE(t);
                CHECK(largest_error(guidance(t), wanted) < 1e-6); // h^2 and a factor b of up to 20
            }
            // t = 0: alpha'(0)(E_{p^r} z - E z). t = 1: b(1) grad r, b(1) = -sigma sigma'.
            const auto mean = model.mean(), tilted_mean = value.tilted().mean();
            std::vector<double> first, last;
            for (std::size_t k = 0; k < x.size(); ++k) {
                first.push_back(schedule.d_alpha(0.0) * (tilted_mean[k % 2] - mean[k % 2]));
                last.push_back(-sigma_d_sigma(schedule, 1.0) *
                               (form.linear[k % 2] - form.curvature[k % 2] * x[k]));
            }
            CHECK(largest_error(guidance(0.0), first) < 1e-12);
            CHECK(largest_error(guidance(1.0), last) < 1e-12);
            // sigma is 1e-4 there for variance preserving and cosine
            CHECK(largest_error(guidance(1.0 - 1e-8), last) < 1e-3);
            // Next to 0, away from the variance preserving schedule's first 1 %, it is next to the limit.
            if (schedule.alpha(0.0) == 0.0) CHECK(largest_error(guidance(1e-7), guidance(0.0)) < 1e-5);
        });
    });
}

TEST_CASE("no samples are drawn: standard error 0, no effective sample size") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    exact_value value(make<back_end>(context, {}, static_cast<mixture_model<back_end>*>(nullptr)),
                      form_reward{form});
    const auto x = from_host<double>(context, 2, 1, std::vector<double>{0.5, 0.25});
    double v = 0, error = -1, ess = 0;
    for (const double t : {0.5, 1.0}) {
        value(x.read(), t, {}, {},
              {.value = row(context, 1, &v),
               .standard_error = row(context, 1, &error),
               .ess = row(context, 1, &ess)});
        CHECK(error == 0.0);
        CHECK(std::isnan(ess));
    }
}

TEST_CASE("isotropic components stay isotropic under an isotropic curvature, and the weights of dead "
          "components stay 0") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const gaussian_mixture<back_end::batch, linear_schedule> model(context, {}, {0.5, 0.5},
                                                                   {0.0, 0.0, 2.0, -90.0}, {0.25, 0.5});
    const auto flat = model.tilted({0.0, {1.0, 2.0}, {0.5, 0.5}}),
               uneven = model.tilted({0.0, {1.0, 2.0}, {0.5, 0.25}});
    CHECK(flat.tilted.components().kind() == mixture_kind::isotropic);
    CHECK(uneven.tilted.components().kind() == mixture_kind::diagonal);
    CHECK(flat.tilted.components().weights()[1] == 0.0); // exp(-1600)
    auto space = model.make_workspace(context, 1);
    const auto x = std::vector<double>{0.25, 0.5};
    const auto d = call<back_end>(context, 2, x, [&](auto in, auto out) {
        flat.tilted.with_path(mixture_path::products).jvp(in, 0.5, {}, in, space, out);
    });
    CHECK(std::isfinite(d[0]));
    // empty vectors are zeros
    CHECK(model.tilted({1.5, {}, {}}).log_z == doctest::Approx(1.5).epsilon(1e-14));
}

} // namespace oracle_exact_value_test
