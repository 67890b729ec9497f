// Any numbers are a snapshot of SMC that goes on to a result without a NaN, or an exception: whatever
// numbers, those of a run with some of them spoilt, and any bytes as a snapshot's file.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/snapshot.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "draws.hpp"

using namespace diamond;

namespace {

using batch = eigen::batch<float>;
using diamond_fuzz::draws;
using numbers_of_run = smc_snapshot<float>;

double any_number(draws& in) {
    switch (in.integer(0, 11)) {
    case 0:
        return NAN;
    case 1:
        return infinity;
    case 2:
        return -infinity;
    case 3:
        return 1e300;
    case 4:
        return -1e300;
    case 5:
        return 5e-324;
    case 6:
        return 1.7976931348623157e308;
    case 7:
        return 0.0;
    case 8:
        return in.number();
    default:
        return in.number(-10, 10);
    }
}
struct bowl {
    template <class Column>
    double operator()(const Column& z) const {
        return -0.5 * (square(z[0] - 2) + square(z[1] - 1));
    }
};

/// A snapshot of nothing but the fuzzer's numbers.
numbers_of_run any_numbers(draws& in, index_t n, index_t steps) {
    numbers_of_run s;
    const auto length = [&](index_t right) {
        return static_cast<std::size_t>(in.integer(0, 15) == 0 ? in.integer<index_t>(0, 20) : right);
    };
    s.step = in.integer(0, 15) == 0 ? in.integer<index_t>() : in.integer<index_t>(0, steps);
    s.particles.resize(length(2 * n));
    for (auto& x : s.particles) x = static_cast<float>(any_number(in));
    s.values.resize(length(n));
    for (auto& x : s.values) x = any_number(in);
    s.log_weights.resize(length(n));
    for (auto& x : s.log_weights) x = any_number(in);
    if (in.integer(0, 15) == 0) s.log_densities.resize(length(n));
    s.families.resize(length(n));
    for (auto& f : s.families)
        f = in.integer(0, 15) == 0 ? in.integer<std::int32_t>()
                                   : in.integer<std::int32_t>(0, static_cast<std::int32_t>(n - 1));
    s.log_z = any_number(in);
    s.log_delta = in.boolean() ? -infinity : any_number(in);
    s.resamplings = in.integer<index_t>(-1000000000, 1000000000);
    s.steps.resize(length(s.step >= 0 && s.step < 100 ? s.step : 0));
    for (auto& line : s.steps) {
        line.time = any_number(in);
        line.ess = any_number(in);
        line.resampled = in.boolean();
        line.least_increment = any_number(in);
        line.largest_increment = any_number(in);
        line.largest_share = any_number(in);
        line.floored = in.integer<index_t>();
    }
    s.ancestors.resize(length(in.boolean() ? s.step >= 0 && s.step < 100 ? s.step : 0 : 0));
    for (auto& a : s.ancestors) {
        a.resize(in.boolean() ? length(n) : 0);
        for (auto& i : a) i = in.integer<std::int32_t>();
    }
    return s;
}

/// Some numbers of a run's own snapshot become others.
void spoil(draws& in, numbers_of_run& s) {
    const auto one_of = [&](auto& numbers) -> auto& {
        return numbers[static_cast<std::size_t>(
            in.integer<index_t>(0, static_cast<index_t>(numbers.size()) - 1))];
    };
    for (int count = in.integer(0, 4); count > 0; --count) {
        const auto counts = {&s.spent.forward, &s.spent.jvp, &s.spent.vjp, &s.spent.reward};
        switch (in.integer(0, 11)) {
        case 0:
            one_of(s.particles) = static_cast<float>(any_number(in));
            break;
        case 1:
            one_of(s.values) = any_number(in);
            break;
        case 2:
            one_of(s.log_weights) = any_number(in);
            break;
        case 3:
            one_of(s.families) = in.integer<std::int32_t>(-1, 9);
            break;
        case 4:
            s.log_z = any_number(in);
            break;
        case 5:
            s.log_delta = any_number(in);
            break;
        case 6:
            s.resamplings = in.integer<index_t>();
            break;
        case 7:
            s.step = in.integer<index_t>(-1, 6);
            break;
        case 8:
            *std::data(counts)[in.integer(0, 3)] = in.integer<std::int64_t>();
            break;
        case 9:
            if (!s.ancestors.empty() && !s.ancestors.back().empty())
                one_of(s.ancestors.back()) = in.integer<std::int32_t>();
            break;
        default:
            if (s.steps.empty()) break;
            smc_step& line = one_of(s.steps);
            double* const parts[] = {
                &line.time,          &line.ess,       &line.least_increment, &line.largest_increment,
                &line.largest_share, &line.mean_value};
            const int part = in.integer(0, 7);
            if (part == 6)
                line.floored = in.integer<index_t>();
            else if (part == 7)
                line.resampled = !line.resampled;
            else
                *parts[part] = any_number(in);
        }
    }
}

template <class Sampler>
void go_on(Sampler& sampler, const eigen::context& context, const numbers_of_run& from, index_t n) {
    try {
        auto state = sampler.resume(context, philox{7}, from);
        while (!state.done()) sampler.step(state);
        const auto result = sampler.finish(std::move(state));
        if (!result.complete || !std::isfinite(result.log_z)) std::abort();
        for (const auto family : result.families)
            if (family < 0 || family >= n) std::abort();
        for (const double weight : result.weights())
            if (!(weight >= 0.0 && weight <= 1.0)) std::abort();
        for (const float x : to_host(result.particles))
            if (!std::isfinite(x)) std::abort();
    } catch (const std::invalid_argument&) {
    } catch (const numeric_error&) {
    }
}

template <class Resampler>
void go(const eigen::context& context, draws& in, const gaussian_mixture<batch, linear_schedule>& model) {
    const index_t n = in.integer<index_t>(1, 9), steps = in.integer<index_t>(1, 5);
    const exact_posterior posterior(model);
    smc_options options{.particles = n,
                        .steps = steps,
                        .threshold = in.boolean() ? 2.0 : 0.5,
                        .pilot_particles = 0,
                        .record_ancestors = in.boolean()};
    if (in.boolean()) options.log_delta = in.number(-50, 50);
    smc sampler{ddpm_posterior_kernel{posterior}, posterior_value{posterior, bowl{}, {.samples = 2}}, options,
                Resampler{}};
    draws again = in;
    auto whatever = any_numbers(in, n, steps);
    auto state = sampler.start(context, philox{7});
    whatever.seed = 7;
    whatever.setting = state.snapshot().setting;
    go_on(sampler, context, whatever, n);

    for (index_t k = again.integer<index_t>(0, steps); state.step() < k;) sampler.step(state);
    auto real = state.snapshot();
    spoil(again, real);
    go_on(sampler, context, real, n);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const eigen::context context{.threads = 1};
    static const gaussian_mixture<batch, linear_schedule> model{
        context, {}, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}};
    draws in(data, size);
    switch (in.integer(0, 3)) {
    case 0:
        go<multinomial>(context, in, model);
        break;
    case 1:
        go<stratified>(context, in, model);
        break;
    case 2:
        go<systematic>(context, in, model);
        break;
    default:
        go<residual>(context, in, model);
    }
    try {
        const auto read = io::snapshot_from<float>(
            io::parse_safetensors(std::as_bytes(std::span{data, size}), "fuzz"), "");
        if (read.steps.size() != static_cast<std::size_t>(read.step) ||
            read.values.size() != read.families.size())
            std::abort();
    } catch (const io::file_error&) { // what is refused is refused
    }
    return 0;
}
