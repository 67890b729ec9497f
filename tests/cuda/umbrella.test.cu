/// The umbrella under nvcc, and what is DIAMOND_HD in a kernel: schedules, columns of batches, the vocabulary's functors.
#include <diamond/diamond.hpp>

#include <diamond/backend/detail/functors.hpp>

#include <cuda/device.cuh>
#include <support/numbers.hpp>

using diamond::batch_view, diamond::index_t;

namespace {
constexpr index_t functions = 8, times = 256;

/// All that a schedule knows, at t = j / times.
template <class Schedule>
struct tabulate {
    Schedule schedule;
    double* out;
    DIAMOND_HD void operator()(index_t j) const {
        const double t = static_cast<double>(j) / times;
        double* to     = out + functions * j;
        *to++          = schedule.alpha(t);
        *to++          = schedule.sigma(t);
        *to++          = schedule.d_alpha(t);
        *to++          = schedule.d_sigma(t);
        *to++          = diamond::sigma_d_sigma(schedule, t);
        *to++          = diamond::guidance_factor(schedule, t);
        *to++          = diamond::level_at(schedule, t).snr();
        *to++          = diamond::time_at(schedule, schedule.alpha(t), schedule.sigma(t));
    }
};
struct users_schedule {
    DIAMOND_HD double alpha(double t) const { return t * t; }
    DIAMOND_HD double sigma(double t) const { return 1.0 - t; }
    DIAMOND_HD double d_alpha(double t) const { return 2.0 * t; }
    DIAMOND_HD double d_sigma(double) const { return -1.0; }
};

struct no_context {};
struct sum_column { // a pointwise reward
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        double sum = 0.0;
        for (const auto value : z) sum += static_cast<double>(value);
        return sum;
    }
};
/// The vocabulary's functors on a column each: results beside each other in out.
template <class Real>
struct every_functor {
    batch_view<Real, no_context> x, gathered, normals;
    batch_view<const double, no_context> wide;
    const std::int32_t* ancestors;
    double* out; // 4 x columns
    DIAMOND_HD void operator()(index_t j) const {
        using namespace diamond::detail;
        const batch_view<const Real, no_context> constant = x;
        gather_functor<Real, no_context>{constant, ancestors, gathered}(j);
        out[4 * j]     = sum_column{}(constant.column(j));
        out[4 * j + 1] = larger{}(out[4 * j], diamond::log_add_exp(0.5, -diamond::infinity));
        log_sum_exp_functor<no_context>{wide, out + 3 * j + 2}(j); // writes out[4 j + 2]
        normal_functor<Real, no_context>{diamond::noise_stream{.seed = 3}, normals}(j);
        out[4 * j + 3] = column_sum(*this, x.rows(), j);
    }
    DIAMOND_HD double operator()(index_t i, index_t j) const { return static_cast<double>(x(i, j)); }
};
/// The same calls on the device or on the host.
template <class F>
void for_each_on(bool on_device, index_t count, const F& f) {
    if (on_device)
        device::for_each(count, f);
    else
        for (index_t j = 0; j < count; ++j) f(j);
}
} // namespace

TEST_CASE_TEMPLATE("schedules on a device", schedule, diamond::linear_schedule, diamond::trigonometric_schedule,
                   diamond::variance_preserving_schedule, diamond::cosine_schedule, users_schedule) {
    device::shared<double> on_device(functions * (times + 1)), on_host(functions * (times + 1));
    for_each_on(true, times + 1, tabulate<schedule>{{}, on_device.data()});
    for_each_on(false, times + 1, tabulate<schedule>{{}, on_host.data()});
    for (index_t k = 0; k < on_host.size(); ++k) {
        if (std::isnan(on_host[k])) // 0/0 of the guidance factor at t = 0
            CHECK(std::isnan(on_device[k]));
        else if (std::isinf(on_host[k]))
            CHECK(on_device[k] == on_host[k]);
        else
            CHECK(on_device[k] == doctest::Approx(on_host[k]).epsilon(1e-12));
    }
}

TEST_CASE_TEMPLATE("the vocabulary's functors on a device", real, float, double) {
    constexpr index_t rows = 13, columns = 100;
    const auto host = numbers::normals<real>(rows * columns, 1);
    device::shared<real> x(rows * columns * 3), y(rows * columns * 3);
    device::shared<double> wide(rows * columns), out(4 * columns), expected(4 * columns), log_sums(2 * columns);
    device::shared<std::int32_t> ancestors(columns);
    for (index_t k = 0; k < rows * columns; ++k) {
        wide[k] = static_cast<double>(numbers::at(host, k));
        x[k] = y[k] = numbers::at(host, k);
    }
    for (index_t j = 0; j < columns; ++j) ancestors[j] = static_cast<std::int32_t>((j * j) % columns);
    const auto run = [&](bool on_device, real* data, double* results, double* sums) {
        const auto view = [&](int part) { return batch_view<real, no_context>(data + part * rows * columns, rows, columns, nullptr); };
        for_each_on(on_device, columns,
                    every_functor<real>{view(0), view(1), view(2), {wide.data(), rows, columns, nullptr}, ancestors.data(), results});
        for_each_on(on_device, columns, diamond::detail::softmax_functor<real, no_context>{view(0), sums});
    };
    run(true, x.data(), out.data(), log_sums.data());
    run(false, y.data(), expected.data(), log_sums.data() + columns);
    const double tolerance = 128 * static_cast<double>(std::numeric_limits<real>::epsilon());
    for (index_t k = 0; k < x.size(); ++k) CHECK(x[k] == doctest::Approx(y[k]).epsilon(tolerance));
    for (index_t k = 0; k < out.size(); ++k) CHECK(out[k] == doctest::Approx(expected[k]).epsilon(tolerance));
    for (index_t j = 0; j < columns; ++j) CHECK(log_sums[j] == doctest::Approx(log_sums[columns + j]).epsilon(tolerance));
}
