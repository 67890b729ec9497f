/// This header draws from a model of the plane with the library, on any back end: the prior, the posterior of
/// a noisy state, and the model tilted by a reward.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "../shared/output_folder.hpp"
#include "scene.hpp"

namespace toy {

using diamond::linear_schedule;
using panels = std::vector<diamond::plot::panel>;

/// Returns the Diamond map of the model, by GLASS's posterior flow with an ODE solver.
template <class Model, class Solver>
auto diamond_map(const Model& model, Solver solver) {
    return diamond::glass_diamond_map{linear_schedule{}, model, solver};
}

/// Shows a chain of Diamond transitions on its way from noise to data.
template <class Model>
void show_prior(const scene<Model>& s) {
    const diamond::philox rng{s.chosen.seed};
    const auto data = marginal(s.context, s.model, s.plane, 1.0);
    batch_of<Model> exact(s.context, 2, s.chosen.particles);
    s.model.draw(rng.stream(diamond::purpose::data), exact.mutable_view());
    report(s, "prior, exact draws", particles(exact), data, {});

    panels shown;
    const auto watch = [&](const auto& now) {
        // The pictures are of the last step and of others at equal distances before it.
        constexpr index_t count = 4;
        if ((now.steps - now.step) * count % now.steps >= count) return;
        batch_of<Model> copy(s.context, 2, s.chosen.particles);
        s.context.copy(now.particles.data(), now.particles.size(), copy.data());
        const particles drawn(copy);
        shown.push_back(
            panel(text("t = %.2g", now.time), marginal(s.context, s.model, s.plane, now.time), &drawn));
    };
    diamond::chain chain{
        diamond::early_stop_kernel{diamond_map(s.model, diamond::explicit_midpoint{.steps = 3})},
        {.particles = s.chosen.particles, .steps = s.chosen.steps}};
    const auto result = chain(s.context, rng, {}, watch);
    report(s, "prior, Diamond chain", particles(result.particles), data, result.spent);
    write(s, "prior", "From noise to data: particles of a Diamond chain on the exact density of xₜ",
          std::move(shown), 0);
}

/// Shows draws of z given a noisy x_t: exact ones, and those of Diamond maps of growing cost.
template <class Model>
void show_posterior(const scene<Model>& s) {
    const diamond::philox rng{s.chosen.seed};
    const auto data = marginal(s.context, s.model, s.plane, 1.0);
    panels shown;
    for (const double t : {0.2, 0.4, 0.6}) {
        const double sigma = 1.0 - t;
        // X_t = alpha z + sigma eps.
        const position at{t * s.seen.x + 0.6 * sigma, t * s.seen.y - 0.6 * sigma};
        const auto x_t = diamond::from_host<float>(
            s.context, 2, 1, std::vector<float>{static_cast<float>(at.x), static_cast<float>(at.y)});
        const auto truth = tilted(data, [&](double x, double y) {
            return -0.5 * (diamond::square((at.x - t * x) / sigma) + diamond::square((at.y - t * y) / sigma));
        });
        const auto show = [&](const std::string& name, auto sampler) {
            batch_of<Model> draws(s.context, 2, s.chosen.particles);
            sampler(x_t.read(), t, {}, rng.stream(diamond::purpose::value, 1, s.chosen.particles),
                    draws.mutable_view());
            const particles drawn(draws);
            report(s, text("posterior at t = %.2g, ", t) + name, drawn, truth, sampler.spent());
            shown.push_back(panel(text("t = %.2g: ", t) + name, truth, &drawn));
        };
        show("exact draws", diamond::exact_posterior{s.model});
        show("Euler, 1 step (the mean)",
             diamond::diamond_map_posterior{diamond_map(s.model, diamond::euler{.steps = 1})});
        show("Euler, 4 steps",
             diamond::diamond_map_posterior{diamond_map(s.model, diamond::euler{.steps = 4})});
        show("midpoint, 4 steps",
             diamond::diamond_map_posterior{diamond_map(s.model, diamond::explicit_midpoint{.steps = 4})});
        show("RK4, 8 steps",
             diamond::diamond_map_posterior{diamond_map(s.model, diamond::runge_kutta_4{.steps = 8})});
    }
    write(s, "posterior",
          "Draws of z given xₜ by Diamond maps of growing cost, on the exact posterior density",
          std::move(shown), 5);
}

/// Shows the model tilted by the reward, by SMC with two transitions and two estimates of the value, and by
/// guidance.
template <class Model>
void show_tilt(const scene<Model>& s) {
    const auto data = marginal(s.context, s.model, s.plane, 1.0);
    const auto truth = tilted(data, [&](double x, double y) { return s.reward.at(x, y); });
    std::printf("  log Z = %.4f by quadrature\n", truth.log_integral);

    panels shown{panel("the model", data), panel("the model, tilted", truth)};
    std::uint64_t run = 0; // every method draws its own numbers
    const auto rng = diamond::philox{s.chosen.seed};
    const auto sample = [&](const std::string& name, auto kernel, auto value) {
        diamond::smc sampler{std::move(kernel),
                             std::move(value),
                             {.particles = s.chosen.particles, .steps = s.chosen.steps, .plain_ratio = 0.0}};
        const auto result = sampler(s.context, rng.split(++run));
        const particles drawn(result);
        report(s, name, drawn, truth, result.spent,
               text(", log Z = %.4f ± %.4f", result.log_z, result.log_z_standard_error));
        for (const auto& warning : result.warnings) std::printf("    warning: %s\n", warning.c_str());
        shown.push_back(panel(name, truth, &drawn));
    };
    const diamond::explicit_midpoint solver{.steps = 3};
    const auto map = diamond_map(s.model, solver);
    const diamond::posterior_value by_posterior{
        diamond::diamond_map_posterior{map}, s.reward, {.samples = 2}};
    sample("SMC, Diamond early stop", diamond::early_stop_kernel{map}, by_posterior);
    sample("SMC, GLASS transitions", diamond::glass_kernel{linear_schedule{}, s.model, solver}, by_posterior);
    sample("SMC, weighted Diamond value", diamond::early_stop_kernel{map},
           diamond::weighted_value{diamond::best_density(linear_schedule{}, s.model),
                                   diamond::ode_flow_map{s.model, solver},
                                   s.reward,
                                   {.samples = 2}});

    diamond::guidance guide{
        s.model,
        diamond::posterior_value{diamond::exact_posterior{s.model}, s.reward, {.samples = 16}},
        {.particles = s.chosen.particles, .steps = s.chosen.steps}};
    const auto guided = guide(s.context, rng.split(++run));
    const particles drawn(guided.particles);
    report(s, "guidance", drawn, truth, guided.spent);
    shown.push_back(panel("guidance", truth, &drawn));
    write(
        s, "tilt",
        text("Tilted towards (%g, %g): particles on the exact density", s.reward.centre.x, s.reward.centre.y),
        std::move(shown), 3);
}

template <class Model>
void show(const scene<Model>& s) {
    std::printf("%s\n", s.name.c_str());
    show_prior(s);
    show_posterior(s);
    show_tilt(s);
}

/// Returns two half circles, as a mixture of Gaussians along them.
template <class Context>
auto two_moons(const Context& context) {
    constexpr int centres_a_moon = 32;
    constexpr double size = 2.2, thickness = 0.2;
    std::vector<float> centres;
    for (int k = 0; k < centres_a_moon; ++k) {
        const double angle = diamond::pi * k / (centres_a_moon - 1);
        for (const double side : {1.0, -1.0}) {
            centres.push_back(static_cast<float>(side * size * (std::cos(angle) - 0.5)));
            centres.push_back(static_cast<float>(side * size * (std::sin(angle) - 0.25)));
        }
    }
    return diamond::data_mixture(context, linear_schedule{},
                                 diamond::from_host<float>(context, 2, 2 * centres_a_moon, centres).read(),
                                 thickness);
}

/// Draws all pictures of both models.
template <class Context>
findings draw(const Context& context, const options& chosen) {
    studies::make_folder_of(chosen.out / "report.json");
    findings found{context.device_name(), {}};
    show(scene{"checkerboard", context, chosen, found,
               diamond::checkerboard<diamond::owning_batch<float, Context>, linear_schedule>{context, {}},
               plane{{-4.4, 4.4}, {-4.4, 4.4}}, near_a_point{{1, -1}, 0.8}, position{0.6, 1.4}});
    show(scene{"two_moons", context, chosen, found, two_moons(context), plane{{-4.4, 4.4}, {-2.8, 2.8}},
               near_a_point{{0.6, 0}, 1}, position{0.7, 0.9}});
    return found;
}

} // namespace toy
