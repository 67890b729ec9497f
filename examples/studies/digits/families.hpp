/// This header runs all methods of alignment for any family of models.
///
/// A family is a small struct with a batch_type that makes, anew at each call: draws(), a posterior sampler;
/// map(options), a Diamond map; field(), a velocity field; flow_map(options), a look-ahead flow map;
/// condition(); evaluations(), the number of network evaluations in one of theirs; and where(), the context
/// on which everything runs. A family that has densities adds corrected_by to its methods.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "methods.hpp"

namespace digits::detail {

template <class Family, class Driver>
outcome run_plain(const Family& family, Driver driver, const method_options& o, const progress& tell) {
    return studies::run_plain(family, std::move(driver), o.rng, tell);
}

template <class Family, class Kernel, class Value>
outcome run_smc(const Family& family, Kernel kernel, Value value, const method_options& o,
                const progress& tell) {
    return studies::run_smc(family, std::move(kernel), std::move(value),
                            {.particles = o.particles,
                             .steps = o.steps,
                             .plain_ratio = 0.0, // what SMC does is what is asked
                             .record_ancestors = o.keep_story},
                            o.rng, tell, [&](const auto& at, outcome& out) {
                                if (o.keep_story && in_story(at.step, at.steps))
                                    out.states.push_back(diamond::to_host(at.particles));
                            });
}

template <class Family>
auto value_of(const Family& f, const task& t, index_t samples) {
    return diamond::posterior_value{
        f.draws(), t.asks.template on<typename Family::batch_type>(f.where()), {.samples = samples}};
}

/// Returns SMC whose transitions carry weights; `make_kernel` makes them from the options. Its values are
/// draws without weights, like those of the other methods, because any finite values do.
template <class Family, class MakeKernel>
subject::method corrected_by(const Family& f, const MakeKernel& make_kernel) {
    return [f, make_kernel](const task& t, const method_options& o, const progress& tell) {
        return run_smc(f, make_kernel(o), value_of(f, t, o.samples), o, tell);
    };
}

/// Returns the methods that need no density, in the order of method_names().
template <class Family>
std::vector<subject::method> methods_of(const Family& f) {
    using namespace diamond;
    const auto reward = [f](const task& t) {
        return t.asks.template on<typename Family::batch_type>(f.where());
    };
    const auto value = [f](const task& t, index_t samples) { return value_of(f, t, samples); };
    return {
        [f](const task&, const method_options& o, const progress& tell) {
            return run_plain(
                f, chain{ddpm_posterior_kernel{f.draws()}, {.particles = o.particles, .steps = 1}}, o, tell);
        },
        [f, reward](const task& t, const method_options& o, const progress& tell) {
            return run_plain(f,
                             best_of_n{ddpm_posterior_kernel{f.draws()},
                                       reward(t),
                                       {.winners = o.winners, .candidates = 16 * o.steps, .steps = 1}},
                             o, tell);
        },
        [f, value](const task& t, const method_options& o, const progress& tell) {
            return run_plain(f,
                             beam{ddpm_posterior_kernel{f.draws()},
                                  value(t, o.samples),
                                  {.beams = o.winners, .width = 2, .children = 2, .steps = o.steps}},
                             o, tell);
        },
        [f, reward](const task& t, const method_options& o, const progress& tell) {
            // As many evaluations a winner as the beam's, of one evaluation a draw.
            return run_plain(f,
                             tree_search{ddpm_posterior_kernel{f.draws()},
                                         reward(t),
                                         {.trees = o.winners,
                                          .evaluations = 4 * (o.steps + (o.steps - 1) * o.samples),
                                          .draws = 0,
                                          .steps = o.steps}},
                             o, tell);
        },
        [f, value](const task& t, const method_options& o, const progress& tell) {
            return run_plain(f,
                             guidance{f.field(),
                                      value(t, 2 * o.samples),
                                      {.particles = 4 * o.winners, .steps = 2 * o.steps}},
                             o, tell);
        },
        [f, value](const task& t, const method_options& o, const progress& tell) {
            return run_smc(f, early_stop_kernel{f.map(o)}, value(t, o.samples), o, tell);
        },
        [f, value](const task& t, const method_options& o, const progress& tell) {
            return run_smc(f, ddpm_posterior_kernel{f.draws()}, value(t, o.samples), o, tell);
        },
        [f, value](const task& t, const method_options& o, const progress& tell) {
            return run_smc(f,
                           glass_kernel{linear_schedule{}, f.field(), runge_kutta_4{.steps = o.glass_steps}},
                           value(t, o.samples), o, tell);
        },
        [f, reward](const task& t, const method_options& o, const progress& tell) {
            // A look-ahead costs several evaluations, so it gets half the particles and half the samples of
            // the others.
            auto half = o;
            half.particles = std::max<index_t>(2, o.particles / 2);
            return run_smc(f, ddpm_posterior_kernel{f.draws()},
                           weighted_value{best_density(linear_schedule{}, f.field()),
                                          f.flow_map(o),
                                          reward(t),
                                          {.samples = std::max<index_t>(1, o.samples / 2)}},
                           half, tell);
        },
    };
}

template <class Family>
subject subject_of(std::string name, std::string title, const Family& f) {
    using batch_type = typename Family::batch_type;
    auto reads = std::make_shared<diamond::readings<diamond::linear_schedule, decltype(f.field())>>(
        diamond::linear_schedule{}, f.field());
    return {std::move(name), std::move(title), f.where().device_name(), methods_of(f),
            [f, reads](const floats& points, const std::vector<double>& times) {
                const auto& where = f.where();
                const auto count = static_cast<index_t>(times.size());
                const auto x = diamond::from_host<real>(where, pixels, count, points);
                const auto t = diamond::from_host<double>(where, 1, count, times);
                batch_type out(where, pixels, count);
                reads->denoiser(x.read(), diamond::time_view(t.data()), f.condition(), out.mutable_view());
                return diamond::to_host(out);
            }};
}

} // namespace digits::detail
