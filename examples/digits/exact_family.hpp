// The exact model on a back end. Its posterior stands for a Diamond map: one evaluation a draw.
#pragma once

#include <memory>
#include <utility>

#include <diamond/oracle/exact_posterior.hpp>

#include "families.hpp"

namespace digits::detail {

template <class Context>
struct exact_family {
    using batch_type = diamond::batch<real, Context>;
    using model_type = diamond::gaussian_mixture<batch_type, diamond::linear_schedule>;

    std::shared_ptr<const Context> context;
    model_type                     exact;

    [[nodiscard]] const Context& where() const { return *context; }
    [[nodiscard]] auto draws() const { return diamond::exact_posterior{exact}; }
    [[nodiscard]] auto map(const method_options& o) const {
        return diamond::glass_diamond_map{diamond::linear_schedule{}, exact, diamond::runge_kutta_4{.steps = o.glass_steps}};
    }
    [[nodiscard]] model_type field() const { return exact; }
    [[nodiscard]] auto flow_map(const method_options& o) const { return diamond::ode_flow_map{exact, diamond::midpoint{.steps = o.look_ahead_steps}}; }
    [[nodiscard]] diamond::no_condition condition() const { return {}; }
    [[nodiscard]] index_t evaluations() const { return 1; }
};

template <class Context>
subject make_exact(std::shared_ptr<const Context> context, const images& train, double bandwidth) {
    const auto points = diamond::from_host<real>(*context, pixels, train.count(), train.data);
    auto       exact  = diamond::data_mixture(*context, diamond::linear_schedule{}, points.read(), bandwidth);
    return subject_of("exact", "exact model", exact_family<Context>{std::move(context), std::move(exact)});
}

} // namespace digits::detail
