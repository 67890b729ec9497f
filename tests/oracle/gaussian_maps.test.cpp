/// The closed Gaussian maps against the laws that define flow maps and Diamond maps, and against the ODE that
/// they solve.
#include <Eigen/Dense>

#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace oracle_gaussian_maps_test {

using namespace diamond;
using reference::any_schedule, reference::call, reference::call_numbers, reference::spread_points;
using statistics::largest_error;

namespace {

const std::vector<double> mu{0.75, -0.5}, c{1.25, 0.5, 0.5, 0.75};

Eigen::Matrix2d covariance() { return Eigen::Map<const Eigen::Matrix2d>(c.data()); }
Eigen::Vector2d mean() { return Eigen::Map<const Eigen::Vector2d>(mu.data()); }

template <class BackEnd>
auto make_model(const typename BackEnd::context& context, any_schedule schedule) {
    return gaussian<typename BackEnd::batch, any_schedule>(context, schedule, mu, c);
}
template <class BackEnd, class Flow>
std::vector<double> carry(const typename BackEnd::context& context, Flow& flow, const std::vector<double>& x,
                          interval span) {
    return call<BackEnd>(context, 2, x, [&](auto in, auto out) { flow(in, span, {}, out); });
}
// xbar and x_t are 2 x n on the host.
template <class BackEnd, class Map>
std::vector<double> carry(const typename BackEnd::context& context, Map& map, const std::vector<double>& xbar,
                          interval inner, const std::vector<double>& x_t, time_view t) {
    const auto outer = from_host<typename BackEnd::real>(
        context, 2, static_cast<index_t>(x_t.size()) / 2,
        std::vector<typename BackEnd::real>(x_t.begin(), x_t.end()));
    return call<BackEnd>(context, 2, xbar,
                         [&](auto in, auto out) { map(in, inner, outer.read(), t, {}, out); });
}

} // namespace

TEST_CASE_TEMPLATE("the flow map: identity, semigroup, inverse, in either direction", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const auto x = spread_points(2 * 6);
    const double near = 10 * back_end::tolerance;
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        CAPTURE(name);
        gaussian_flow_map flow(make_model<back_end>(context, schedule));
        for (const double t : {0.0, 0.3, 1.0})
            CHECK(largest_error(carry<back_end>(context, flow, x, {t, t}), x) < near);
        for (const auto [t, k, s] : {std::array{0.0, 0.4, 1.0}, std::array{0.2, 0.9, 0.6},
                                     std::array{1.0, 0.5, 0.0}, std::array{0.7, 0.0, 0.3}}) {
            const auto direct = carry<back_end>(context, flow, x, {t, s});
            CHECK(largest_error(
                      carry<back_end>(context, flow, carry<back_end>(context, flow, x, {t, k}), {k, s}),
                      direct) < near);
            CHECK(largest_error(carry<back_end>(context, flow, direct, {s, t}), x) < near);
            if (t != s) CHECK(largest_error(direct, x) > 0.01);
        }
    });
}

TEST_CASE("the flow map solves the model's own ODE: d/ds X = u(X, s)") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto x = spread_points(2 * 6);
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        CAPTURE(name);
        const auto model = make_model<back_end>(context, schedule);
        gaussian_flow_map flow(model);
        auto space = model.make_workspace(context, 6);
        for (const auto [t, s] : {std::array{0.0, 0.5}, std::array{0.9, 0.3}}) {
            const double h = 1e-4;
            auto rate = carry<back_end>(context, flow, x, {t, s + h});
            const auto low = carry<back_end>(context, flow, x, {t, s - h}),
                       here = carry<back_end>(context, flow, x, {t, s});
            for (std::size_t k = 0; k < rate.size(); ++k) rate[k] = (rate[k] - low[k]) / (2 * h);
            CHECK(largest_error(call<back_end>(context, 2, here,
                                               [&](auto in, auto out) { model(in, s, {}, space, out); }),
                                rate) < 1e-6);
        }
    });
}

