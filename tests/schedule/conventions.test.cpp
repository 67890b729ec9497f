/// Networks of other conventions: the exact predictions of a mixture, each as a framework states them, must
/// become the velocity and the denoiser of the mixture on our schedules, with their products.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <vector>

#include <diamond/schedule/conventions/discrete_time_network.hpp>
#include <diamond/schedule/conventions/edm_network.hpp>
#include <diamond/schedule/conventions/rectified_flow_network.hpp>
#include <diamond/schedule/conventions/variance_exploding_network.hpp>
#include <diamond/schedule/guided_field.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/fields.hpp"
#include "support/labelled.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace schedule_conventions_test {

using diamond::index_t, diamond::predicted, diamond::time_view;
using any_schedule = schedules::any;
using statistics::largest_error;

namespace {

constexpr diamond::no_condition none;

/// What frameworks train at y = a z + s eps, and how they count time.
enum class convention { rectified_flow, edm, sigma, steps };

constexpr double sigma_data = 0.7, sigma_min = 0.002, sigma_max = 80.0;
constexpr index_t steps = 40;
/// log s/a of the table's steps lies on a line, so that the level between two steps is known.
constexpr double first_log_ratio = -4.0, log_ratio_per_step = 0.2;
std::vector<double> alpha_bar() {
    std::vector<double> table;
    for (index_t k = 0; k < steps; ++k)
        table.push_back(
            1.0 / (1.0 + std::exp(2.0 * (first_log_ratio + log_ratio_per_step * static_cast<double>(k)))));
    return table;
}

/// A convention's prediction at one state and time of its own, with its Jacobian.
struct prediction_at {
    double value[2], jacobian[2][2];
    DIAMOND_HD prediction_at(convention how, predicted what, double time, const double* input) {
        double a = 1.0, s = time, input_scale = 1.0;
        if (how == convention::rectified_flow) {
            s = time / 1000.0;
            a = 1.0 - s;
        } else if (how == convention::edm) {
            s = std::exp(4.0 * time);
            input_scale = std::sqrt(s * s + sigma_data * sigma_data); // y = input/c_in
        } else if (how == convention::steps) {
            const double ratio = std::exp(first_log_ratio + log_ratio_per_step * time);
            a = 1.0 / std::sqrt(1.0 + ratio * ratio);
            s = ratio * a;
        }
        const double y[2] = {input_scale * input[0], input_scale * input[1]};
        const models::mixture_point p({}, a, s * s, y);
        for (int i = 0; i < 2; ++i) {
            value[i] = of(how, what, a, s, y[i], p.denoiser[i], p.score[i]);
            for (int l = 0; l < 2; ++l)
                jacobian[i][l] = input_scale *
                                 of(how, what, a, s, i == l ? 1.0 : 0.0, p.d_denoiser[i][l], p.d_score[i][l]);
        }
    }

private:
    /// The prediction from y, D and the score, in which it is linear: of their derivatives, its derivative.
    DIAMOND_HD static double of(convention how, predicted what, double a, double s, double y, double d,
                                double score) {
        const double eps = -s * score;
        if (how == convention::rectified_flow) return eps - d;
        if (how == convention::edm) {
            const double total = s * s + sigma_data * sigma_data;
            return (d - sigma_data * sigma_data / total * y) / (s * sigma_data / std::sqrt(total));
        }
        return what == predicted::eps ? eps
             : what == predicted::x0  ? d
             : what == predicted::v   ? a * eps - s * d
                                      : score;
    }
};
template <class ConstView, class View>
struct write_prediction {
    convention how;
    predicted what;
    ConstView y, direction;
    time_view t;
    View out;
    bool product;
    DIAMOND_HD void operator()(index_t j) const {
        const double at[2] = {static_cast<double>(y(0, j)), static_cast<double>(y(1, j))};
        const prediction_at p(how, what, t[j], at);
        for (index_t i = 0; i < 2; ++i) {
            double result = p.value[i];
            if (product)
                result = p.jacobian[i][0] * static_cast<double>(direction(0, j)) +
                         p.jacobian[i][1] * static_cast<double>(direction(1, j));
            out(i, j) = static_cast<typename View::value_type>(result);
        }
    }
};
/// The network of elsewhere: exact, of any convention.
template <class Batch>
struct exact_network {
    using batch_type = Batch;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct workspace {};
    convention how;
    predicted what = predicted::eps;

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const_view y, time_view t, diamond::no_condition, workspace&, view out) const {
        write(y, y, t, out, false);
    }
    void vjp(const_view y, time_view t, diamond::no_condition, const_view cotangent, workspace&,
             view out) const {
        write(y, cotangent, t, out, true); // the Jacobian is symmetric
    }
    void jvp(const_view y, time_view t, diamond::no_condition, const_view tangent, workspace&,
             view out) const {
        write(y, tangent, t, out, true);
    }

private:
    void write(const_view y, const_view direction, time_view t, view out, bool product) const {
        y.context().for_each(y.columns(), write_prediction<const_view, view>{.how = how,
                                                                             .what = what,
                                                                             .y = y,
                                                                             .direction = direction,
                                                                             .t = t,
                                                                             .out = out,
                                                                             .product = product});
    }
};

/// Writes D, or its Jacobian times a direction, of the mixture at a time of our schedule.
template <class ConstView, class View>
struct write_denoiser {
    any_schedule schedule;
    ConstView x, direction;
    time_view t;
    View out;
    bool product;
    DIAMOND_HD void operator()(index_t j) const {
        const double at[2] = {static_cast<double>(x(0, j)), static_cast<double>(x(1, j))};
        const models::mixture_point p({}, schedule.alpha(t[j]), diamond::square(schedule.sigma(t[j])), at);
        for (index_t i = 0; i < 2; ++i) {
            double result = p.denoiser[i];
            if (product)
                result = p.d_denoiser[i][0] * static_cast<double>(direction(0, j)) +
                         p.d_denoiser[i][1] * static_cast<double>(direction(1, j));
            out(i, j) = static_cast<typename View::value_type>(result);
        }
    }
};

