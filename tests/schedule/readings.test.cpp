#include <limits>

#include <diamond/schedule/readings.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace schedule_readings_test {

using diamond::index_t;
using diamond::time_view;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;

namespace {

constexpr diamond::no_condition none;

enum class kind { velocity, denoiser, noise, score, v };

/// A reading of the mixture by plain loops, without the identities under test.
std::vector<double> reading(kind what, const any_schedule& schedule, const std::vector<double>& x,
                            const std::vector<double>& t) {
    std::vector<double> result;
    for (std::size_t j = 0; j < t.size(); ++j) {
        const models::mixture_point here({}, schedule.alpha(t[j]), diamond::square(schedule.sigma(t[j])),
                                         &x[2 * j]);
        for (int i = 0; i < 2; ++i) switch (what) {
            case kind::velocity:
                result.push_back(schedule.d_alpha(t[j]) * here.denoiser[i] -
                                 schedule.sigma_d_sigma(t[j]) * here.score[i]);
                break;
            case kind::denoiser:
                result.push_back(here.denoiser[i]);
                break;
            case kind::noise:
                result.push_back(-schedule.sigma(t[j]) * here.score[i]);
                break;
            case kind::score:
                result.push_back(here.score[i]);
                break;
            case kind::v:
                break; // which is read from no velocity
            }
    }
    return result;
}

/// The reading, or its Jacobian times a direction, at a column.
template <kind what, class View, class ConstView>
struct write_reading {
    any_schedule schedule;
    ConstView x, direction;
    time_view t;
    View out;
    bool product;
    DIAMOND_HD void operator()(index_t j) const {
        const double at[2] = {static_cast<double>(x(0, j)), static_cast<double>(x(1, j))};
        const double alpha = schedule.alpha(t[j]), sigma = schedule.sigma(t[j]);
        const models::mixture_point p({}, alpha, diamond::square(sigma), at);
        const auto said = [=, which = what](double d, double score) {
            return which == kind::denoiser ? d
                 : which == kind::score    ? score
                 : which == kind::noise    ? -sigma * score
                                           : -alpha * sigma * score - sigma * d;
        };
        for (index_t i = 0; i < 2; ++i) {
            double result = said(p.denoiser[i], p.score[i]);
            if (product) {
                result = 0.0;
                for (index_t l = 0; l < 2; ++l)
                    result += said(p.d_denoiser[i][l], p.d_score[i][l]) *
                              static_cast<double>(direction(l, j));
            }
            out(i, j) = static_cast<typename View::value_type>(result);
        }
    }
};
/// A network that predicts a reading, with its Jacobian by the model's own.
template <class Batch, kind what>
struct network_of {
    using batch_type = Batch;
    using model_type = models::mixture<Batch, any_schedule>;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    using workspace = typename model_type::workspace;
    any_schedule schedule;

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const_view x, time_view t, diamond::no_condition, workspace&, view out) const {
        x.context().for_each(x.columns(),
                             write_reading<what, view, const_view>{schedule, x, x, t, out, false});
    }
    void jvp(const_view x, time_view t, diamond::no_condition, const_view tangent, workspace&,
             view out) const {
        x.context().for_each(x.columns(),
                             write_reading<what, view, const_view>{schedule, x, tangent, t, out, true});
    }
    void vjp(const_view x, time_view t, diamond::no_condition c, const_view cotangent, workspace& w,
             view out) const {
        jvp(x, t, c, cotangent, w, out);
    }
};

} // namespace