TEST_CASE(
    "the mean divergence is the change of log density over the length, and the divergence at length 0") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto x = spread_points(2 * 4);
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        CAPTURE(name);
        const auto model = make_model<back_end>(context, schedule);
        gaussian_flow_map flow(model);
        auto space = model.make_workspace(context, 4);
        diamond::scratch<typename back_end::real, typename back_end::context> there;
        const auto m = [&](interval span) {
            return call_numbers<back_end>(context, 2, x, [&](auto in, auto out) {
                there.resize(context, in.rows(), in.columns());
                flow(in, span, {}, there.mutable_view(), out);
            });
        };
        const auto log_p = [&](const std::vector<double>& y, double t) {
            return call_numbers<back_end>(
                context, 2, y, [&](auto in, auto out) { model.log_density(in, t, {}, space, out); });
        };
        for (const auto [t, s] : {std::array{0.2, 0.7}, std::array{1.0, 0.4}}) {
            const auto before = log_p(x, t), after = log_p(carry<back_end>(context, flow, x, {t, s}), s);
            for (std::size_t j = 0; j < 4; ++j)
                CHECK(m({t, s})[j] == doctest::Approx((before[j] - after[j]) / (s - t)).epsilon(1e-12));
        }
        CHECK(m({0.6, 0.6})[1] == doctest::Approx(call_numbers<back_end>(context, 2, x,
                                                                         [&](auto in, auto out) {
                                                                             model.divergence(in, 0.6, {},
                                                                                              space, out);
                                                                         })[1])
                                      .epsilon(1e-13));
        CHECK(m({0.6, 0.6 + 1e-7})[1] == doctest::Approx(m({0.6, 0.6})[1]).epsilon(1e-5));
    });
}

TEST_CASE_TEMPLATE("the flow map carries N(0, I) to the data's mean and covariance, with no randomness",
                   back_end, BACK_ENDS) {
    // Affine: the image of 0 is the mean, differences of images of unit vectors the factor A with A A^T = C.
    const auto context = back_end::make();
    gaussian_flow_map flow(make_model<back_end>(context, reference::linear));
    const auto image = carry<back_end>(context, flow, {0.0, 0.0, 1.0, 0.0, 0.0, 1.0}, {0.0, 1.0});
    Eigen::Matrix2d a;
    a << image[2] - image[0], image[4] - image[0], image[3] - image[1], image[5] - image[1];
    CHECK((Eigen::Vector2d(image[0], image[1]) - mean()).norm() < 10 * back_end::tolerance);
    CHECK((a * a.transpose() - covariance()).norm() < 10 * back_end::tolerance);
}

TEST_CASE_TEMPLATE(
    "the Diamond map carries N(0, I) to the posterior's mean and covariance, with no randomness", back_end,
    BACK_ENDS) {
    const auto context = back_end::make();
    const double near = 20 * back_end::tolerance;
    const std::vector<double> units{0.0, 0.0, 1.0, 0.0, 0.0, 1.0};
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        gaussian_diamond_map map(make_model<back_end>(context, schedule));
        gaussian_diamond_map other(make_model<back_end>(context, schedule), cosine_schedule{});
        const Eigen::Vector2d x(0.5, -1.25);
        const std::vector<double> outer{x(0), x(1), x(0), x(1), x(0), x(1)};
        for (const double t : {0.0, 0.3, 0.8, 1.0}) {
            CAPTURE(name);
            CAPTURE(t);
            const double alpha = t == 0.0 ? 0.0 : schedule.alpha(t),
                         sigma = t == 0.0 ? 1.0 : schedule.sigma(t);
            // In the form that stands t = 1: gain = alpha C (alpha^2 C + sigma^2 I)^{-1}.
            const Eigen::Matrix2d
                gain = alpha * covariance() *
                       (alpha * alpha * covariance() + sigma * sigma * Eigen::Matrix2d::Identity()).inverse();
            const Eigen::Vector2d centre = mean() + gain * (x - alpha * mean());
            const Eigen::Matrix2d spread = covariance() - alpha * gain * covariance();
            for (const auto& image : {carry<back_end>(context, map, units, {0.0, 1.0}, outer, t),
                                      carry<back_end>(context, other, units, {0.0, 1.0}, outer, t)}) {
                Eigen::Matrix2d a;
                a << image[2] - image[0], image[4] - image[0], image[3] - image[1], image[5] - image[1];
                CHECK((Eigen::Vector2d(image[0], image[1]) - centre).norm() < near);
                CHECK((a * a.transpose() - spread).norm() < near);
            }
        }
    });
}

