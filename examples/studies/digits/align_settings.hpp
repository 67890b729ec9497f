/// This header defines the options of `digits align` and the budgets of its sweep.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "methods.hpp"

namespace digits {

struct align_settings {
    std::filesystem::path data = default_data(), weights = default_weights(), out = "out/digits";
    std::vector<std::string> rewards = task_names(), methods;
    std::string model = "learned", network = "diamond", device = "cpu";
    method_options method;
    task_options task;
    index_t evaluations = 1;
    std::optional<double> bandwidth = {}; ///< empty unless the user asks for one
    double guidance_weight = 1.0;
    int condition = diamond::labels::unconditional, threads = 0;
    std::uint64_t seed = 1;
    index_t seeds = 1; ///< the number of seeds, beginning with `seed`
    bool sweep = true;
};

inline void add_options(CLI::App& sub, align_settings& s) {
    std::vector<std::string> all_methods;
    for (const auto& m : method_names()) {
        all_methods.push_back(m.name);
        if (m.by_default) s.methods.push_back(m.name);
    }
    sub.add_option("--model", s.model, "learned, or the exact one")
        ->check(CLI::IsMember(std::vector<std::string>{"learned", "exact"}))
        ->capture_default_str();
    sub.add_option("--network", s.network, "the learned map: trained on data alone, or taught by a teacher")
        ->check(CLI::IsMember(std::vector<std::string>{"diamond", "taught"}))
        ->capture_default_str();
    sub.add_option(
           "--device", s.device,
           "where the methods run: cpu, or cuda, the first GPU; what they return is judged on the CPU")
        ->check(CLI::IsMember(std::vector<std::string>{"cpu", "cuda"}))
        ->capture_default_str();
    sub.add_option("--weights", s.weights, "folder of the networks; the default are the shipped ones");
    sub.add_option("--evaluations", s.evaluations, "of the network for a posterior draw")
        ->check(CLI::Range(1, 1 << 10))
        ->capture_default_str();
    const auto condition = sub.add_option("--condition", s.condition,
                                          "a class to condition the model on; default none")
                               ->check(CLI::Range(0, 9));
    sub.add_option("--guidance-weight", s.guidance_weight,
                   "w of classifier-free guidance, v_0 + w (v_c - v_0)")
        ->check(between(-100, 100))
        ->needs(condition)
        ->capture_default_str();
    sub.add_option("--reward", s.rewards, "rewards to align with")
        ->check(CLI::IsMember(task_names()))
        ->capture_default_str();
    sub.add_option("--method", s.methods,
                   "methods to run; 'corrected' not by default, for on the learned model a transition with "
                   "its exact density takes 133 evaluations: a minute or two a reward, and half as much "
                   "again for the smaller budgets")
        ->check(CLI::IsMember(all_methods))
        ->capture_default_str();
    sub.add_option("--particles", s.method.particles, "particles of SMC and of the prior")
        ->check(CLI::Range(2, 1 << 20))
        ->capture_default_str();
    sub.add_option("--steps", s.method.steps,
                   "outer steps of SMC and beam; guidance takes twice, best of N draws 16 times as many")
        ->check(CLI::Range(1, 1 << 12))
        ->capture_default_str();
    sub.add_option("--samples", s.method.samples, "posterior draws for a value")
        ->check(CLI::Range(1, 1 << 12))
        ->capture_default_str();
    sub.add_option("--glass-steps", s.method.glass_steps, "Runge-Kutta steps of a GLASS transition")
        ->check(CLI::Range(1, 1 << 12))
        ->capture_default_str();
    sub.add_option("--winners", s.method.winners,
                   "samples that search returns; guidance returns four times as many")
        ->check(CLI::Range(2, 1 << 16))
        ->capture_default_str();
    sub.add_option("--label", s.task.label, "the class that 'seven' and 'seven_ink' ask for")
        ->check(CLI::Range(0, 9))
        ->capture_default_str();
    sub.add_option("--held-out", s.task.held_out, "the held-out image whose upper half is measured")
        ->check(CLI::Range(0, 359))
        ->capture_default_str();
    sub.add_option("--noise", s.task.noise, "standard deviation of that measurement")
        ->check(between(0.01, 100))
        ->capture_default_str();
    sub.add_option("--strength", s.task.strength, "of the ink reward, in nats per standard deviation of ink")
        ->check(between(-100, 100))
        ->capture_default_str();
    sub.add_option("--bandwidth", s.bandwidth,
                   "standard deviation h of the exact model's smoothing; default what the networks were "
                   "trained with, 0.2 for --model exact")
        ->check(between(0.01, 10));
    sub.add_option("--seed", s.seed, "of everything drawn")->check(not_negative)->capture_default_str();
    studies::add_seeds(sub, s.seeds);
    sub.add_option("--threads", s.threads, "0: one per core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    sub.add_option("--data", s.data, "folder of images.npy, labels.npy and held_out.npy");
    sub.add_option("--out", s.out, "folder to write to")->capture_default_str();
    sub.add_flag("--sweep,!--no-sweep", s.sweep,
                 "also run each method at smaller budgets, for reward against evaluations (default)");
}

/// Returns the budgets of the sweep: shares of the full number of steps, with fewer particles.
inline std::vector<method_options> smaller_budgets(const method_options& full, bool with_full) {
    std::vector<method_options> budgets;
    for (const int divisor : {8, 4, 2, 1}) {
        if (divisor == 1 && !with_full) break;
        auto budget = full;
        budget.steps = std::max<index_t>(1, full.steps / divisor);
        budget.samples = std::max<index_t>(1, std::min(full.samples, full.samples * 2 / divisor));
        budget.particles = std::max<index_t>(2, full.particles / 4);
        budget.winners = std::max<index_t>(2, full.winners / 2);
        budget.rng = full.rng.split(static_cast<std::uint64_t>(divisor));
        budget.keep_story = false;
        budgets.push_back(budget);
    }
    return budgets;
}

} // namespace digits
