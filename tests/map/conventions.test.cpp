/// Maps of two times of other conventions, each with the exact answer of a Gaussian as its framework states
/// it, against the flow map of the Gaussian; and what such maps refuse.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <diamond/map/consistency_map.hpp>
#include <diamond/map/mean_velocity_map.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/value/point_values.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

namespace map_conventions_test {

using diamond::index_t, diamond::interval, diamond::time_view;
using any_schedule = schedules::any;
using statistics::largest_error;

namespace {

constexpr diamond::no_condition none;

/// Data N(m, v) in each of two coordinates: x = alpha z + sigma eps is carried by an affine map.
struct affine_part {
    double shift, factor;
};
DIAMOND_HD affine_part to_data(index_t i, double alpha, double sigma) {
    const double m = i == 0 ? 0.7 : -1.3, v = i == 0 ? 0.3 : 2.1;
    const double factor = std::sqrt(v / (alpha * alpha * v + sigma * sigma));
    return {m - factor * alpha * m, factor};
}
/// X_{t,t'} on the linear schedule: to the data, and back from there to t'.
DIAMOND_HD affine_part between(index_t i, double t, double to) {
    const affine_part up = to_data(i, t, 1.0 - t), down = to_data(i, to, 1.0 - to);
    return {(up.shift - down.shift) / down.factor, up.factor / down.factor};
}
/// What the networks of this file play.
enum class kind { flow_map_matching, mean_flow, shortcut, consistency };
/// f = shift + factor x of a convention at its two times, of consistency models the first one alone.
DIAMOND_HD affine_part predicted_by(kind which, index_t i, double first, double second) {
    if (which == kind::consistency) return to_data(i, 1.0, first);
    const double from = which == kind::mean_flow ? 1.0 - second : first;
    const double to = which == kind::mean_flow ? 1.0 - first
                    : which == kind::shortcut  ? first + second
                                               : second;
    const affine_part whole = between(i, from, to);
    const double scale = (which == kind::mean_flow ? -1.0 : 1.0) / (to - from);
    return {scale * whole.shift, scale * (whole.factor - 1.0)};
}
template <class ConstView, class View>
struct write_affine {
    kind which;
    ConstView x;
    double first, second;
    bool linear; // without the shift
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const affine_part part = predicted_by(which, i, first, second);
        out(i, j) = static_cast<typename View::value_type>((linear ? 0.0 : part.shift) +
                                                           part.factor * static_cast<double>(x(i, j)));
    }
};
template <class Batch>
struct exact_network {
    using batch_type = Batch;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct workspace {};
    kind which;
    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const_view x, double first, double second, diamond::no_condition, workspace&,
                    view out) const {
        write(x, first, second, false, out);
    }
    void vjp(const_view, double first, double second, diamond::no_condition, const_view cotangent, workspace&,
             view out) const {
        write(cotangent, first, second, true, out);
    }
    void operator()(const_view x, time_view level, diamond::no_condition, workspace&, view out) const {
        write(x, level.value(), 0.0, false, out);
    }
    void vjp(const_view, time_view level, diamond::no_condition, const_view cotangent, workspace&,
             view out) const {
        write(cotangent, level.value(), 0.0, true, out);
    }
    void jvp(const_view, time_view level, diamond::no_condition, const_view tangent, workspace&,
             view out) const {
        write(tangent, level.value(), 0.0, true, out);
    }

private:
    void write(const_view x, double first, double second, bool linear, view out) const {
        x.context().for_each(
            2, x.columns(),
            write_affine<const_view, view>{
                .which = which, .x = x, .first = first, .second = second, .linear = linear, .out = out});
    }
};

/// The largest errors of a map and of its vjp against the affine map `wanted(i)`.
template <class Map, class Wanted>
double error_of(Map map, const diamond::backend_of_t<typename Map::batch_type>& context, interval span,
                const Wanted& wanted) {
    using batch = typename Map::batch_type;
    constexpr index_t n = 5;
    const auto x = batches::normal<batch>(context, 2, n, 1), w = batches::normal<batch>(context, 2, n, 2);
    batch out(context, 2, n), pulled(context, 2, n);
    map(x, span, none, out);
    map.vjp(x, span, none, w, pulled);
    CHECK(map.spent() == (span.from < 1.0 ? diamond::cost{.forward = n, .vjp = n} : diamond::cost{}));
    auto value = batches::host(x), product = batches::host(w);
    for (std::size_t k = 0; k < value.size(); ++k) {
        const affine_part part = wanted(static_cast<index_t>(k % 2));
        value[k] = part.shift + part.factor * value[k];
        product[k] *= part.factor;
    }
    return std::max(largest_error(batches::host(out), value), largest_error(batches::host(pulled), product));
}
const std::vector<interval> spans{{0.0, 1.0}, {0.0, 0.4}, {0.2, 0.9}, {0.7, 1.0}};

} // namespace

TEST_CASE_TEMPLATE("mean velocities in every convention are the flow map, with its product", back_end,
                   BACK_ENDS) {
    using batch = typename back_end::batch;
    using network = exact_network<batch>;
    const auto context = back_end::make();
    const double bound = 4 * back_end::tolerance;
    for (const interval span : spans) {
        const auto wanted = [span](index_t i) { return between(i, span.from, span.to); };
        const diamond::mean_velocity_map matched{network{kind::flow_map_matching}};
        static_assert(diamond::differentiable_flow_map<decltype(diamond::mean_velocity_map{network{}})>);
        CHECK(error_of(matched, context, span, wanted) < bound);
        CHECK(error_of(diamond::mean_flow_map{network{kind::mean_flow}}, context, span, wanted) < bound);
        CHECK(error_of(diamond::shortcut_map{network{kind::shortcut}}, context, span, wanted) < bound);
        // A network of one convention is no map in another.
        CHECK(error_of(diamond::mean_velocity_map{network{kind::mean_flow}}, context, span, wanted) > 0.1);
        CHECK(error_of(diamond::mean_flow_map{network{kind::flow_map_matching}}, context, span, wanted) >
              0.1);
        if (span.from > 0.0)
            CHECK(error_of(diamond::shortcut_map{network{kind::flow_map_matching}}, context, span, wanted) >
                  0.05);
    }
    const interval back{0.9, 0.2};
    CHECK(error_of(diamond::mean_velocity_map{network{kind::flow_map_matching}}, context, back,
                   [&](index_t i) { return between(i, 0.9, 0.2); }) < bound);
}

