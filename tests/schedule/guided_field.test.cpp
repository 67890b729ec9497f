/// Classifier-free guidance: the blend of a network's two velocities, its products and its bill.
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/schedule/guided_field.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/readings.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/labelled.hpp"
#include "support/statistics.hpp"

namespace schedule_guided_field_test {

using diamond::guided_field, diamond::index_t, diamond::labels, diamond::time_view;
using statistics::largest_error;

namespace {

template <class ConstView, class View>
struct scaled_number {
    ConstView x;
    time_view t;
    labels c;
    double offset;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        out(i, j) = static_cast<typename View::value_type>(
            (2.0 + c[j]) * t[j] * static_cast<double>(x(i, j)) + offset * c[j]);
    }
};

/// u_i = (2 + c) t x_i + c, with c = -1 for the empty label: linear, so that its products are known.
template <class Batch>
struct scaled_field {
    using batch_type = Batch;
    using condition_type = labels;
    using real = typename Batch::value_type;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct workspace {};
    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const_view x, time_view t, const labels& c, workspace&, view out) const {
        each(x, t, c, 1.0, out);
    }
    void vjp(const_view, time_view t, const labels& c, const_view direction, workspace&, view out) const {
        each(direction, t, c, 0.0, out);
    }
    void jvp(const_view, time_view t, const labels& c, const_view direction, workspace&, view out) const {
        each(direction, t, c, 0.0, out);
    }

private:
    static void each(const_view x, time_view t, const labels& c, double offset, view out) {
        x.context().for_each(2, x.columns(), scaled_number<const_view, view>{x, t, c, offset, out});
    }
};

} // namespace

TEST_CASE_TEMPLATE("u_0 + w (u_c - u_0), and its products", back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    using field = scaled_field<batch>;
    static_assert(diamond::differentiable_velocity_field<guided_field<field>>);
    const auto context = back_end::make();
    constexpr index_t n = 3;
    const auto x = batches::normal<batch>(context, 2, n, 1),
               direction = batches::normal<batch>(context, 2, n, 2);
    const auto at = batches::host(x), along = batches::host(direction);
    const auto label = diamond::from_host(context, 1, n,
                                          std::vector<std::int32_t>{0, 4, labels::unconditional});
    const auto when = diamond::from_host(context, 1, n, std::vector<double>{0.0, 0.3, 1.0});
    for (const double w : {0.0, 1.0, 2.5, -0.5}) {
        const guided_field<field> guided(field{}, w);
        auto space = guided.make_workspace(context, n);
        batch out(context, 2, n);
        const auto check = [&](const labels& c, const time_view& t, const auto& label_of,
                               const auto& time_of) {
            std::vector<double> velocity, product;
            for (index_t j = 0; j < n; ++j)
                for (index_t i = 0; i < 2; ++i) {
                    const auto k = static_cast<std::size_t>(i + 2 * j);
                    const double blended = -1.0 + w * (label_of(j) + 1.0); // u is linear in c
                    velocity.push_back((2.0 + blended) * time_of(j) * at[k] + blended);
                    product.push_back((2.0 + blended) * time_of(j) * along[k]);
                }
            guided(x, t, c, space, out);
            CHECK(largest_error(batches::host(out), velocity) < 8 * back_end::tolerance);
            guided.vjp(x, t, c, direction, space, out);
            CHECK(largest_error(batches::host(out), product) < 8 * back_end::tolerance);
            guided.jvp(x, t, c, direction, space, out);
            CHECK(largest_error(batches::host(out), product) < 8 * back_end::tolerance);
        };
        const auto always = [](double number) { return [number](index_t) { return number; }; };
        const auto each = [](const auto& numbers) {
            return
                [&numbers](index_t j) { return static_cast<double>(numbers[static_cast<std::size_t>(j)]); };
        };
        const auto label_of = diamond::to_host(label);
        const auto time_of = diamond::to_host(when);
        check(labels(3), time_view(0.7), always(3.0), always(0.7));
        check(labels(), time_view(0.7), always(-1.0), always(0.7));
        check(labels(label.data()), time_view(when.data()), each(label_of), each(time_of));
    }
}

TEST_CASE("it counts two evaluations a call, also where it is converted, and refuses a weight that is none") {
    using batch = diamond::eigen::batch<double>;
    using field = scaled_field<batch>;
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 5;
    const auto x = batches::normal<batch>(context, 2, n, 3);
    batch out(context, 2, n);
    diamond::ode_flow_map flow{guided_field<field>(field{}, 2.0), diamond::euler{.steps = 3}};
    flow(x, diamond::interval{0.0, 1.0}, labels(1), out);
    CHECK(flow.spent() == diamond::cost{.forward = 2 * 3 * n});
    diamond::readings denoised(
        diamond::linear_schedule{},
        diamond::denoiser_network(diamond::linear_schedule{}, guided_field<field>(field{}, 2.0)));
    denoised.velocity(x, time_view(0.5), labels(1), out);
    CHECK(denoised.spent() == diamond::cost{.forward = 2 * n});
    for (const double bad : {diamond::infinity, std::numeric_limits<double>::quiet_NaN()})
        CHECK_THROWS_WITH_AS((guided_field<field>(field{}, bad)), doctest::Contains("must be finite"),
                             std::invalid_argument);
}

} // namespace schedule_guided_field_test