/// The largest errors of a field and its products against the mixture's, at these times.
struct errors {
    double velocity = 0.0, velocity_products = 0.0, denoiser = 0.0, denoiser_products = 0.0;
    [[nodiscard]] double most() const {
        return std::max({velocity, velocity_products, denoiser, denoiser_products});
    }
};
template <class Field>
errors errors_of(const Field& field, any_schedule schedule,
                 const diamond::backend_of_t<typename Field::batch_type>& context,
                 const std::vector<double>& times, bool broadcast) {
    using batch = typename Field::batch_type;
    const auto n = static_cast<index_t>(times.size());
    const batch x = batches::normal<batch>(context, 2, n, 1), w = batches::normal<batch>(context, 2, n, 2);
    const models::mixture<batch, any_schedule> model(schedule);
    const auto own = diamond::from_host<double>(context, 1, n, times);
    const time_view t = broadcast ? time_view(times.front()) : time_view(own.data());
    auto space = field.make_workspace(context, n + 3); // a workspace serves fewer columns, too
    auto plain = model.make_workspace(context, n);
    batch found(context, 2, n), wanted(context, 2, n);
    errors result;
    const auto compare = [&](double& error) {
        error = std::max(error, largest_error(batches::host(found), batches::host(wanted)));
    };
    model(x, t, none, plain, wanted);
    field(x, t, none, space, found);
    compare(result.velocity);
    model.vjp(x, t, none, w, plain, wanted);
    field.vjp(x, t, none, w, space, found);
    compare(result.velocity_products);
    field.jvp(x, t, none, w, space, found);
    compare(result.velocity_products);
    if constexpr (diamond::velocity_field_with_denoiser<Field>) {
        using writes = write_denoiser<diamond::const_view_t<batch>, diamond::view_t<batch>>;
        const auto write = [&](bool product) {
            context.for_each(n, writes{.schedule = schedule,
                                       .x = x,
                                       .direction = w,
                                       .t = t,
                                       .out = wanted.mutable_view(),
                                       .product = product});
        };
        write(false);
        field.denoiser(x, t, none, space, found);
        compare(result.denoiser);
        write(true);
        field.denoiser_vjp(x, t, none, w, space, found);
        compare(result.denoiser_products);
        field.denoiser_jvp(x, t, none, w, space, found);
        compare(result.denoiser_products);
    }
    return result;
}
/// The largest errors with a time a column, and with each as the one time of a batch.
template <class Field>
errors errors_at_all(const Field& field, any_schedule schedule,
                     const diamond::backend_of_t<typename Field::batch_type>& context,
                     const std::vector<double>& times) {
    errors result = errors_of(field, schedule, context, times, false);
    for (const double t : times) {
        const errors one = errors_of(field, schedule, context, std::vector<double>(times.size(), t), true);
        result = {std::max(result.velocity, one.velocity),
                  std::max(result.velocity_products, one.velocity_products),
                  std::max(result.denoiser, one.denoiser),
                  std::max(result.denoiser_products, one.denoiser_products)};
    }
    return result;
}
/// Times whose levels, sigma/alpha from 54 to 0.019, lie in the range of every convention above.
std::vector<double> known_times(any_schedule schedule) {
    std::vector<double> times;
    for (const double log_ratio : {3.7, 2.0, 0.9, 0.03, -0.8, -2.2, -3.96})
        times.push_back(schedule.time_at(1.0, std::exp(log_ratio)));
    return times;
}

} // namespace

TEST_CASE_TEMPLATE("networks of every convention are velocity fields with denoisers, products and all",
                   back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const bool single = std::is_same_v<typename back_end::real, float>;
    const double bound = single ? 5e-6 : 1e-12;
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        const auto times = known_times(schedule);
        const auto check = [&](const auto& field, double stretch = 1.0) {
            static_assert(diamond::differentiable_velocity_field<std::remove_cvref_t<decltype(field)>>);
            const errors found = errors_at_all(field, schedule, context, times);
            CAPTURE(std::string(schedule.name()));
            CAPTURE(found.velocity);
            CAPTURE(found.velocity_products);
            CAPTURE(found.denoiser);
            CAPTURE(found.denoiser_products);
            CHECK(found.most() < stretch * bound);
        };
        check(diamond::edm_network{
            schedule, exact_network<batch>{convention::edm}, {.sigma_data = sigma_data}});
        for (const auto what : {predicted::eps, predicted::x0, predicted::v, predicted::score}) {
            CAPTURE(static_cast<int>(what));
            // At 40 times as much noise as signal D is a difference of numbers of size 40, and near t = 1 the
            // velocity is one over sigma = 0.02.
            check(
                diamond::variance_exploding_network{
                    schedule,
                    exact_network<batch>{convention::sigma, what},
                    {.predicts = what, .sigma_min = sigma_min, .sigma_max = sigma_max}},
                10.0);
            check(diamond::discrete_time_network{context,
                                                 schedule,
                                                 exact_network<batch>{convention::steps, what},
                                                 {.alpha_bar = alpha_bar(), .predicts = what}},
                  10.0);
        }
    }
    const diamond::rectified_flow_network flow{exact_network<batch>{convention::rectified_flow},
                                               {.time_scale = 1000.0}};
    const errors found = errors_at_all(flow, any_schedule{}, context,
                                       {0.0, 1e-6, 0.02, 0.3, 0.77, 0.999, 1.0});
    CHECK(found.most() < bound);
}