TEST_CASE_TEMPLATE("a consistency model leads to the data from any time of any schedule", back_end,
                   BACK_ENDS) {
    using batch = typename back_end::batch;
    using network = exact_network<batch>;
    const auto context = back_end::make();
    for (const auto which : schedules::every_kind) {
        const any_schedule schedule{which};
        CAPTURE(std::string(schedule.name()));
        const auto to_end = [&](double alpha, double sigma) {
            return [=](index_t i) { return to_data(i, alpha, sigma); };
        };
        const diamond::consistency_map map{schedule, network{kind::consistency}};
        for (const double ratio : {70.0, 2.0, 0.3, 0.01}) {
            const double t = schedule.time_at(1.0, ratio);
            CHECK(error_of(map, context, {t, 1.0}, to_end(schedule.alpha(t), schedule.sigma(t))) <
                  4 * back_end::tolerance);
        }
        // At t = 0 it says what it knows at its noisiest level, and at t = 1 nothing is left to do.
        const double most = diamond::consistency_options{}.sigma_max;
        if (!schedule.noisy_start())
            CHECK(error_of(map, context, {0.0, 1.0},
                           to_end(1.0 / std::hypot(1.0, most), most / std::hypot(1.0, most))) <
                  4 * back_end::tolerance);
        CHECK(error_of(map, context, {1.0, 1.0}, [](index_t) { return affine_part{0.0, 1.0}; }) == 0.0);
        // Asked at the state as it is, or at another level, it is no look-ahead.
        CHECK(error_of(map, context, {0.3, 1.0}, to_end(schedule.alpha(0.35), schedule.sigma(0.35))) > 0.01);
    }
}

TEST_CASE("a consistency model is the look-ahead of a value, and its guidance follows from its product") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const auto x = batches::normal<batch>(context, 2, 3, 3);
    diamond::look_ahead_value value{
        diamond::linear_schedule{},
        diamond::consistency_map{diamond::linear_schedule{}, exact_network<batch>{kind::consistency}},
        diamond::linear_reward<batch>{context, {1.0, -2.0}}};
    diamond::scratch<double, diamond::eigen::context> values(context, 1, 3);
    value(x, 0.3, none, diamond::philox{1}.stream(diamond::purpose::value), {.value = diamond::row(values)});
    for (index_t j = 0; j < 3; ++j) {
        double wanted = 0.0;
        for (index_t i = 0; i < 2; ++i) {
            const affine_part part = to_data(i, 0.3, 0.7);
            wanted += (i == 0 ? 1.0 : -2.0) * (part.shift + part.factor * x.data()[i + 2 * j]);
        }
        CHECK(values.data()[j] == doctest::Approx(wanted).epsilon(1e-12));
    }
}

TEST_CASE("where a network does not lead, its map does not go") {
    using batch = diamond::eigen::batch<double>;
    using network = exact_network<batch>;
    const auto context = back_ends::eigen<double>::make(1);
    const auto x = batches::normal<batch>(context, 2, 3, 4);
    batch out(context, 2, 3);
    const auto refuses = [&](auto map, interval span, const char* sentence) {
        CHECK_THROWS_WITH_AS(map(x, span, none, out), doctest::Contains(sentence), std::invalid_argument);
    };
    refuses(diamond::mean_flow_map{network{kind::mean_flow}}, {0.5, 0.2}, "forward in time alone");
    refuses(diamond::shortcut_map{network{kind::shortcut}}, {0.5, 0.2}, "forward in time alone");
    refuses(diamond::mean_velocity_map{network{kind::flow_map_matching}}, {0.5, 1.2}, "times lie in [0, 1]");
    const diamond::consistency_map map{diamond::linear_schedule{}, network{kind::consistency}};
    refuses(map, {0.2, 0.9}, "it leads to the data alone");
    // A cotangent of another shape is refused before the network sees it.
    const auto wide = batches::normal<batch>(context, 2, 4, 5);
    const auto refuses_cotangent = [&](auto any, const char* name) {
        for (const double from : {0.2, 1.0})
            CHECK_THROWS_WITH_AS(any.vjp(x, {from, 1.0}, none, wide, out), doctest::Contains(name),
                                 std::invalid_argument);
        CHECK(any.spent() == diamond::cost{});
    };
    refuses_cotangent(map, "consistency_map");
    refuses_cotangent(diamond::mean_velocity_map{network{kind::flow_map_matching}}, "mean_velocity_map");
    refuses_cotangent(diamond::mean_flow_map{network{kind::mean_flow}}, "mean_flow_map");
    refuses(map, {-0.2, 1.0}, "times lie in [0, 1]");
    CHECK_THROWS_WITH_AS((diamond::consistency_map{diamond::linear_schedule{},
                                                   network{kind::consistency},
                                                   {.sigma_min = 3.0, .sigma_max = 2.0}}),
                         doctest::Contains("that it was trained between"), std::invalid_argument);
}

} // namespace map_conventions_test
