// The methods of alignment: what each returns, with what budget it runs, and the models they run on.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "networks.hpp"
#include "tasks.hpp"

namespace digits {

/// What a method's weighted samples and log Z are exact for as particles grow: the chain's own end law, or that of the density which corrects it, tilted;
/// and whether that law is the model's.
struct exactness {
    bool sampler = false, density = false, model = false;
};

/// What a method made of a task: weighted samples, and what it says of them.
struct outcome {
    floats                    samples  = {}; ///< pixels x count
    std::vector<double>       weights  = {}; ///< sum to 1
    std::vector<std::int32_t> families = {}; ///< samples of one family are not independent; outside SMC each is its own
    std::optional<double>     ess = {}, log_z = {}, log_z_se = {}, correction_ess = {};
    std::string               log_z_method = {};
    diamond::cost             spent    = {};
    double                    seconds = 0.0;
    index_t                   returned = 0; ///< samples that the evaluations were spent on
    std::vector<std::string>  warnings = {};
    exactness                 exact_for = {};
    std::optional<std::string> failure  = {}; ///< why there are no samples: a number that died

    // The story over t, of SMC.
    std::vector<diamond::smc_step>         steps     = {};
    std::vector<floats>                    states    = {}; ///< particles after each step of the story
    std::vector<std::vector<std::int32_t>> ancestors = {};
};

/// The steps that the story shows: the last, and others at equal distances before it, `longest_story` at most.
inline constexpr index_t longest_story = 16;
inline bool in_story(index_t step, index_t steps) { return (steps - step) % ((steps + longest_story - 1) / longest_story) == 0; }

struct method_options {
    index_t         particles    = 1024;
    index_t         steps        = 16;
    index_t         samples      = 16; ///< posterior draws of a value
    index_t         glass_steps  = 4; ///< Runge-Kutta steps of a GLASS transition, and of the exact model's Diamond map
    index_t         look_ahead_steps = 4; ///< midpoint steps of the exact model's flow map
    index_t         winners      = 64; ///< samples that search and guidance return
    diamond::philox rng{0};
    bool            keep_story = false;
};

/// Tells the share that is done.
using progress = std::function<void(double)>;

struct method_name {
    std::string name, title;
    std::string otherwise  = "neither"; ///< what it does where it is exact for nothing
    bool        by_default = true;      ///< whether it runs unless asked for others
};
/// All methods, in the report's order.
inline const std::vector<method_name>& method_names() {
    static const std::vector<method_name> all{{"prior", "prior", "untilted"},
                                              {"best_of_n", "best of N", "maximises"},
                                              {"beam", "beam", "maximises"},
                                              {"guidance", "guidance", "approximates"},
                                              {"smc_early_stop", "SMC, early stop"},
                                              {"smc_ddpm", "SMC, DDPM posterior"},
                                              {"smc_glass", "SMC, GLASS by ODE"},
                                              {"weighted_diamond", "weighted Diamond"},
                                              {"corrected", "SMC, corrected", "approximates", false}};
    return all;
}
inline const method_name& corrected_method() { return method_names().back(); }

/// A model that methods align where its numbers are: `methods` in the order of method_names(), without the last where nothing knows densities; `denoise` E[z | x_t] with one time a column.
struct subject {
    using method = std::function<outcome(const task&, const method_options&, const progress&)>;
    std::string                                                                  name, title, device;
    std::vector<method>                                                          methods;
    std::function<floats(const floats& x, const std::vector<double>& times)>     denoise;
};

/// Jumps of the joint map for a density that corrects: as many as likelihoods are near the many-step ones by.
inline constexpr index_t correcting_jumps = 4;

/// A Diamond network, and how it is asked.
struct learned_settings {
    std::filesystem::path weights;
    std::string           map, velocity; ///< names; `velocity` is what GLASS, guidance and densities read at t = 0
    diamond::labels       condition       = {};
    double                guidance_weight = 1.0; ///< classifier-free
    index_t               evaluations     = 1; ///< of a posterior draw
    index_t               density_jumps   = 0; ///< of the joint map for a log p, where one is to correct transitions
};

/// The exact model of images with noise of a standard deviation: its own posterior draws, one evaluation each; its Diamond map and its flow
/// map by ODE. On the CPU, `threads` of it.
[[nodiscard]] subject exact_subject(int threads, const images& train, double bandwidth);
[[nodiscard]] subject learned_subject(int threads, const learned_settings& settings);
/// The same on the first GPU. @throws diamond::cuda::error where there is none, std::runtime_error where this program was built without CUDA.
[[nodiscard]] subject exact_subject_on_gpu(const images& train, double bandwidth);
[[nodiscard]] subject learned_subject_on_gpu(const learned_settings& settings);

namespace detail {

inline std::vector<double> equal_weights(index_t count) { return std::vector<double>(static_cast<std::size_t>(count), 1.0 / static_cast<double>(count)); }

inline std::vector<std::int32_t> own_families(index_t count) {
    std::vector<std::int32_t> families(static_cast<std::size_t>(count));
    std::iota(families.begin(), families.end(), 0);
    return families;
}

/// Samples that are independent and weigh the same.
inline outcome independent(floats samples) {
    const auto count = static_cast<index_t>(samples.size()) / pixels;
    return {.samples = std::move(samples), .weights = equal_weights(count), .families = own_families(count)};
}

} // namespace detail

} // namespace digits