namespace {
using host_batch = diamond::eigen::batch<double>;
using exact = exact_network<host_batch>;
const diamond::linear_schedule line;

/// What f writes, at two states and one time, which it must write alike where each column has the time.
template <class Call>
std::vector<double> written(const diamond::eigen::context& context, const host_batch& x, double t,
                            const Call& call) {
    host_batch one(context, 2, x.columns()), own(context, 2, x.columns());
    const auto times = diamond::from_host<double>(
        context, 1, x.columns(), std::vector<double>(static_cast<std::size_t>(x.columns()), t));
    call(x.read(), time_view(t), one.mutable_view());
    call(x.read(), time_view(times.data()), own.mutable_view());
    // Compilers contract the two ways differently, and u keeps 9 digits as t goes to 1 (below).
    const double bound = 1.0 - t < 1e-5 && t < 1.0 ? 1e-9 : back_ends::eigen<double>::tolerance;
    CHECK(largest_error(batches::host(own), batches::host(one)) < bound);
    return batches::host(one);
}
template <class Field>
std::vector<double> velocity_of(const diamond::eigen::context& context, const host_batch& x, double t,
                                const Field& field) {
    auto space = field.make_workspace(context, x.columns());
    return written(context, x, t,
                   [&](auto at, time_view when, auto out) { field(at, when, none, space, out); });
}
template <class Field>
std::vector<double> denoiser_of(const diamond::eigen::context& context, const host_batch& x, double t,
                                const Field& field) {
    auto space = field.make_workspace(context, x.columns());
    return written(context, x, t,
                   [&](auto at, time_view when, auto out) { field.denoiser(at, when, none, space, out); });
}
/// D and E[eps] of the mixture at y = sqrt(a^2 + s^2) x, in the convention a, s.
struct told {
    std::vector<double> denoiser, eps;
    told(const host_batch& x, double a, double s) {
        for (index_t j = 0; j < x.columns(); ++j) {
            const double h = std::hypot(a, s), y[2] = {h * x.data()[2 * j], h * x.data()[2 * j + 1]};
            const models::mixture_point p({}, a, s * s, y);
            for (int i = 0; i < 2; ++i) {
                denoiser.push_back(p.denoiser[i]);
                eps.push_back(-s * p.score[i]);
            }
        }
    }
};
std::vector<double> combined(double a, const std::vector<double>& x, double b, const std::vector<double>& y) {
    std::vector<double> result;
    for (std::size_t k = 0; k < x.size(); ++k) result.push_back(a * x[k] + b * y[k]);
    return result;
}
} // namespace

TEST_CASE(
    "with more noise than it knows a network is asked at its noisiest level, with less at its cleanest") {
    const auto context = back_ends::eigen<double>::make(1);
    const host_batch x = batches::normal<host_batch>(context, 2, 4, 5);
    const auto state = batches::host(x);
    const auto check = [&](const auto& field, double a_noisy, double s_noisy, double a_clean,
                           double s_clean) {
        const told noisy(x, a_noisy, s_noisy);
        for (const double t : {0.0, 1e-3}) { // the state's own norm is all that is left of t
            const host_batch scaled = batches::make<host_batch>(
                context, 2, 4, combined(std::hypot(t, 1.0 - t), state, 0.0, state));
            CHECK(largest_error(denoiser_of(context, scaled, t, field), noisy.denoiser) < 1e-10);
        }
        CHECK(largest_error(velocity_of(context, x, 0.0, field), combined(1.0, noisy.denoiser, -1.0, state)) <
              1e-10);
        // Beyond the cleanest level the noise is what it is there: u = D - eps, D = (x - sigma eps)/alpha.
        const double sigma = 1e-5, alpha = 1.0 - sigma;
        const host_batch scaled = batches::make<host_batch>(
            context, 2, 4, combined(std::hypot(alpha, sigma), state, 0.0, state));
        const told clean(x, a_clean, s_clean);
        const auto d = combined(1.0 / alpha, batches::host(scaled), -sigma / alpha, clean.eps);
        CHECK(largest_error(denoiser_of(context, scaled, alpha, field), d) < 1e-10);
        CHECK(largest_error(velocity_of(context, scaled, alpha, field), combined(1.0, d, -1.0, clean.eps)) <
              1e-11);
        // The products are those of differences there, too.
        const host_batch w = batches::normal<host_batch>(context, 2, 4, 13);
        for (const double t : {0.0, 1e-3, alpha}) {
            constexpr double step = 1e-5;
            const auto moved = [&](double by) {
                return batches::make<host_batch>(context, 2, 4, combined(1.0, state, by, batches::host(w)));
            };
            auto space = field.make_workspace(context, 4);
            const auto compare = [&](const auto& call, const auto& product, const auto& transposed) {
                const auto slope = combined(0.5 / step, call(context, moved(step), t, field), -0.5 / step,
                                            call(context, moved(-step), t, field));
                CHECK(largest_error(written(context, x, t, product), slope) < 1e-7);
                CHECK(largest_error(written(context, x, t, transposed), slope) < 1e-7); // it is symmetric
            };
            compare([](const auto&... a) { return velocity_of(a...); },
                    [&](auto at, time_view when, auto out) { field.jvp(at, when, none, w, space, out); },
                    [&](auto at, time_view when, auto out) { field.vjp(at, when, none, w, space, out); });
            compare(
                [](const auto&... a) { return denoiser_of(a...); },
                [&](auto at, time_view when, auto out) { field.denoiser_jvp(at, when, none, w, space, out); },
                [&](auto at, time_view when, auto out) {
                    field.denoiser_vjp(at, when, none, w, space, out);
                });
        }
        CHECK(denoiser_of(context, x, 1.0, field) == state);
        CHECK(velocity_of(context, x, 1.0, field) == state);
    };
    const auto table = alpha_bar();
    const auto signal = [](double bar) { return std::sqrt(bar); };
    const auto noise = [](double bar) { return std::sqrt(1.0 - bar); };
    for (const auto what : {predicted::eps, predicted::x0, predicted::v, predicted::score}) {
        check(
            diamond::variance_exploding_network{
                line,
                exact{convention::sigma, what},
                {.predicts = what, .sigma_min = sigma_min, .sigma_max = sigma_max}},
            1.0, sigma_max, 1.0, sigma_min);
        check(
            diamond::discrete_time_network{
                context, line, exact{convention::steps, what}, {.alpha_bar = table, .predicts = what}},
            signal(table.back()), noise(table.back()), signal(table.front()), noise(table.front()));
    }
    // EDM's network is asked at the state's own c_in y, and D = sigma_data F at t = 0.
    const diamond::edm_network edm{line, exact{convention::edm}, {.sigma_data = sigma_data}};
    std::vector<double> f;
    for (index_t j = 0; j < 4; ++j) {
        const prediction_at p(convention::edm, predicted::eps, 0.25 * std::log(sigma_max), x.data() + 2 * j);
        f.insert(f.end(), {sigma_data * p.value[0], sigma_data * p.value[1]});
    }
    CHECK(largest_error(denoiser_of(context, x, 0.0, edm), f) < 1e-12);
    CHECK(largest_error(velocity_of(context, x, 0.0, edm), combined(1.0, f, -1.0, state)) < 1e-12);
    CHECK(denoiser_of(context, x, 1.0, edm) == state);
    CHECK(velocity_of(context, x, 1.0, edm) == state);
    CHECK(largest_error(velocity_of(context, x, 1.0 - 1e-9, edm), state) < 5.0); // finite
}