TEST_CASE_TEMPLATE("any reading follows from the velocity, at one time or a time a column", back_end,
                   BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const std::vector<double> t{0.0, 1e-3, 0.3, 0.8, 0.999};
    constexpr index_t n = 5;
    const auto x = batches::normal<batch>(context, 2, n, 1);
    const auto at = batches::host(x);
    const auto own = diamond::from_host(context, 1, n, t);
    for (const auto schedule_kind : schedules::every_kind) {
        const any_schedule schedule{schedule_kind};
        // One model that is asked for nothing but its velocity, and one that gives its score.
        diamond::readings by_velocity(schedule,
                                      models::mixture<batch, any_schedule, models::nothing>(schedule));
        diamond::readings with_score(schedule, models::mixture<batch, any_schedule>(schedule));
        const auto check = [&](const time_view& when, const std::vector<double>& each) {
            CAPTURE(std::string(schedule.name()));
            CAPTURE(each[0]);
            batch out(context, 2, n);
            // Near t = 1 the score is N/sigma of an N that is a difference, D on the variance preserving
            // schedule near t = 0 likewise.
            const auto same = [&](kind what, double stretch) {
                return largest_error(batches::host(out), reading(what, schedule, at, each)) <
                       stretch * back_end::tolerance;
            };
            by_velocity.velocity(x, when, none, out);
            CHECK(same(kind::velocity, 2));
            by_velocity.denoiser(x, when, none, out);
            CHECK(same(kind::denoiser, 20));
            by_velocity.noise(x, when, none, out);
            CHECK(same(kind::noise, 2));
            by_velocity.score(x, when, none, out);
            CHECK(same(kind::score, 200));
            with_score.score(x, when, none, out);
            CHECK(same(kind::score, 2));
        };
        for (const double one : t) check(time_view(one), std::vector<double>(n, one));
        check(time_view(own.data()), t);
        CHECK(by_velocity.spent() == diamond::cost{.forward = 4 * 6 * n});
    }
}

TEST_CASE("the limits: D = E z and N = x at t = 0, D = x and N = 0 at t = 1, where a score is refused unless "
          "it is given") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 4;
    const auto x = batches::normal<batch>(context, 2, n, 2);
    const models::mixture_numbers numbers;
    for (const auto schedule_kind : schedules::every_kind) {
        const any_schedule schedule{schedule_kind};
        diamond::readings by_velocity(schedule,
                                      models::mixture<batch, any_schedule, models::nothing>(schedule));
        diamond::readings with_score(schedule, models::mixture<batch, any_schedule>(schedule));
        batch out(context, 2, n);
        by_velocity.denoiser(x, time_view(0.0), none, out);
        double mean[2] = {};
        for (index_t k = 0; k < numbers.count; ++k)
            for (int i = 0; i < 2; ++i) mean[i] += numbers.weight[k] * numbers.mean[k][i];
        // alpha(0) = 0.0066 times |x| times the spread of z
        const double start = schedule.noisy_start() ? 0.05 : 1e-12;
        for (index_t j = 0; j < n; ++j)
            for (index_t i = 0; i < 2; ++i) CHECK(std::abs(out.data()[i + 2 * j] - mean[i]) < start);
        by_velocity.noise(x, time_view(0.0), none, out);
        CHECK(largest_error(batches::host(out), batches::host(x)) < start);

        const auto spent = by_velocity.spent();
        by_velocity.denoiser(x, time_view(1.0), none, out);
        CHECK(batches::host(out) == batches::host(x));
        by_velocity.noise(x, time_view(1.0), none, out);
        CHECK(batches::host(out) == std::vector<double>(2 * n, 0.0));
        CHECK(by_velocity.spent() == spent); // nothing had to be asked
        CHECK_THROWS_WITH_AS(by_velocity.score(x, time_view(1.0), none, out),
                             doctest::Contains("score at t = 1"), std::invalid_argument);
        with_score.score(x, time_view(1.0), none, out);
        CHECK(largest_error(batches::host(out), reading(kind::score, schedule, batches::host(x),
                                                        std::vector<double>(n, 1.0))) < 1e-12);

        // Times of single columns: the same limits, and no number where there is no answer.
        const auto own = diamond::from_host(context, 1, n, std::vector<double>{1.0, 0.5, 1.0, 0.2});
        by_velocity.denoiser(x, time_view(own.data()), none, out);
        CHECK(out.data()[0] == x.data()[0]);
        by_velocity.score(x, time_view(own.data()), none, out);
        CHECK((std::isnan(out.data()[0]) && std::isfinite(out.data()[2])));
    }
}

