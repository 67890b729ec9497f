/// This header declares the minimal model of each concept. Nothing here is defined, so that a test that
/// compiles has used no more than the concept grants. A broken archetype inherits from a whole one and
/// deletes a member.
#pragma once

#include <concepts>
#include <cstdint>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/concepts/diamond_network.hpp>
#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/marginal_density.hpp>
#include <diamond/concepts/measurement.hpp>
#include <diamond/concepts/resampler.hpp>
#include <diamond/concepts/trainable_network.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/concepts/value_estimator.hpp>

namespace archetypes {

using diamond::index_t, diamond::interval, diamond::no_condition, diamond::noise_stream, diamond::time_view,
    diamond::value_rows;

struct lane {
    template <class Real>
    void product(diamond::transpose, const Real*, diamond::transpose, const Real*, Real*, index_t, index_t,
                 index_t);
    template <class Real>
    void activate(diamond::activation, const Real*, const Real*, Real*, index_t, index_t);
    template <class Real>
    void pull_back(diamond::activation, const Real*, Real*, index_t, index_t);
    template <class Real>
    void copy(const Real*, index_t, Real*);
    template <class Real>
    void fill(Real*, index_t, Real);
    template <class Real>
    void affine(const Real*, const Real*, const Real*, Real*, index_t, index_t, index_t, index_t);
    template <class F>
    void for_each(index_t, index_t, const F&);
    template <class Real>
    void add_columns(const Real*, index_t, index_t, Real*);
};

/// This is the minimal context. Self is the context that inherits from it, whose views the operations take.
template <class Self>
struct basic_context {
    static constexpr bool host_memory = true;
    template <class T>
    T* allocate(index_t) const;
    template <class T>
    void deallocate(T*, index_t) const;
    template <class T>
    void to_host(const T*, index_t, T*) const;
    template <class T>
    void from_host(const T*, index_t, T*) const;
    template <class T>
    void copy(const T*, index_t, T*) const;

    template <class F>
    void for_each(index_t, const F&) const;
    template <class F>
    void for_each(index_t, index_t, const F&) const;
    template <class F>
    void column_sums(index_t, index_t, const F&, double*) const;
    template <class F>
    double sum(index_t, const F&) const;
    template <class F>
    double max(index_t, const F&) const;
    template <class F>
    void sum(index_t, const F&, double*) const;
    template <class F>
    void max(index_t, const F&, double*) const;

    template <class Real>
    void product(diamond::transpose, diamond::batch_view<const Real, Self>,
                 diamond::batch_view<const Real, Self>, diamond::batch_view<Real, Self>) const;
    template <class Real>
    void softmax(diamond::batch_view<Real, Self>, double*) const;
    void log_sum_exp(diamond::batch_view<const double, Self>, double*) const;
    template <class Real>
    void gather(diamond::batch_view<const Real, Self>, const std::int32_t*,
                diamond::batch_view<Real, Self>) const;
    void scan_sum(const std::uint64_t*, index_t, std::uint64_t*) const;
    void scan_max(const std::int32_t*, index_t, std::int32_t*) const;
    template <class Real>
    void fill_normal(noise_stream, diamond::batch_view<Real, Self>) const;
    template <class F>
    index_t find_first(index_t, const F&) const;
    template <class F>
    void forbid(index_t, const F&, const diamond::deferred_error&) const;

    void symmetric_eigen(diamond::batch_view<double, Self>, double*) const;