TEST_CASE("the velocity keeps its digits as 1 - t falls to 1e-12") {
    const auto context = back_ends::eigen<double>::make(1);
    const host_batch x = batches::normal<host_batch>(context, 2, 4, 14);
    const auto state = batches::host(x);
    const auto compare = [&](const auto& schedule) {
        for (const double rest : {1e-6, 1e-9, 1e-12}) {
            const double t = 1.0 - rest;
            const diamond::instant at(t);
            const double alpha = diamond::alpha_at(schedule, at), sigma = diamond::sigma_at(schedule, at);
            const double d_alpha = diamond::d_alpha_at(schedule, at),
                         d_sigma = diamond::d_sigma_at(schedule, at), norm = std::hypot(alpha, sigma);
            const auto close = [&](const auto& field, const std::vector<double>& eps,
                                   const std::vector<double>& d) {
                const auto u = combined(d_alpha, d, d_sigma, eps), found = velocity_of(context, x, t, field);
                CAPTURE(rest);
                for (std::size_t k = 0; k < u.size(); ++k)
                    CHECK(std::abs(found[k] - u[k]) < 1e-9 * (1.0 + std::abs(u[k])));
            };
            const auto of_eps = [&](const std::vector<double>& eps) {
                return combined(1.0 / alpha, state, -sigma / alpha, eps);
            };
            const auto table = alpha_bar();
            const host_batch y = batches::make<host_batch>(context, 2, 4,
                                                           combined(1.0 / norm, state, 0.0, state));
            const told at_sigma(y, 1.0, sigma_min),
                at_step(y, std::sqrt(table.front()), std::sqrt(1.0 - table.front()));
            for (const auto what : {predicted::eps, predicted::x0, predicted::v, predicted::score}) {
                close(
                    diamond::variance_exploding_network{
                        schedule,
                        exact{convention::sigma, what},
                        {.predicts = what, .sigma_min = sigma_min, .sigma_max = sigma_max}},
                    at_sigma.eps, of_eps(at_sigma.eps));
                close(diamond::discrete_time_network{context,
                                                     schedule,
                                                     exact{convention::steps, what},
                                                     {.alpha_bar = table, .predicts = what}},
                      at_step.eps, of_eps(at_step.eps));
            }
            // A level that is known.
            const told own(y, alpha / norm, sigma / norm);
            close(
                diamond::variance_exploding_network{
                    schedule,
                    exact{convention::sigma, predicted::eps},
                    {.predicts = predicted::eps, .sigma_min = 1e-14, .sigma_max = sigma_max}},
                own.eps, of_eps(own.eps));
            std::vector<double> eps, d; // of EDM's network at c_in y
            const double n = std::hypot(sigma, sigma_data * alpha);
            for (index_t j = 0; j < 4; ++j) {
                const double input[2] = {x.data()[2 * j] / n, x.data()[2 * j + 1] / n};
                const prediction_at p(convention::edm, predicted::eps, 0.25 * std::log(sigma_min), input);
                for (int i = 0; i < 2; ++i) {
                    eps.push_back((sigma * input[i] - alpha * sigma_data * p.value[i]) / n);
                    d.push_back(sigma_data * (sigma_data * alpha * input[i] + sigma * p.value[i]) / n);
                }
            }
            close(diamond::edm_network{schedule, exact{convention::edm}, {.sigma_data = sigma_data}}, eps, d);
        }
    };
    compare(line);
    compare(diamond::trigonometric_schedule{});
    compare(diamond::variance_preserving_schedule{});
    compare(diamond::cosine_schedule{});
}