TEST_CASE_TEMPLATE("the Diamond map: identity, semigroup, inverse of its inner flow", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const double near = 20 * back_end::tolerance;
    const auto xbar = spread_points(2 * 4), x_t = spread_points(2 * 4, 1.5, 3);
    const std::vector<double> when{0.0, 0.25, 0.625, 0.875};
    const auto per_column = from_host<double>(context, 1, 4, when);
    gaussian_diamond_map map(make_model<back_end>(context, reference::variance_preserving));
    const auto go = [&](const std::vector<double>& from, interval inner) {
        return carry<back_end>(context, map, from, inner, x_t, time_view(per_column.data()));
    };
    for (const double s : {0.0, 0.5, 1.0}) CHECK(largest_error(go(xbar, {s, s}), xbar) < near);
    for (const auto [s, k, r] :
         {std::array{0.0, 0.4, 1.0}, std::array{0.1, 0.9, 0.6}, std::array{1.0, 0.5, 0.0}}) {
        CHECK(largest_error(go(go(xbar, {s, k}), {k, r}), go(xbar, {s, r})) < near);
        CHECK(largest_error(go(go(xbar, {s, r}), {r, s}), xbar) < 4 * near);
    }
    // A time per column is that column's time.
    const auto together = go(xbar, {0.2, 0.9});
    for (std::size_t j = 0; j < 4; ++j) {
        const std::vector<double> one(xbar.begin() + 2 * static_cast<index_t>(j),
                                      xbar.begin() + 2 * static_cast<index_t>(j + 1)),
            outer(x_t.begin() + 2 * static_cast<index_t>(j), x_t.begin() + 2 * static_cast<index_t>(j + 1)),
            part{together[2 * j], together[2 * j + 1]};
        CHECK(largest_error(part, carry<back_end>(context, map, one, {0.2, 0.9}, outer, when[j])) <
              back_end::tolerance);
    }
}

TEST_CASE("the Diamond map's inner flow solves GLASS's ODE: d/dr X = a' D + b' N of the posterior seen "
          "through inner noise") {
    // At (xbar, x_t) the data has precision C^{-1} + snr(t) I + a^2/b^2 I: written out densely.
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto xbar = spread_points(2 * 3), x_t = spread_points(2 * 3, 1.5, 3);
    const double t = 0.4, r = 0.6, h = 1e-4;
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        CAPTURE(name);
        gaussian_diamond_map map(make_model<back_end>(context, schedule));
        const auto high = carry<back_end>(context, map, xbar, {0.2, r + h}, x_t, t),
                   low = carry<back_end>(context, map, xbar, {0.2, r - h}, x_t, t),
                   here = carry<back_end>(context, map, xbar, {0.2, r}, x_t, t);
        const double alpha = schedule.alpha(t), sigma = schedule.sigma(t);
        const Eigen::Matrix2d identity = Eigen::Matrix2d::Identity();
        const Eigen::Matrix2d spread = (covariance().inverse() +
                                        (square(alpha / sigma) + square(r / (1 - r))) * identity)
                                           .inverse();
        for (index_t j = 0; j < 3; ++j) {
            const Eigen::Vector2d state(&here[static_cast<std::size_t>(2 * j)]),
                outer(&x_t[static_cast<std::size_t>(2 * j)]);
            const Eigen::Vector2d mean_z = spread *
                                           (covariance().inverse() * mean() + alpha / square(sigma) * outer +
                                            r / square(1 - r) * state);
            const Eigen::Vector2d rate = mean_z - (state - r * mean_z) / (1 - r);
            for (index_t i = 0; i < 2; ++i) {
                const auto k = static_cast<std::size_t>(i + 2 * j);
                CHECK((high[k] - low[k]) / (2 * h) == doctest::Approx(rate(i)).epsilon(1e-6));
            }
        }
    });
}

TEST_CASE_TEMPLATE("vector-Jacobian products are the maps' derivatives, for every argument", back_end,
                   BACK_ENDS) {
    // The maps are affine, so differences with steps of 1 are exact.
    const auto context = back_end::make();
    const double near = 40 * back_end::tolerance;
    const auto x = spread_points(2 * 3), x_t = spread_points(2 * 3, 1.5, 3), w = spread_points(2 * 3, 1.0, 5);
    using real = typename back_end::real;
    const auto on_device = [&](const std::vector<double>& v) {
        return from_host<real>(context, 2, 3, std::vector<real>(v.begin(), v.end()));
    };
    const auto pull = [&](const auto& f, const std::vector<double>& at) { // w^T df/dat by differences
        std::vector<double> gradient(6);
        const auto here = f(at);
        for (std::size_t k = 0; k < 6; ++k) {
            auto moved = at;
            moved[k] += 1.0;
            const auto there = f(moved);
            for (std::size_t l = 0; l < 6; ++l) gradient[k] += w[l] * (there[l] - here[l]);
        }
        return gradient;
    };
    gaussian_flow_map flow(make_model<back_end>(context, reference::trigonometric));
    const auto cotangent = on_device(w);
    for (const interval span : {interval{0.0, 1.0}, interval{0.8, 0.3}})
        CHECK(
            largest_error(
                call<back_end>(context, 2, x,
                               [&](auto in, auto out) { flow.vjp(in, span, {}, cotangent.read(), out); }),
                pull([&](const std::vector<double>& at) { return carry<back_end>(context, flow, at, span); },
                     x)) < near);
    gaussian_diamond_map map(make_model<back_end>(context, reference::variance_preserving));
    for (const double t : {0.0, 0.5, 1.0})
        for (const interval inner : {interval{0.0, 1.0}, interval{0.3, 0.7}, interval{0.9, 0.2}}) {
            CAPTURE(t);
            const auto first = on_device(x), second = on_device(x_t);
            typename back_end::batch xbar_gradient(context, 2, 3), x_t_gradient(context, 2, 3);
            map.vjp(first.read(), inner, second.read(), t, {}, cotangent.read(), xbar_gradient.mutable_view(),
                    x_t_gradient.mutable_view());
            CHECK(largest_error(to_host(xbar_gradient), pull(
                                                            [&](const std::vector<double>& at) {
                                                                return carry<back_end>(context, map, at,
                                                                                       inner, x_t, t);
                                                            },
                                                            x)) < near);
            CHECK(largest_error(to_host(x_t_gradient), pull(
                                                           [&](const std::vector<double>& at) {
                                                               return carry<back_end>(context, map, x, inner,
                                                                                      at, t);
                                                           },
                                                           x_t)) < near);
        }
}