TEST_CASE_TEMPLATE("a network of another reading is a velocity field, products and all", back_end,
                   BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const std::vector<double> t{0.1, 0.3, 0.8, 0.95};
    constexpr index_t n = 4;
    const auto x = batches::normal<batch>(context, 2, n, 3),
               direction = batches::normal<batch>(context, 2, n, 4);
    const auto own = diamond::from_host(context, 1, n, t);
    for (const auto schedule_kind : schedules::every_kind) {
        const any_schedule schedule{schedule_kind};
        const models::mixture<batch, any_schedule> model(schedule);
        const auto check = [&](const auto& network, const time_view& when, double stretch) {
            auto space = network.make_workspace(context, n);
            auto plain = model.make_workspace(context, n);
            batch found(context, 2, n), wanted(context, 2, n);
            const auto same = [&] {
                return largest_error(batches::host(found), batches::host(wanted)) <
                       stretch * back_end::tolerance;
            };
            network(x, when, none, space, found);
            model(x, when, none, plain, wanted);
            CHECK(same());
            network.vjp(x, when, none, direction, space, found);
            model.vjp(x, when, none, direction, plain, wanted);
            CHECK(same());
            network.jvp(x, when, none, direction, space, found);
            model.jvp(x, when, none, direction, plain, wanted);
            CHECK(same());
        };
        const diamond::denoiser_network denoiser(schedule, network_of<batch, kind::denoiser>{schedule});
        const diamond::noise_network noise(schedule, network_of<batch, kind::noise>{schedule});
        const diamond::score_network score(schedule, network_of<batch, kind::score>{schedule});
        const diamond::v_network v(schedule, network_of<batch, kind::v>{schedule});
        static_assert(diamond::scored_velocity_field<decltype(score)>);
        CAPTURE(std::string(schedule.name()));
        for (const double one : t) {
            check(denoiser, time_view(one), 4);
            check(noise, time_view(one), 4);
            check(score, time_view(one), 4);
            check(v, time_view(one), 4);
        }
        check(v, time_view(own.data()), 4);
        check(v, time_view(0.0), 4);
        check(score, time_view(1.0), 4); // where the score gives the velocity on every schedule
        check(score, time_view(own.data()), 4);
        check(denoiser, time_view(own.data()), 4);
        check(noise, time_view(own.data()), 4);
        check(denoiser, time_view(0.0), 4);
    }
}

TEST_CASE("where another reading does not give the velocity, a batch is refused and a column is NaN") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 3;
    const auto x = batches::normal<batch>(context, 2, n, 5);
    const auto own = diamond::from_host(context, 1, n, std::vector<double>{0.5, 1.0, 0.0});
    for (const auto schedule_kind : schedules::every_kind) {
        const any_schedule schedule{schedule_kind};
        const auto check = [&](const auto& network, bool knows_end, bool knows_start) {
            auto space = network.make_workspace(context, n);
            batch out(context, 2, n), wanted(context, 2, n);
            const auto ask = [&](const time_view& when) { network(x, when, none, space, out); };
            CAPTURE(std::string(schedule.name()));
            if (knows_end)
                CHECK_NOTHROW(ask(time_view(1.0)));
            else
                CHECK_THROWS_WITH_AS(ask(time_view(1.0)),
                                     doctest::Contains("use a solver that does not read t = 1"),
                                     std::invalid_argument);
            if (knows_start)
                CHECK_NOTHROW(ask(time_view(0.0)));
            else
                CHECK_THROWS_WITH_AS(ask(time_view(0.0)), doctest::Contains("does not follow"),
                                     std::invalid_argument);
            ask(time_view(own.data()));
            CHECK(std::isfinite(out.data()[0]));
            CHECK(std::isfinite(out.data()[2]) == knows_end);
            CHECK(std::isfinite(out.data()[4]) == knows_start);
            if (knows_end) { // sigma' N is 0 there, or the score gives it
                const auto u = reading(kind::velocity, schedule, batches::host(x), {0.5, 1.0, 0.0});
                CHECK(out.data()[2] == doctest::Approx(u[2]).epsilon(1e-12));
            }
        };
        check(diamond::denoiser_network(schedule, network_of<batch, kind::denoiser>{schedule}),
              !schedule.infinite_slope(), true);
        check(diamond::noise_network(schedule, network_of<batch, kind::noise>{schedule}),
              !schedule.infinite_slope(), schedule.noisy_start());
        check(diamond::v_network(schedule, network_of<batch, kind::v>{schedule}), !schedule.infinite_slope(),
              true);
        const diamond::score_network score(schedule, network_of<batch, kind::score>{schedule});
        check(score, true, schedule.noisy_start());
        // The score itself has no such ends.
        diamond::readings given(schedule, score);
        batch out(context, 2, n);
        for (const double t : {0.0, 0.5, 1.0}) {
            given.score(x, time_view(t), none, out);
            CHECK(largest_error(batches::host(out), reading(kind::score, schedule, batches::host(x),
                                                            std::vector<double>(n, t))) < 1e-12);
        }
    }
}