TEST_CASE("a network that is taken for one of another convention gives another velocity") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto times = known_times({});
    const auto error = [&](const auto& field) {
        return errors_of(field, {}, context, times, false).velocity;
    };
    const any_schedule schedule;
    const auto discrete = [&](predicted is, predicted said, const std::vector<double>& table) {
        return error(diamond::discrete_time_network{
            context, schedule, exact{convention::steps, is}, {.alpha_bar = table, .predicts = said}});
    };
    const auto every = {predicted::eps, predicted::x0, predicted::v, predicted::score};
    for (const auto is : every)
        for (const auto said : every) {
            CAPTURE(static_cast<int>(is));
            CAPTURE(static_cast<int>(said));
            CHECK((discrete(is, said, alpha_bar()) > 0.1) == (is != said));
        }
    auto late = alpha_bar(); // counts steps from 1
    late.insert(late.begin(), 1.0 - 1e-7);
    late.pop_back();
    CHECK(discrete(predicted::eps, predicted::eps, late) > 0.1);
    CHECK(error(diamond::edm_network{schedule, exact{convention::edm}, {.sigma_data = 0.5}}) > 0.1);
    CHECK(error(diamond::edm_network{schedule, exact{convention::sigma, predicted::x0}, {}}) > 0.1);
    CHECK(error(diamond::variance_exploding_network{schedule,
                                                    exact{convention::sigma, predicted::eps},
                                                    {.sigma_min = sigma_min, .sigma_max = sigma_max}}) > 0.1);
    CHECK(error(diamond::rectified_flow_network{exact{convention::rectified_flow}}) > 0.1); // not 1000 tau
    CHECK(error(exact{convention::rectified_flow}) > 0.1); // neither time nor sign turned round
}

TEST_CASE_TEMPLATE("the products are those of a network whose Jacobian is not symmetric", back_end,
                   TWO_BACK_ENDS) {
    using batch = typename back_end::batch;
    using real = typename back_end::real;
    const auto context = back_end::make();
    constexpr index_t n = 3;
    const fields::waved<batch> network(context, 2, fields::crooked(2));
    const auto x = batches::normal<batch>(context, 2, n, 6), v = batches::normal<batch>(context, 2, n, 7),
               w = batches::normal<batch>(context, 2, n, 8);
    const double step = std::is_same_v<real, float> ? 0x1p-9 : 0x1p-17;
    const auto times = diamond::from_host<double>(context, 1, n, std::vector<double>{0.4, 0.75, 0.9});
    const auto check = [&](const auto& field) {
        auto space = field.make_workspace(context, n);
        batch moved(context, 2, n), high(context, 2, n), low(context, 2, n), jv(context, 2, n),
            wj(context, 2, n);
        for (const time_view& t : {time_view(0.6), time_view(times.data())}) {
            field.jvp(x, t, none, v, space, jv);
            field.vjp(x, t, none, w, space, wj);
            diamond::assign(moved, x + step * v);
            field(moved.read(), t, none, space, high);
            diamond::assign(moved, x - step * v);
            field(moved.read(), t, none, space, low);
            const auto slope = combined(0.5 / step, batches::host(high), -0.5 / step, batches::host(low));
            CHECK(largest_error(batches::host(jv), slope) < 5e-3 * std::sqrt(back_end::epsilon / 1e-7));
            const auto left = batches::host(w), right = batches::host(v), pushed = batches::host(jv),
                       pulled = batches::host(wj);
            CHECK(std::inner_product(left.begin(), left.end(), pushed.begin(), 0.0) ==
                  doctest::Approx(std::inner_product(right.begin(), right.end(), pulled.begin(), 0.0))
                      .epsilon(8 * back_end::tolerance));
        }
    };
    check(diamond::rectified_flow_network{network});
    check(diamond::edm_network{line, network});
    check(diamond::discrete_time_network{
        context, line, network, {.alpha_bar = alpha_bar(), .predicts = predicted::v}});
}

TEST_CASE("conditions and the number of evaluations pass through") {
    using labelled_field = labelled::field<host_batch, diamond::linear_schedule>;
    using guided = diamond::guided_field<labelled_field>;
    using line_type = diamond::linear_schedule;
    static_assert(diamond::rectified_flow_network<guided>::evaluations == 2);
    static_assert(diamond::edm_network<line_type, guided>::evaluations == 2);
    static_assert(std::is_same_v<diamond::edm_network<line_type, guided>::condition_type, diamond::labels>);
    static_assert(
        diamond::velocity_field<diamond::guided_field<diamond::edm_network<line_type, labelled_field>>>);
    // The schedule passes through, too, and another's is seen.
    using wrapped = diamond::denoiser_network<line_type, labelled_field>;
    static_assert(diamond::detail::agrees_with<guided, line_type>);
    static_assert(diamond::detail::agrees_with<diamond::guided_field<wrapped>, line_type>);
    static_assert(
        !diamond::detail::agrees_with<diamond::guided_field<wrapped>, diamond::trigonometric_schedule>);
    static_assert(!diamond::detail::agrees_with<diamond::rectified_flow_network<guided>, any_schedule>);
    static_assert(!diamond::detail::agrees_with<diamond::edm_network<line_type, guided>, any_schedule>);
    static_assert(diamond::detail::agrees_with<exact, any_schedule>); // it names none
    const auto context = back_ends::eigen<double>::make(1);
    const host_batch x = batches::normal<host_batch>(context, 2, 3, 9);
    const labelled_field plain{line};
    const diamond::rectified_flow_network field{plain};
    auto space = field.make_workspace(context, 3);
    auto own = plain.make_workspace(context, 3);
    host_batch found(context, 2, 3), wanted(context, 2, 3);
    field(x, 0.3, diamond::labels(2), space, found);
    plain(x, 0.7, diamond::labels(2), own, wanted);
    CHECK(batches::host(found) == combined(-1.0, batches::host(wanted), 0.0, batches::host(x)));
}