    index_t concurrency() const;
    index_t dense_block_columns() const;
    template <class Real>
    void prepare_product(index_t, index_t, index_t) const;
    template <class Body>
        requires std::invocable<const Body&, lane&, index_t, index_t>
    void lanes(index_t, const Body&) const;
};
struct context : basic_context<context> {};

using batch = diamond::owning_batch<double, context>;
using view = diamond::view_t<batch>;
using const_view = diamond::const_view_t<batch>;
using row = diamond::row_t<batch>;
using const_row = diamond::const_row_t<batch>;

struct schedule {
    double alpha(double) const;
    double sigma(double) const;
    double d_alpha(double) const;
    double d_sigma(double) const;
};

struct velocity_field {
    using batch_type = batch;
    struct workspace {};
    int dimension() const;
    workspace make_workspace(const context&, index_t) const;
    void operator()(const_view, time_view, no_condition, workspace&, view) const;
};
struct differentiable_velocity_field : velocity_field {
    void vjp(const_view, time_view, no_condition, const_view, workspace&, view) const;
    void jvp(const_view, time_view, no_condition, const_view, workspace&, view) const;
};
struct velocity_field_with_density : velocity_field {
    void log_density(const_view, time_view, no_condition, workspace&, row) const;
};
struct scored_velocity_field : velocity_field {
    void score(const_view, time_view, no_condition, workspace&, view) const;
};

struct network_of_two_times {
    using batch_type = batch;
    struct workspace {};
    int dimension() const;
    workspace make_workspace(const context&, index_t) const;
    void operator()(const_view, double, double, no_condition, workspace&, view) const;
};

struct flow_map {
    using batch_type = batch;
    int dimension() const;
    void operator()(const_view, interval, no_condition, view);
    diamond::cost spent() const;
};
struct differentiable_flow_map : flow_map {
    void vjp(const_view, interval, no_condition, const_view, view);
};
struct flow_map_with_divergence : flow_map {
    archetypes::schedule schedule() const;
    using flow_map::operator();
    void operator()(const_view, interval, no_condition, view, row);
};
struct differentiable_flow_map_with_divergence : flow_map_with_divergence {
    void vjp(const_view, interval, no_condition, const_view, const_row, view);
};

struct diamond_map {
    using batch_type = batch;
    int dimension() const;
    archetypes::schedule schedule() const;
    archetypes::schedule inner_schedule() const;
    void operator()(const_view, interval, const_view, time_view, no_condition, view);
    diamond::cost spent() const;
};
struct differentiable_diamond_map : diamond_map {
    void vjp(const_view, interval, const_view, time_view, no_condition, const_view, view, view);
};

struct diamond_map_with_divergence : diamond_map {
    using diamond_map::operator();
    void operator()(const_view, interval, const_view, time_view, no_condition, view, row);
};

struct marginal_density {
    using batch_type = batch;
    int dimension() const;
    archetypes::schedule schedule() const;
    void operator()(const_view, double, no_condition, row);
    diamond::cost spent() const;
    bool exact() const;
};
struct scored_marginal_density : marginal_density {
    void score(const_view, double, no_condition, view);
};

struct posterior_sampler {
    using batch_type = batch;
    int dimension() const;
    archetypes::schedule schedule() const;
    void operator()(const_view, double, no_condition, noise_stream, view);
    diamond::cost spent() const;
    bool exact() const;
};
struct differentiable_posterior_sampler : posterior_sampler {
    void vjp(const_view, double, no_condition, noise_stream, const_view, view);
};

struct posterior_sampler_with_density : posterior_sampler {
    void draw_with_density(const_view, double, no_condition, noise_stream, view, row);
};
struct weighted_posterior_sampler {
    using batch_type = batch;
    int dimension() const;
    archetypes::schedule schedule() const;
    void operator()(const_view, double, no_condition, noise_stream, view, row);
    diamond::cost spent() const;
    bool exact() const;
};

struct transition_kernel {
    using batch_type = batch;
    int dimension() const;
    void operator()(const_view, interval, no_condition, noise_stream, view);
    diamond::cost spent() const;
    bool exact() const;
};
struct transition_kernel_with_density : transition_kernel {
    void draw_with_density(const_view, interval, no_condition, noise_stream, view, row);
};
struct weighted_transition_kernel {
    using batch_type = batch;
    int dimension() const;
    void begin(const_view, no_condition, row);
    void operator()(const_view, interval, no_condition, noise_stream, view, const_row, row, row);
    transition_kernel kernel() const;
    diamond::cost spent() const;
    bool exact() const;
};

struct steerable_kernel : transition_kernel {
    struct any_schedule {};
    any_schedule schedule() const;
    void centre(const_view, interval, no_condition, noise_stream, view);
    void steered(const_view, interval, no_condition, const_view, const_view, view);
    double noise_deviation(interval, double) const;
};
struct guided_kernel {
    using batch_type = batch;
    int dimension() const;
    void operator()(const_view, interval, no_condition, noise_stream, view, row);
    transition_kernel kernel() const;
    diamond::cost spent() const;
    bool exact() const;
};

struct pointwise_reward {
    double operator()(diamond::column_view<const double>);
};
struct batchwise_reward {
    void operator()(const_view, row);
};
struct conditional_reward {
    void operator()(const_view, diamond::labels, row);
};
struct differentiable_reward : batchwise_reward {
    void gradient(const_view, view);
};
struct reward_with_quadratic_form : batchwise_reward {
    diamond::quadratic_form quadratic_form() const;
};

struct value_estimator {
    using batch_type = batch;
    int dimension() const;
    void operator()(const_view, double, no_condition, noise_stream, diamond::value_rows<context>);
    batchwise_reward& reward();
    diamond::cost spent() const;
};
struct value_estimator_with_gradient : value_estimator {
    void guidance(const_view, double, no_condition, noise_stream, view);
};

struct resampler {
    void operator()(const context&, const std::uint64_t*, index_t, noise_stream,
                    diamond::resampling_scratch<context>&, std::int32_t*) const;
    diamond::log_z_error method() const;
};

struct measurement {
    using batch_type = batch;
    int dimension() const;
    int outputs() const;
    void operator()(const_view, view);
};
struct differentiable_measurement : measurement {
    void vjp(const_view, const_view, view);
};
struct selecting_measurement : measurement {
    std::vector<index_t> coordinates() const;
};

/// This archetype cannot be copied, and is the given one in everything else.
template <class Archetype>
struct uncopyable : Archetype {
    uncopyable() = default;
    uncopyable(const uncopyable&) = delete;
};

struct diamond_network {
    using batch_type = batch;
    struct workspace {};
    int dimension() const;
    archetypes::schedule schedule() const;
    archetypes::schedule inner_schedule() const;
    workspace make_workspace(const context&, index_t) const;
    void operator()(const diamond::diamond_arguments<batch>&, no_condition, workspace&, view) const;
};
struct differentiable_diamond_network : diamond_network {
    void vjp(const diamond::diamond_arguments<batch>&, no_condition, const_view, workspace&, view,
             view) const;
    void jvp(const diamond::diamond_arguments<batch>&, no_condition, const_view, workspace&, view) const;
};
struct diamond_network_with_divergence : diamond_network {
    using diamond_network::operator();
    void operator()(const diamond::diamond_arguments<batch>&, no_condition, workspace&, view, row) const;
};
struct differentiable_diamond_network_with_divergence : diamond_network_with_divergence {
    void vjp(const diamond::diamond_arguments<batch>&, no_condition, const_view, workspace&, view,
             view) const;
    void jvp(const diamond::diamond_arguments<batch>&, no_condition, const_view, workspace&, view) const;
    void vjp(const diamond::diamond_arguments<batch>&, no_condition, const_view, const_row, workspace&, view,
             view) const;
};
struct trainable_network {
    using batch_type = batch;
    struct workspace {};
    int dimension() const;
    archetypes::schedule schedule() const;
    archetypes::schedule inner_schedule() const;
    int parameters() const;
    void initialise(diamond::philox, view) const;
    void operator()(const double*, const diamond::diamond_arguments<batch>&, no_condition, workspace&,
                    view) const;
    void record(const double*, const diamond::diamond_arguments<batch>&, no_condition, workspace&,
                view) const;
    void record(const double*, const diamond::diamond_arguments<batch>&, no_condition,
                diamond::diamond_speeds<double>, workspace&, view, view) const;
    void backward(const double*, workspace&, const_view, const double*, double*) const;
    struct spread_type {
        double operator()(index_t, double) const;
    };
    spread_type spread() const;
};
struct trainable_network_with_divergence : trainable_network {
    struct divergence_spread_type {
        double operator()(double, double) const;
    };
    int outputs() const;
    divergence_spread_type divergence_spread() const;
    void vjp(const double*, const diamond::diamond_arguments<batch>&, no_condition, const_view, workspace&,
             view, view) const;
    void jvp(const double*, const diamond::diamond_arguments<batch>&, no_condition, const_view, workspace&,
             view) const;
};

} // namespace archetypes