TEST_CASE("a network of v-prediction gives the denoiser with its products, D = x at t = 1 among it") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 5;
    const auto x = batches::normal<batch>(context, 2, n, 7), w = batches::normal<batch>(context, 2, n, 8);
    const std::vector<double> t{0.0, 0.2, 0.6, 0.99, 1.0};
    const auto own = diamond::from_host(context, 1, n, t);
    for (const auto schedule_kind : schedules::every_kind) {
        const any_schedule schedule{schedule_kind};
        const diamond::v_network network(schedule, network_of<batch, kind::v>{schedule});
        const network_of<batch, kind::denoiser> exact{schedule};
        auto space = network.make_workspace(context, n);
        auto plain = exact.make_workspace(context, n);
        batch found(context, 2, n), wanted(context, 2, n);
        const auto check = [&](const time_view& when) {
            const auto same = [&] {
                CHECK(largest_error(batches::host(found), batches::host(wanted)) < 1e-12);
            };
            network.denoiser(x, when, none, space, found);
            exact(x, when, none, plain, wanted);
            same();
            exact.jvp(x, when, none, w, plain, wanted);
            network.denoiser_jvp(x, when, none, w, space, found);
            same();
            network.denoiser_vjp(x, when, none, w, space, found);
            same();
        };
        check(time_view(own.data()));
        for (const double one : t) check(time_view(one));
    }
    // On the trigonometric schedule u = -(pi/2) v; the sign is the convention's.
    const any_schedule angle{schedules::kind::trigonometric};
    const network_of<batch, kind::v> bare{angle};
    const diamond::v_network network(angle, bare);
    auto space = network.make_workspace(context, n);
    auto plain = bare.make_workspace(context, n);
    batch u(context, 2, n), v(context, 2, n);
    network(x, 0.37, none, space, u);
    bare(x, 0.37, none, plain, v);
    diamond::assign(v, -0.5 * diamond::pi * v);
    CHECK(largest_error(batches::host(u), batches::host(v)) < 1e-14);
}

TEST_CASE("a network's dimension is held against the batch, and copies keep their own bill") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    diamond::readings model(any_schedule{}, models::mixture<batch, any_schedule>(any_schedule{}));
    const auto tall = batches::normal<batch>(context, 3, 4, 6), x = batches::normal<batch>(context, 2, 4, 6);
    batch out(context, 2, 4), tall_out(context, 3, 4);
    CHECK_THROWS_WITH_AS(model.velocity(tall, time_view(0.5), none, tall_out),
                         doctest::Contains("dimension 2, the batch has 3 rows"), std::invalid_argument);
    model.denoiser(x, time_view(0.5), none, out);
    auto copy = model;
    CHECK(copy.spent() == diamond::cost{});
    CHECK(model.spent() == diamond::cost{.forward = 4});
    copy.velocity(x, time_view(0.5), none, out);
    copy = model; // and so with assignment
    CHECK(copy.spent() == diamond::cost{});
}

} // namespace schedule_readings_test