namespace {
std::vector<double> table_of(double (*beta)(double k)) {
    std::vector<double> result;
    double product = 1.0;
    for (int k = 0; k < 1000; ++k) result.push_back(product *= 1.0 - beta(k));
    return result;
}
double ddpm_beta(double k) { return 1e-4 + (0.02 - 1e-4) * k / 999.0; }
double stable_diffusion_beta(double k) {
    const double low = std::sqrt(0.00085), high = std::sqrt(0.012);
    return diamond::square(low + (high - low) * k / 999.0);
}
double cosine_beta(double k) {
    const auto f = [](double u) {
        return diamond::square(std::cos((u + 0.008) / 1.008 * diamond::pi / 2.0));
    };
    return std::min(1.0 - f((k + 1.0) / 1000.0) / f(k / 1000.0), 0.999);
}

/// A network of x0 that answers with its own time, or of eps that knows whole steps of a table alone, of data
/// N(mean, variance).
struct answering_time {
    using batch_type = host_batch;
    struct workspace {};
    [[nodiscard]] static index_t dimension() { return 2; }
    [[nodiscard]] static workspace make_workspace(const diamond::eigen::context&, index_t) { return {}; }
    void operator()(diamond::const_view_t<host_batch> y, time_view t, diamond::no_condition, workspace&,
                    diamond::view_t<host_batch> out) const {
        for (index_t j = 0; j < y.columns(); ++j) out(0, j) = out(1, j) = t[j];
    }
};
struct only_integers : answering_time {
    void operator()(diamond::const_view_t<host_batch> y, time_view t, diamond::no_condition, workspace&,
                    diamond::view_t<host_batch> out) const {
        for (index_t j = 0; j < y.columns(); ++j)
            out(0, j) = out(1, j) = t[j] == std::round(t[j]) ? 0.0 : diamond::not_a_number;
    }
};
struct whole_steps {
    using batch_type = host_batch;
    struct workspace {};
    const std::vector<double>* table;
    static constexpr double mean[] = {0.7, -1.3}, variance[] = {0.3, 2.1};
    [[nodiscard]] static index_t dimension() { return 2; }
    [[nodiscard]] static workspace make_workspace(const diamond::eigen::context&, index_t) { return {}; }
    void operator()(diamond::const_view_t<host_batch> y, time_view t, diamond::no_condition, workspace&,
                    diamond::view_t<host_batch> out) const {
        for (index_t j = 0; j < y.columns(); ++j) {
            const double bar = (*table)[static_cast<std::size_t>(t[j])]; // cuts off, as an index does
            for (int i = 0; i < 2; ++i)
                out(i, j) = std::sqrt(1.0 - bar) / (bar * variance[i] + 1.0 - bar) *
                            (y(i, j) - std::sqrt(bar) * mean[i]);
        }
    }
};
} // namespace

TEST_CASE("along discrete_time_grid a network is asked at whole steps, from the last to the first") {
    const auto context = back_ends::eigen<double>::make(1);
    const host_batch x = batches::normal<host_batch>(context, 2, 2, 10);
    const auto state = batches::host(x);
    const auto check = [&](const auto& schedule, const std::vector<double>& table) {
        const diamond::discrete_time_network field{
            context, schedule, answering_time{}, {.alpha_bar = table, .predicts = predicted::x0}};
        const diamond::discrete_time_network eps{
            context, schedule, whole_steps{&table}, {.alpha_bar = table}};
        for (const index_t count : {index_t{1}, index_t{7}, index_t{50}, index_t{999}}) {
            const auto grid = diamond::discrete_time_grid(schedule, table, count);
            REQUIRE(static_cast<index_t>(grid.size()) == count + 1);
            for (index_t k = 0; k < count; ++k) {
                const double t = grid[static_cast<std::size_t>(k)],
                             step = std::round(999.0 *
                                               (1.0 - static_cast<double>(k) / static_cast<double>(count)));
                CHECK(denoiser_of(context, x, t, field) == std::vector<double>(4, step));
                if (k == 0) continue;
                const double alpha = schedule.alpha(t), sigma = schedule.sigma(t);
                std::vector<double> wanted;
                for (std::size_t i = 0; i < 4; ++i) {
                    const double m = whole_steps::mean[i % 2], v = whole_steps::variance[i % 2];
                    wanted.push_back(m + alpha * v / (alpha * alpha * v + sigma * sigma) *
                                             (state[i] - alpha * m));
                }
                CHECK(largest_error(denoiser_of(context, x, t, eps), wanted) < 1e-9);
            }
        }
        // At t = 0, where the mean is the answer, it says what its last step's signal tells it.
        const double a = std::sqrt(table.back()), s = std::sqrt(1.0 - table.back());
        std::vector<double> last;
        for (std::size_t i = 0; i < 4; ++i) {
            const double m = whole_steps::mean[i % 2], v = whole_steps::variance[i % 2];
            const double h = std::hypot(schedule.alpha(0.0), schedule.sigma(0.0));
            last.push_back(m + a * v / (a * a * v + s * s) * (state[i] / h - a * m));
        }
        CHECK(largest_error(denoiser_of(context, x, 0.0, eps), last) < 1e-9);
    };
    check(line, table_of(ddpm_beta));
    check(diamond::cosine_schedule{}, table_of(stable_diffusion_beta));
}

