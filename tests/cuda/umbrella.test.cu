/// The umbrella under nvcc, and what is DIAMOND_HD in a kernel: schedules, columns of batches, the
/// vocabulary's functors.
#include <doctest/doctest.h>

#include <diamond/backend/cuda.cuh>
#include <diamond/backend/detail/functors.hpp>
#include <diamond/diamond.hpp>

#include <support/numbers.hpp>

namespace cuda_umbrella_test {

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
        double* to = out + functions * j;
        *to++ = schedule.alpha(t);
        *to++ = schedule.sigma(t);
        *to++ = schedule.d_alpha(t);
        *to++ = schedule.d_sigma(t);
        *to++ = diamond::sigma_d_sigma(schedule, t);
        *to++ = diamond::guidance_factor(schedule, t);
        *to++ = diamond::level_at(schedule, t).snr();
        *to++ = diamond::time_at(schedule, schedule.alpha(t), schedule.sigma(t));
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
        out[4 * j] = sum_column{}(constant.column(j));
        out[4 * j + 1] = larger{}(out[4 * j], diamond::log_add_exp(0.5, -diamond::infinity));
        log_sum_exp_functor<no_context>{wide, out + 3 * j + 2}(j); // writes out[4 j + 2]
        normal_functor<Real, no_context>{diamond::noise_stream{.seed = 3}, normals}(j);
        out[4 * j + 3] = column_sum(*this, x.rows(), j);
    }
    DIAMOND_HD double operator()(index_t i, index_t j) const { return static_cast<double>(x(i, j)); }
};
template <class T>
auto on_device(const diamond::cuda::context& context, std::vector<T>& host) {
    return diamond::from_host(context, static_cast<index_t>(host.size()), 1, host);
}
template <class F>
void for_each(index_t count, const F& f) {
    for (index_t j = 0; j < count; ++j) f(j);
}
} // namespace

TEST_CASE_TEMPLATE("schedules on a device", schedule, diamond::linear_schedule,
                   diamond::trigonometric_schedule, diamond::variance_preserving_schedule,
                   diamond::cosine_schedule, users_schedule) {
    const diamond::cuda::context context;
    diamond::cuda::batch<double> out(context, functions, times + 1);
    context.for_each(times + 1, tabulate<schedule>{{}, out.data()});
    const auto on_device = diamond::to_host(out);
    std::vector<double> on_host(on_device.size());
    for_each(times + 1, tabulate<schedule>{{}, on_host.data()});
    for (std::size_t k = 0; k < on_host.size(); ++k) {
        if (std::isnan(on_host[k])) // 0/0 of the guidance factor at t = 0
            CHECK(std::isnan(on_device[k]));
        else if (std::isinf(on_host[k]))
            CHECK(on_device[k] == on_host[k]);
        else
            CHECK(on_device[k] == doctest::Approx(on_host[k]).epsilon(1e-12));
    }
}

TEST_CASE_TEMPLATE("the vocabulary's functors on a device", real, float, double) {
    constexpr index_t rows = 13, columns = 100, size = rows * columns;
    const auto host = numbers::normals<real>(size, 1);
    std::vector<real> x(host);
    x.resize(3 * size, real{0});
    std::vector<double> wide(host.begin(), host.end()), out(4 * columns), log_sums(columns);
    std::vector<std::int32_t> ancestors;
    for (index_t j = 0; j < columns; ++j) ancestors.push_back(static_cast<std::int32_t>((j * j) % columns));
    const auto functors = [](real* data, const double* numbers, const std::int32_t* from, double* results) {
        const auto view = [&](int part) {
            return batch_view<real, no_context>(data + part * size, rows, columns, nullptr);
        };
        return every_functor<real>{view(0), view(1), view(2), {numbers, rows, columns, nullptr},
                                   from,    results};
    };
    const auto softmax = [](real* data, double* sums) {
        return diamond::detail::softmax_functor<real, no_context>{{data, rows, columns, nullptr}, sums};
    };

    const diamond::cuda::context context;
    auto x_there = on_device(context, x);
    auto wide_there = on_device(context, wide), out_there = on_device(context, out),
         log_sums_there = on_device(context, log_sums);
    const auto ancestors_there = on_device(context, ancestors);
    context.for_each(columns,
                     functors(x_there.data(), wide_there.data(), ancestors_there.data(), out_there.data()));
    context.for_each(columns, softmax(x_there.data(), log_sums_there.data()));
    for_each(columns, functors(x.data(), wide.data(), ancestors.data(), out.data()));
    for_each(columns, softmax(x.data(), log_sums.data()));

    const double tolerance = 128 * static_cast<double>(std::numeric_limits<real>::epsilon());
    const auto check = [&](const auto& found, const auto& expected) {
        for (std::size_t k = 0; k < expected.size(); ++k)
            CHECK(found[k] == doctest::Approx(expected[k]).epsilon(tolerance));
    };
    check(diamond::to_host(x_there), x);
    check(diamond::to_host(out_there), out);
    check(diamond::to_host(log_sums_there), log_sums);
}

} // namespace cuda_umbrella_test