TEST_CASE_TEMPLATE("the edges are exact: x_t at t = 1, nothing of x_t at t = 0, everything finite", back_end,
                   BACK_ENDS) {
    const auto context = back_end::make();
    const double near = 10 * back_end::tolerance;
    const auto xbar = spread_points(2 * 3), x_t = spread_points(2 * 3, 1.5, 3),
               other = spread_points(2 * 3, 1.5, 8);
    gaussian_diamond_map map(make_model<back_end>(context, reference::variance_preserving));
    CHECK(largest_error(carry<back_end>(context, map, xbar, {0.0, 1.0}, x_t, 1.0), x_t) < near);
    CHECK(largest_error(carry<back_end>(context, map, xbar, {0.5, 1.0}, x_t, 1.0), x_t) < near);
    CHECK(carry<back_end>(context, map, xbar, {0.0, 1.0}, x_t, 0.0) ==
          carry<back_end>(context, map, xbar, {0.0, 1.0}, other, 0.0));
    // What ends in a point cannot be undone: the way back gives the centre.
    for (const double value : carry<back_end>(context, map, x_t, {1.0, 0.5}, x_t, 1.0))
        CHECK(std::isfinite(value));
    CHECK(largest_error(carry<back_end>(context, map, x_t, {1.0, 0.0}, x_t, 1.0),
                        std::vector<double>(6, 0.0)) < near);
    // At t = 0 the inner flow is the flow map of the data on the inner schedule.
    gaussian_flow_map flow(gaussian<typename back_end::batch, linear_schedule>(context, {}, mu, c));
    CHECK(largest_error(carry<back_end>(context, map, xbar, {0.25, 0.75}, x_t, 0.0),
                        carry<back_end>(context, flow, xbar, {0.25, 0.75})) < near);
}

TEST_CASE_TEMPLATE("one noise gives the exact posterior's draw and the Diamond map's", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const auto model = make_model<back_end>(context, reference::linear);
    const index_t n = 50, samples = 3;
    typename back_end::batch x(context, 2, n), first(context, 2, n * samples),
        second(context, 2, n * samples);
    context.fill_normal(philox{31}.stream(purpose::user), x.mutable_view());
    exact_posterior sampler(model);
    diamond_map_posterior mapped(gaussian_diamond_map{model});
    auto stream = philox{32}.stream(purpose::value, 4, samples);
    for (const bool antithetic : {false, true}) {
        stream.antithetic = antithetic;
        sampler(x.read(), 0.5, {}, stream, first.mutable_view());
        mapped(x.read(), 0.5, {}, stream, second.mutable_view());
        CHECK(largest_error(to_host(first), to_host(second)) < 10 * back_end::tolerance);
    }
    CHECK(sampler.spent() == mapped.spent());
    CHECK(mapped.exact());
}

TEST_CASE("evaluations are counted a column at a time") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    gaussian_flow_map flow(make_model<back_end>(context, reference::linear));
    gaussian_diamond_map map(make_model<back_end>(context, reference::linear));
    back_end::batch x(context, 2, 5), y(context, 2, 5), z(context, 2, 5);
    flow(x.read(), {0.0, 1.0}, {}, y.mutable_view());
    flow.vjp(x.read(), {0.0, 1.0}, {}, x.read(), y.mutable_view());
    CHECK(flow.spent() == cost{.forward = 5, .vjp = 5});
    map(x.read(), {0.0, 1.0}, x.read(), 0.5, {}, y.mutable_view());
    map.vjp(x.read(), {0.0, 1.0}, x.read(), 0.5, {}, x.read(), y.mutable_view(), z.mutable_view());
    CHECK(map.spent() == cost{.forward = 5, .vjp = 5});
}

} // namespace oracle_gaussian_maps_test