TEST_CASE("a network of whole steps is asked at the nearest, and its noise read at the state's own level") {
    const auto context = back_ends::eigen<double>::make(1);
    const host_batch x = batches::normal<host_batch>(context, 2, 2, 12);
    const auto state = batches::host(x);
    const auto table = table_of(ddpm_beta);
    const diamond::discrete_time_network rounded{
        context, line, whole_steps{&table}, {.alpha_bar = table, .whole_steps = true}};
    for (int k = 1; k < 200; ++k) {
        const double t = 0.015 + 0.97 * static_cast<double>(k) / 200.0, sigma = 1.0 - t;
        const auto distance = [t, sigma](double bar) {
            return std::abs(0.5 * std::log((1.0 - bar) / bar) - std::log(sigma / t));
        };
        const double bar = *std::min_element(table.begin(), table.end(), [&](double one, double other) {
            return distance(one) < distance(other);
        });
        std::vector<double> wanted, exact_one;
        for (std::size_t i = 0; i < 4; ++i) {
            const double m = whole_steps::mean[i % 2], v = whole_steps::variance[i % 2];
            const double eps = std::sqrt(1.0 - bar) / (bar * v + 1.0 - bar) *
                               (state[i] / std::hypot(t, sigma) - std::sqrt(bar) * m);
            wanted.push_back((state[i] - sigma * eps) / t);
            exact_one.push_back(m + t * v / (t * t * v + sigma * sigma) * (state[i] - t * m));
        }
        const auto found = denoiser_of(context, x, t, rounded);
        CHECK(largest_error(found, wanted) < 1e-11);
        CHECK(largest_error(found, exact_one) < 0.005); // what half a step is worth
    }
    CHECK(denoiser_of(context, x, 1.0, rounded) == state);
    // Whatever such a network predicts, its noise is read at the state's level.
    const auto coarse = alpha_bar();
    const double step = 20.3, t = line.time_at(1.0, std::exp(first_log_ratio + log_ratio_per_step * step));
    const double bar = coarse[20], sigma = 1.0 - t;
    const host_batch y = batches::make<host_batch>(context, 2, 2,
                                                   combined(1.0 / std::hypot(t, sigma), state, 0.0, state));
    const auto eps = told(y, std::sqrt(bar), std::sqrt(1.0 - bar)).eps;
    for (const auto what : {predicted::eps, predicted::x0, predicted::v, predicted::score}) {
        const diamond::discrete_time_network of_steps{
            context,
            line,
            exact{convention::steps, what},
            {.alpha_bar = coarse, .predicts = what, .whole_steps = true}};
        const auto d = combined(1.0 / t, state, -sigma / t, eps);
        CHECK(largest_error(denoiser_of(context, x, t, of_steps), d) < 1e-12);
        CHECK(largest_error(velocity_of(context, x, t, of_steps), combined(1.0, d, -1.0, eps)) < 1e-12);
    }
    // A step that is no integer would be seen.
    const diamond::discrete_time_network field{
        context, line, only_integers{}, {.alpha_bar = table, .whole_steps = true}};
    for (const double t : {0.0, 0.017, 0.4, 0.93, 0.99999})
        for (const double d : denoiser_of(context, x, t, field)) CHECK(std::isfinite(d));
}

TEST_CASE("DDPM's linear betas and the cosine ones are nearly the stock schedules at 1000 (1 - t) - 1") {
    const auto largest = [](const std::vector<double>& table, const auto& schedule) {
        double result = 0.0;
        for (std::size_t k = 0; k < 1000; ++k)
            result = std::max(result, std::abs(std::sqrt(table[k]) -
                                               schedule.alpha(1.0 - static_cast<double>(k + 1) / 1000.0)));
        return result;
    };
    CHECK(largest(table_of(ddpm_beta), diamond::variance_preserving_schedule{}) <= 0.001);
    CHECK(largest(table_of(cosine_beta), diamond::cosine_schedule{}) <= 0.00005);
    CHECK(std::sqrt(table_of(stable_diffusion_beta).back()) ==
          doctest::Approx(0.068265).epsilon(0.001).scale(0.0));
}

TEST_CASE("what no training can have had is refused when a network is wrapped") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto refuses = [](const auto& make, const char* sentence) {
        CHECK_THROWS_WITH_AS(make(), doctest::Contains(sentence), std::invalid_argument);
    };
    for (const double bad : {0.0, -0.5, diamond::infinity, diamond::not_a_number}) {
        refuses([&] { diamond::edm_network{line, exact{}, {.sigma_data = bad}}; }, "sigma_data");
        refuses(
            [&] {
                diamond::edm_network{line, exact{}, {.sigma_min = bad}};
            },
            "sigma_min below sigma_max");
        refuses(
            [&] {
                diamond::edm_network{line, exact{}, {.sigma_max = bad}};
            },
            "sigma_min below sigma_max");
        refuses([&] { diamond::rectified_flow_network{exact{}, {.time_scale = bad}}; }, "time at pure noise");
    }
    refuses([&] { diamond::variance_exploding_network{line, exact{}, {}}; }, "that it was trained between");
    refuses(
        [&] {
            diamond::variance_exploding_network{line, exact{}, {.sigma_min = 2.0, .sigma_max = 2.0}};
        },
        "that it was trained between");
    for (const std::vector<double>& bad :
         {std::vector<double>{1.0, 0.5}, {0.9, 0.0}, {0.9, 0.9}, {0.1, 0.9}, {0.9, diamond::not_a_number}}) {
        refuses(
            [&] {
                diamond::discrete_time_network{context, line, exact{}, {.alpha_bar = bad}};
            },
            "must fall strictly");
        refuses([&] { (void)diamond::discrete_time_grid(line, bad, 1); }, "must fall strictly");
    }
    refuses([&] { diamond::discrete_time_network{context, line, exact{}, {}}; }, "at least 2 are needed");
    const auto refuses_table = [&](const std::vector<double>& table, const char* sentence) {
        refuses(
            [&] {
                diamond::discrete_time_network{context, line, exact{}, {.alpha_bar = table}};
            },
            sentence);
        refuses([&] { (void)diamond::discrete_time_grid(line, table, 1); }, sentence);
    };
    const auto taken = [&](const std::vector<double>& table) {
        CHECK_NOTHROW(diamond::discrete_time_network{context, line, exact{}, {.alpha_bar = table}});
        CHECK_NOTHROW((void)diamond::discrete_time_grid(line, table, 3));
    };
    for (auto* const beta : {ddpm_beta, stable_diffusion_beta, cosine_beta}) {
        const auto table = table_of(beta);
        taken(table);
        for (const std::size_t kept : {std::size_t{4}, std::size_t{10}, std::size_t{50}}) { // respaced
            std::vector<double> some;
            for (std::size_t k = 1; k <= kept; ++k) some.push_back(table[k * 1000 / kept - 1]);
            taken(some);
        }
        std::vector<double> factors, roots;
        for (std::size_t k = 0; k < table.size(); ++k) {
            factors.push_back(1.0 - beta(static_cast<double>(k)));
            roots.push_back(std::sqrt(table[k]));
        }
        const bool cosine = beta == cosine_beta; // its last factor is 0.001
        refuses_table(factors, cosine ? "falls to noise at once" : "its last step is noise all but alone");
        if (!cosine) refuses_table(roots, "its last step is noise all but alone");
    }
    for (const double sigma_most : {1.0, 7.0})
        refuses(
            [&] {
                diamond::edm_network{line, exact{}, {.sigma_max = sigma_most}};
            },
            "give all levels of the training");
    CHECK_NOTHROW(diamond::edm_network{line, exact{}, {.sigma_max = 7.2}});
    for (const index_t bad : {index_t{0}, steps})
        refuses([&] { (void)diamond::discrete_time_grid(line, alpha_bar(), bad); }, "whole steps of a table");
    const diamond::edm_network field{line, exact{convention::edm}, {}};
    const host_batch x = batches::normal<host_batch>(context, 2, 1, 11);
    auto space = field.make_workspace(context, 1);
    host_batch out(context, 2, 1);
    // Where sigma'(1) is infinite the velocity there would need the score.
    const diamond::edm_network infinite{diamond::variance_preserving_schedule{}, exact{convention::edm}, {}};
    auto own = infinite.make_workspace(context, 1);
    refuses([&] { infinite(x, 1.0, none, own, out); }, "infinite sigma'(1)");
}

