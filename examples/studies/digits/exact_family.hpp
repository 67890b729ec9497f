/// This header runs the exact model on a back end. Its posterior stands for a Diamond map, with one
/// evaluation for each draw.
#pragma once

#include <memory>
#include <utility>

#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/oracle/exact_posterior.hpp>

#include "families.hpp"

namespace digits::detail {

template <class Context>
struct exact_family {
    using batch_type = diamond::owning_batch<real, Context>;
    using model_type = diamond::gaussian_mixture<batch_type, diamond::linear_schedule>;

    std::shared_ptr<const Context> context;
    model_type exact;

    [[nodiscard]] const Context& where() const { return *context; }
    [[nodiscard]] auto draws() const { return diamond::exact_posterior{exact}; }
    [[nodiscard]] auto map(const method_options& o) const {
        return diamond::glass_diamond_map{diamond::linear_schedule{}, exact,
                                          diamond::runge_kutta_4{.steps = o.glass_steps}};
    }
    [[nodiscard]] model_type field() const { return exact; }
    [[nodiscard]] auto flow_map(const method_options& o) const {
        return diamond::ode_flow_map{exact, diamond::explicit_midpoint{.steps = o.look_ahead_steps}};
    }
    [[nodiscard]] diamond::no_condition condition() const { return {}; }
    [[nodiscard]] index_t evaluations() const { return 1; }
};

/// This is the divergence that a model knows itself, at the cost of one evaluation.
template <class Model>
class own_divergence {
public:
    using field_type = Model;
    using batch_type = typename Model::batch_type;
    static constexpr bool random = false;

    explicit own_divergence(Model model) : held_(std::move(model)) {}

    [[nodiscard]] index_t dimension() const { return held_.dimension(); }
    [[nodiscard]] const Model& field() const { return held_.network(); }
    [[nodiscard]] diamond::cost spent() const { return held_.spent(); }

    void operator()(diamond::const_view_t<batch_type> x, diamond::time_view t, diamond::no_condition none,
                    diamond::noise_stream, diamond::row_t<batch_type> out,
                    diamond::row_t<batch_type> standard_error = {}) {
        field().divergence(x, t, none, held_.workspace(x), out);
        if (standard_error) diamond::assign(standard_error, 0.0);
        held_.spent().forward += x.columns();
    }

private:
    diamond::counted_network<Model> held_;
};

template <class Context>
subject make_exact(std::shared_ptr<const Context> context, const images& train, double bandwidth) {
    const auto points = diamond::from_host<real>(*context, pixels, train.count(), train.data);
    const auto exact = diamond::data_mixture(*context, diamond::linear_schedule{}, points.read(), bandwidth);
    const exact_family<Context> family{std::move(context), exact};
    subject result = subject_of("exact", "exact model", family);
    // The density of these draws is that of the flow, and is their own only as far as the flow is solved.
    // Late transitions narrow by a factor that the Runge-Kutta steps of the other methods miss by nats.
    result.methods.push_back(corrected_by(family, [exact](const method_options&) {
        using namespace diamond;
        return corrected_kernel{early_stop_kernel{glass_diamond_map{
                                    linear_schedule{}, own_divergence{exact},
                                    dormand_prince{.relative_tolerance = 1e-5, .absolute_tolerance = 1e-5}}},
                                exact_density{linear_schedule{}, exact}};
    }));
    return result;
}

} // namespace digits::detail
