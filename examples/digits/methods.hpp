// The methods of alignment, each with a budget that a sweep can scale.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/oracle/exact_posterior.hpp>

#include "tasks.hpp"

namespace digits {

/// What a method made of a task: weighted samples, and what it says of them.
struct outcome {
    floats                    samples; ///< pixels x count
    std::vector<double>       weights; ///< sum to 1
    std::vector<std::int32_t> families = {}; ///< of SMC: samples of one family are not independent
    std::optional<double>     ess = {}, log_z = {}, log_z_se = {};
    std::string               log_z_method = {};
    diamond::cost             spent    = {};
    double                    seconds = 0.0;
    index_t                   returned = 0; ///< samples that the evaluations were spent on
    std::vector<std::string>  warnings = {};
    bool                      exact_for_sampler = false, exact_for_model = false;

    // The story over t, of SMC.
    std::vector<diamond::smc_step>         steps     = {};
    std::vector<floats>                    states    = {}; ///< particles after each step
    std::vector<std::vector<std::int32_t>> ancestors = {};
};

struct method_options {
    index_t         particles    = 1024;
    index_t         steps        = 16;
    index_t         samples      = 16; ///< posterior draws of a value
    index_t         glass_steps  = 4; ///< Runge-Kutta steps of a GLASS transition
    index_t         look_ahead_steps = 4; ///< midpoint steps of weighted Diamond's flow map
    index_t         winners      = 64; ///< samples that search and guidance return
    diamond::philox rng{0};
    bool            keep_story = false;
};

struct method {
    std::string name, title;
    std::function<outcome(const context&, const model&, const task&, const method_options&, const std::function<void(double)>&)> run;
};

namespace detail {

inline std::vector<double> equal_weights(index_t count) { return std::vector<double>(static_cast<std::size_t>(count), 1.0 / static_cast<double>(count)); }

/// Tells the progress of a driver.
inline auto telling(const std::function<void(double)>& progress) {
    return [&progress](const auto& at) { progress(static_cast<double>(at.step) / static_cast<double>(at.steps)); };
}

template <class Result>
outcome unweighted(Result result) {
    outcome out;
    out.returned = result.particles.columns();
    out.samples  = diamond::to_host(result.particles);
    out.weights  = equal_weights(out.returned);
    out.spent    = result.spent;
    out.seconds  = result.seconds;
    return out;
}

template <class Kernel, class Value>
outcome run_smc(const context& where, Kernel kernel, Value value, const method_options& o, const std::function<void(double)>& progress) {
    diamond::smc sampler{std::move(kernel), std::move(value),
                         diamond::smc_options{.particles = o.particles, .steps = o.steps, .record_ancestors = o.keep_story}, diamond::multinomial{}};
    outcome out;
    auto    result = sampler(where, o.rng, diamond::no_condition{}, [&](const auto& at) {
        progress(static_cast<double>(at.step) / static_cast<double>(at.steps));
        if (o.keep_story) out.states.push_back(diamond::to_host(at.particles));
    });
    out.samples           = diamond::to_host(result.particles);
    out.weights           = result.weights();
    out.families          = result.families;
    out.ess               = result.ess;
    out.log_z             = result.log_z;
    out.log_z_se          = result.log_z_standard_error;
    out.log_z_method      = diamond::name_of(result.log_z_method);
    out.spent             = result.spent;
    out.seconds           = result.seconds;
    out.returned          = o.particles;
    out.warnings          = result.warnings;
    out.exact_for_sampler = result.exact_for_sampler;
    out.exact_for_model   = result.exact_for_model;
    out.steps             = result.steps;
    out.ancestors         = result.ancestors;
    return out;
}

} // namespace detail

/// All methods, in the report's order. The exact posterior of the model stands for a Diamond map: one evaluation a draw.
inline const std::vector<method>& methods() {
    using namespace diamond;
    using detail::run_smc;
    using detail::telling;
    using detail::unweighted;
    using progress = std::function<void(double)>;
    static const std::vector<method> all{
        {"prior", "prior",
         [](const context& where, const model& exact, const task&, const method_options& o, const progress& tell) {
             return unweighted(chain{ddpm_posterior_kernel{exact_posterior{exact}}, {.particles = o.particles, .steps = 1}}(where, o.rng, {}, telling(tell)));
         }},
        {"best_of_n", "best of N",
         [](const context& where, const model& exact, const task& t, const method_options& o, const progress& tell) {
             return unweighted(best_of_n{ddpm_posterior_kernel{exact_posterior{exact}}, t.reward,
                                         {.winners = o.winners, .candidates = 16 * o.steps, .steps = 1}}(where, o.rng, {}, telling(tell)));
         }},
        {"beam", "beam",
         [](const context& where, const model& exact, const task& t, const method_options& o, const progress& tell) {
             return unweighted(beam{ddpm_posterior_kernel{exact_posterior{exact}}, posterior_value{exact_posterior{exact}, t.reward, {.samples = o.samples}},
                                    {.beams = o.winners, .width = 2, .children = 2, .steps = o.steps}}(where, o.rng, {}, telling(tell)));
         }},
        {"guidance", "guidance",
         [](const context& where, const model& exact, const task& t, const method_options& o, const progress& tell) {
             return unweighted(guidance{exact, posterior_value{exact_posterior{exact}, t.reward, {.samples = 2 * o.samples}},
                                        {.particles = 4 * o.winners, .steps = 2 * o.steps}}(where, o.rng, {}, telling(tell)));
         }},
        {"smc_ddpm", "SMC, DDPM posterior",
         [](const context& where, const model& exact, const task& t, const method_options& o, const progress& tell) {
             return run_smc(where, ddpm_posterior_kernel{exact_posterior{exact}}, posterior_value{exact_posterior{exact}, t.reward, {.samples = o.samples}}, o, tell);
         }},
        {"smc_glass", "SMC, GLASS by ODE",
         [](const context& where, const model& exact, const task& t, const method_options& o, const progress& tell) {
             return run_smc(where, glass_kernel{linear_schedule{}, exact, runge_kutta_4{.steps = o.glass_steps}},
                            posterior_value{exact_posterior{exact}, t.reward, {.samples = o.samples}}, o, tell);
         }},
        {"weighted_diamond", "weighted Diamond",
         [](const context& where, const model& exact, const task& t, const method_options& o, const progress& tell) {
             // A look-ahead costs an ODE: half the particles and half the samples of the others.
             auto half      = o;
             half.particles = std::max<index_t>(2, o.particles / 2);
             return run_smc(where, ddpm_posterior_kernel{exact_posterior{exact}},
                            weighted_value{best_density(linear_schedule{}, exact), ode_flow_map{exact, midpoint{.steps = o.look_ahead_steps}}, t.reward,
                                           {.samples = std::max<index_t>(1, o.samples / 2)}}, half, tell);
         }},
    };
    return all;
}

} // namespace digits
