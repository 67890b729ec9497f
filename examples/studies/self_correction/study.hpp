/// This header holds what the parts share: the law and its reward, known exactly; the options; and the
/// densities with which learned draws are compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "../shared/posteriors.hpp"
#include "../shared/report.hpp"
#include "training.hpp"

namespace self_correction {

using diamond::philox, diamond::purpose;
using studies::report, studies::cell, studies::text;
using reward_type = diamond::linear_reward<batch>;

struct options {
    training_options training;
    std::string part = "all";
    /// The draws for each state in one row of values or posteriors.
    index_t draws = 100000;
    index_t islands = 32, particles = 2048;
    std::uint64_t seed = 1;
    index_t seeds = 1; ///< the number of seeds, beginning with `seed`
    int threads = 0;
    std::filesystem::path out = "out/self_correction";

    [[nodiscard]] bool asks_for(const char* what) const { return part == "all" || part == what; }
};

/// This class is the density of a law without labels for networks that have labels. Models
/// scored_marginal_density if the density does.
template <class Density>
class unlabelled {
public:
    using batch_type = typename Density::batch_type;
    using condition_type = diamond::labels;

    explicit unlabelled(Density density) : density_(std::move(density)) {}

    [[nodiscard]] index_t dimension() const { return density_.dimension(); }
    [[nodiscard]] auto schedule() const { return density_.schedule(); }
    [[nodiscard]] diamond::cost spent() const { return density_.spent(); }
    [[nodiscard]] bool exact() const { return density_.exact(); }
    void operator()(diamond::const_view_t<batch_type> x, double t, const diamond::labels&,
                    diamond::row_t<batch_type> out) {
        density_(x, t, {}, out);
    }
    void score(diamond::const_view_t<batch_type> x, double t, const diamond::labels&,
               diamond::view_t<batch_type> out) {
        density_.score(x, t, {}, out);
    }

private:
    Density density_;
};

/// A study holds the law, its reward, the networks for which a part asks, and the report. Every part has its
/// own random numbers.
struct study {
    const context& where;
    const options& chosen;
    report& told;
    model_type law;
    reward_type reward;
    workshop networks;
    philox rng;

    study(const context& on, const options& o, report& to)
        : where(on),
          chosen(o),
          told(to),
          law(on, {}, {0.5, 0.3, 0.2}, {-2, 0, 2, 1, 1.5, -2}, {0.12, 0.12, 0.5, 0.1, 0.04, 0.04}),
          reward(on, {0.8f, 0.6f}),
          networks(on, law, o.training, philox{o.seed}.split(1)),
          rng(philox{o.seed}.split(2)) {}

    [[nodiscard]] auto exact_density() const {
        return unlabelled{diamond::exact_density{linear_schedule{}, law}};
    }
};

/// Returns log p_t by this many jumps of the joint flow map.
inline auto density_of(const network& flow, index_t jumps) {
    return diamond::flow_density{
        diamond::stepped_flow_map{diamond::network_flow_map{flow}, {.steps = jumps}}};
}

} // namespace self_correction
