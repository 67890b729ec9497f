/// This header runs methods of alignment for a family of models, and keeps what they return in one form.
///
/// A family is a small struct that says on which context it runs, where(); which condition() its networks
/// are given; and evaluations(), how many evaluations of a network one of its own is.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/diamond.hpp>

namespace studies {

using diamond::index_t;

/// This type holds any differentiable reward on a back end, so that each method is compiled once and not once
/// for each reward.
template <class Batch>
class any_reward {
public:
    template <class Reward>
    explicit any_reward(Reward reward) {
        const auto shared = std::make_shared<Reward>(std::move(reward));
        value_ = [shared](diamond::const_view_t<Batch> z, diamond::row_t<Batch> values) {
            diamond::evaluate_reward(*shared, z, diamond::no_condition{}, values);
        };
        gradient_ = [shared](diamond::const_view_t<Batch> z, diamond::view_t<Batch> out) {
            diamond::evaluate_reward_gradient(*shared, z, diamond::no_condition{}, out);
        };
    }
    void operator()(diamond::const_view_t<Batch> z, diamond::row_t<Batch> values) const { value_(z, values); }
    void gradient(diamond::const_view_t<Batch> z, diamond::view_t<Batch> out) const { gradient_(z, out); }

private:
    std::function<void(diamond::const_view_t<Batch>, diamond::row_t<Batch>)> value_;
    std::function<void(diamond::const_view_t<Batch>, diamond::view_t<Batch>)> gradient_;
};

/// This type says for what the weighted samples and log Z of a method are exact as the number of particles
/// grows: the end law of the chain itself, or of the density that corrects it, tilted; and whether that law
/// is the model's.
struct exactness {
    bool sampler = false, density = false, model = false;
};

/// An outcome is what a method made of a task: weighted samples, and what it states about them.
struct outcome {
    std::vector<float> samples = {};  ///< dimension x count
    std::vector<double> weights = {}; ///< sum to 1
    /// Samples of one family are not independent; outside of SMC each sample is a family of its own.
    std::vector<std::int32_t> families = {};
    std::optional<double> ess = {}, log_z = {}, log_z_se = {}, correction_ess = {};
    std::string log_z_method = {};
    diamond::cost spent = {};
    double seconds = 0.0;
    index_t returned = 0; ///< the number of samples on which the evaluations were spent
    std::vector<std::string> warnings = {};
    exactness exact_for = {};
    std::optional<std::string> failure = {}; ///< why there are no samples: a number that is not finite

    // SMC also tells its story over t.
    std::vector<diamond::smc_step> steps = {};
    std::vector<std::vector<float>> states = {}; ///< the particles after each step of the story
    std::vector<std::vector<std::int32_t>> ancestors = {};
};

/// A progress function is told the share that is done.
using progress = std::function<void(double)>;

inline std::vector<double> equal_weights(index_t count) {
    return std::vector<double>(static_cast<std::size_t>(count), 1.0 / static_cast<double>(count));
}
inline std::vector<std::int32_t> own_families(index_t count) {
    std::vector<std::int32_t> families(static_cast<std::size_t>(count));
    std::iota(families.begin(), families.end(), 0);
    return families;
}
/// Returns the outcome of independent samples of equal weight.
inline outcome independent(std::vector<float> samples, index_t dimension) {
    const auto count = static_cast<index_t>(samples.size()) / dimension;
    return {.samples = std::move(samples), .weights = equal_weights(count), .families = own_families(count)};
}

/// Returns an observer that passes on the progress of a driver.
inline auto telling(const progress& tell) {
    return [&tell](const auto& at) {
        if constexpr (requires { at.budget; })
            tell(static_cast<double>(at.evaluations) / static_cast<double>(at.budget));
        else
            tell(static_cast<double>(at.step) / static_cast<double>(at.steps));
    };
}

template <class Family>
diamond::cost priced(const Family& family, diamond::cost spent) {
    spent.forward *= family.evaluations();
    return spent;
}

/// Runs a driver whose samples have equal weight.
template <class Family, class Driver>
outcome run_plain(const Family& family, Driver driver, diamond::philox rng, const progress& tell) {
    const diamond::stopwatch clock; // that of a chain stops as soon as its work is queued
    auto result = driver(family.where(), rng, family.condition(), telling(tell));
    outcome out = independent(diamond::to_host(result.particles), result.particles.rows());
    out.returned = result.particles.columns();
    out.spent = priced(family, result.spent);
    out.seconds = clock.seconds();
    return out;
}

/// Runs SMC with these options. `look` is shown each step and what there is of the outcome.
template <class Family, class Kernel, class Value, class Look>
outcome run_smc(const Family& family, Kernel kernel, Value value, const diamond::smc_options& options,
                diamond::philox rng, const progress& tell, const Look& look) {
    diamond::smc sampler{std::move(kernel), std::move(value), options, diamond::multinomial{}};
    outcome out;
    auto result = sampler(family.where(), rng, family.condition(), [&](const auto& at) {
        telling(tell)(at);
        look(at, out);
    });
    out.samples = diamond::to_host(result.particles);
    out.weights = result.weights();
    out.families = result.families;
    out.ess = result.ess;
    out.log_z = result.log_z;
    if (std::isfinite(result.log_z_standard_error)) out.log_z_se = result.log_z_standard_error;
    out.log_z_method = diamond::name_of(result.log_z_method);
    out.spent = priced(family, result.spent);
    out.seconds = result.seconds;
    out.returned = options.particles;
    out.warnings = result.warnings;
    out.exact_for = {result.exact_for_sampler, result.exact_for_density, result.exact_for_model};
    if (std::isfinite(result.correction_ess)) out.correction_ess = result.correction_ess;
    out.steps = result.steps;
    out.ancestors = result.ancestors;
    return out;
}
template <class Family, class Kernel, class Value>
outcome run_smc(const Family& family, Kernel kernel, Value value, const diamond::smc_options& options,
                diamond::philox rng, const progress& tell) {
    return run_smc(family, std::move(kernel), std::move(value), options, rng, tell,
                   [](const auto&, const outcome&) {});
}

} // namespace studies