namespace {
/// A network that keeps the times that it is asked at, for conditions on them.
struct recording : answering_time {
    std::vector<double>* seen;
    void operator()(diamond::const_view_t<host_batch> y, time_view t, diamond::no_condition, workspace&,
                    diamond::view_t<host_batch> out) const {
        for (index_t j = 0; j < y.columns(); ++j) {
            seen->push_back(t[j]);
            out(0, j) = out(1, j) = 0.5;
        }
    }
    void vjp(diamond::const_view_t<host_batch> y, time_view t, diamond::no_condition c,
             diamond::const_view_t<host_batch>, workspace& space, diamond::view_t<host_batch> out) const {
        (*this)(y, t, c, space, out);
    }
    void jvp(diamond::const_view_t<host_batch> y, time_view t, diamond::no_condition c,
             diamond::const_view_t<host_batch>, workspace& space, diamond::view_t<host_batch> out) const {
        (*this)(y, t, c, space, out);
    }
};
} // namespace

TEST_CASE("a time outside [0, 1] is refused, and a column with one of its own is NaN alone") {
    const auto context = back_ends::eigen<double>::make(1);
    const std::vector<double> bad{-0.1, 1.5, diamond::not_a_number, -diamond::infinity};
    std::vector<double> times = bad, seen;
    times.insert(times.end(), {0.0, 0.3, 0.6});
    const auto n = static_cast<index_t>(times.size());
    const host_batch x = batches::normal<host_batch>(context, 2, n, 15);
    const auto own = diamond::from_host<double>(context, 1, n, times);
    const recording net{{}, &seen};
    const auto check = [&](const auto& field, double least, double most, index_t first_known = 4) {
        auto space = field.make_workspace(context, n);
        host_batch out(context, 2, n);
        const auto all = [&](const auto& call) {
            for (const double t : bad)
                CHECK_THROWS_WITH_AS(call(time_view(t)), doctest::Contains("times lie in [0, 1]"),
                                     std::invalid_argument);
            seen.clear();
            call(time_view(own.data()));
            for (index_t j = 0; j < n; ++j)
                for (index_t i = 0; i < 2; ++i) {
                    CAPTURE(j);
                    if (j < 4) CHECK(std::isnan(out.data()[i + 2 * j]));
                    if (j >= first_known) CHECK(std::isfinite(out.data()[i + 2 * j]));
                }
            for (const double t : seen) CHECK((least > most || (t >= least && t <= most)));
        };
        all([&](time_view t) { field(x, t, none, space, out); });
        all([&](time_view t) { field.vjp(x, t, none, x, space, out); });
        all([&](time_view t) { field.jvp(x, t, none, x, space, out); });
        if constexpr (requires { field.denoiser(x, time_view(0.3), none, space, out); }) {
            all([&](time_view t) { field.denoiser(x, t, none, space, out); });
            all([&](time_view t) { field.denoiser_vjp(x, t, none, x, space, out); });
            all([&](time_view t) { field.denoiser_jvp(x, t, none, x, space, out); });
        }
        if constexpr (requires { field.noise(x, time_view(0.3), none, space, out); }) {
            all([&](time_view t) { field.noise(x, t, none, space, out); });
            all([&](time_view t) { field.noise_vjp(x, t, none, x, space, out); });
            all([&](time_view t) { field.noise_jvp(x, t, none, x, space, out); });
        }
        if constexpr (requires { field.score(x, time_view(0.3), none, space, out); })
            all([&](time_view t) { field.score(x, t, none, space, out); });
    };
    check(diamond::rectified_flow_network{net, {.time_scale = 1000.0}}, 0.0, 1000.0);
    check(diamond::edm_network{line, net}, 0.25 * std::log(0.002), 0.25 * std::log(80.0));
    check(diamond::variance_exploding_network{line, net, {.sigma_min = 0.01, .sigma_max = 50.0}}, 0.01, 50.0);
    for (const bool whole : {false, true})
        check(
            diamond::discrete_time_network{
                context, line, net, {.alpha_bar = alpha_bar(), .whole_steps = whole}},
            0.0, static_cast<double>(steps - 1));
    // Networks that know this library's times are handed them as they are.
    constexpr double any = -1.0;
    check(diamond::denoiser_network{line, net}, 0.0, any);
    check(diamond::v_network{line, net}, 0.0, any);
    check(diamond::noise_network{line, net}, 0.0, any, 5); // not at t = 0
    check(diamond::score_network{line, net}, 0.0, any, 5);
}

} // namespace schedule_conventions_test
