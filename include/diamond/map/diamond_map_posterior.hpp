/// Posterior draws by a Diamond map, and their density. See (eq. posterior-draw),
/// (eq. posterior-draw-density).
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

/// The options of diamond_map_posterior.
struct diamond_map_posterior_options {
    index_t evaluations = 1; ///< calls of the map for each draw, in equal steps of inner time; at least 1
};

/// z = X_{0,1}(xbar_0 | x_t, t) with xbar_0 ~ N(0, I).
///
/// Models posterior_sampler, differentiable_posterior_sampler where the map is differentiable, and, where the
/// map has a divergence, posterior_sampler_with_density with
///   log q(z | x_t) = log N(xbar_0; 0, I) - sum_k (r_k - s_k) m(xbar_{s_k}, x_t, t, s_k, r_k),
/// which is the density of the map's own draws if its m is the mean divergence of its own flow. Cost:
/// `evaluations` calls of the map for each draw, with its density or without. [DM], (eq. posterior-draw),
/// (eq. posterior-draw-density).
template <class Map>
class diamond_map_posterior {
    static_assert(diagnose_diamond_map<Map>());
    static_assert(diagnose_condition<condition_of_t<Map>, backend_of_t<typename Map::batch_type>>());

public:
    using batch_type = typename Map::batch_type;
    using condition_type = condition_of_t<Map>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless evaluations >= 1.
    explicit diamond_map_posterior(Map map, diamond_map_posterior_options options = {})
        : map_(std::move(map)), options_(options) {
        check_schedule(map_.schedule());
        check_schedule(map_.inner_schedule());
        require(options.evaluations >= 1, [&] {
            return "a posterior draw of " + digits_of(options.evaluations) +
                   " evaluations: at least 1 is needed";
        });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] auto schedule() const { return map_.schedule(); }
    [[nodiscard]] cost spent() const { return map_.spent(); }
    [[nodiscard]] bool exact() const { return detail::is_exact(map_); }
    /// Says whether log q is the density of the draws, by the map's m.
    [[nodiscard]] bool exact_density() const { return detail::knows_own_density(map_); }
    /// The Diamond map that makes the draws.
    [[nodiscard]] Map& map() { return map_; }

    /// Draws M = stream.samples z for each column of x_t, d x N: column j M + i of out, d x (N M), is draw i
    /// of column j. @throws std::invalid_argument if shapes do not fit or t leaves [0, 1].
    void operator()(const_view x_t, double t, const condition_type& condition, noise_stream stream,
                    view out) {
        require_time("posterior draws", t);
        const auto [outer, repeated] = repeat(x_t, condition, stream.samples, out);
        draw_noise(stream, out);
        for (index_t k = 0; k < options_.evaluations; ++k) {
            map_(state(k), inner(k), outer, time_view(t), repeated,
                 k + 1 == options_.evaluations ? out : view(state(k + 1)));
        }
    }

    /// Makes the draws of operator() and log_density[m] = log q(z_m | x_t), N M numbers in the memory of the
    /// batch, from their noise. @throws std::invalid_argument also at t = 1, where the posterior is a point.
    void draw_with_density(const_view x_t, double t, const condition_type& condition, noise_stream stream,
                           view out, row_t<batch_type> log_density)
        requires diamond_map_with_divergence<Map>
    {
        require_density(t);
        const auto [outer, repeated] = repeat(x_t, condition, stream.samples, out);
        draw_noise(stream, out);
        write_base(state(0), log_density);
        for (index_t k = 0; k < options_.evaluations; ++k)
            jump(state(k), inner(k), outer, t, repeated,
                 k + 1 == options_.evaluations ? out : view(state(k + 1)), log_density);
    }
    /// log_density[m] = log q(z_m | x_t) of given z, d x (N M), by the way back to their noise. For an exact
    /// map these are the numbers that draw_with_density gives for z; for a learned one they differ, because
    /// X_{1,0} is not exactly the inverse of X_{0,1}. Cost: `evaluations` calls of the map for each column of
    /// z. @throws std::invalid_argument at t = 1.
    void log_density(const_view x_t, double t, const condition_type& condition, const_view z,
                     row_t<batch_type> log_density)
        requires diamond_map_with_divergence<Map>
    {
        require_density(t);
        const auto [outer, repeated] = repeat(x_t, condition,
                                              x_t.columns() > 0 ? z.columns() / x_t.columns() : 1, z);
        resize_states(z);
        assign(log_density, 0.0);
        for (index_t k = options_.evaluations - 1; k >= 0; --k) {
            const interval forward = inner(k);
            jump(k + 1 == options_.evaluations ? z : const_view(state(k + 1)),
                 interval{forward.to, forward.from}, outer, t, repeated, state(k), log_density);
        }
        write_base(state(0), row(divergence_));
        assign(log_density, log_density + row(divergence_));
    }

    /// out, d x N, = the sum over the draws of each particle of cotangent^T dz/dx_t, the noise held fixed;
    /// cotangent is d x (N M). Cost: `evaluations` vjps and `evaluations` - 1 calls of the map for each draw.
    /// @throws std::invalid_argument if shapes do not fit or t leaves [0, 1].
    void vjp(const_view x_t, double t, const condition_type& condition, noise_stream stream,
             const_view cotangent, view out)
        requires differentiable_diamond_map<Map>
    {
        const auto& context = x_t.context();
        require_time("posterior draws", t);
        require_same_shape("diamond_map_posterior::vjp", x_t, const_view(out));
        const auto [outer, repeated] = repeat(x_t, condition, stream.samples, cotangent);
        draw_noise(stream, cotangent);
        for (index_t k = 0; k + 1 < options_.evaluations; ++k)
            map_(state(k), inner(k), outer, time_view(t), repeated, state(k + 1));
        for (auto* buffer : {&lambda_, &pulled_, &outer_cotangent_, &outer_total_})
            buffer->resize(context, cotangent.rows(), cotangent.columns());
        context.copy(cotangent.data(), cotangent.size(), lambda_.data());
        for (index_t k = options_.evaluations - 1; k >= 0; --k) {
            const bool first = k == options_.evaluations - 1;
            map_.vjp(state(k), inner(k), outer, time_view(t), repeated, lambda_.read(),
                     pulled_.mutable_view(), (first ? outer_total_ : outer_cotangent_).mutable_view());
            if (!first) assign(outer_total_, outer_total_ + outer_cotangent_);
            lambda_.swap(pulled_);
        }
        sum_columns(outer_total_.read(), stream.samples, out);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    interval inner(index_t k) const {
        const auto n = static_cast<double>(options_.evaluations);
        return {static_cast<double>(k) / n, static_cast<double>(k + 1) / n};
    }
    /// The state before evaluation k. Two alternating buffers would suffice for draws, but vjp needs all
    /// states.
    view state(index_t k) { return states_.mutable_view().columns(k * draws_, draws_); }

    void resize_states(const_view like) {
        draws_ = like.columns();
        states_.resize(like.context(), like.rows(),
                       extent_product("posterior draws and their evaluations", draws_, options_.evaluations));
        if constexpr (diamond_map_with_divergence<Map>) divergence_.resize(like.context(), 1, draws_);
    }
    void draw_noise(noise_stream stream, const_view like) {
        resize_states(like);
        draw_normal(stream, state(0));
    }
    static void require_density(double t) {
        require_time("posterior densities", t);
        require(t < 1.0, "the posterior at t = 1 is a point and has no density");
    }
    /// out[j] = log N(noise_j; 0, I).
    static void write_base(const_view noise, row_t<batch_type> out) {
        assign(out, column_sums(elementwise<detail::log_normal_density>(noise, 1.0)));
    }
    /// Calls the map once, forwards or backwards in inner time, and subtracts |r - s| m from log_density.
    void jump(const_view from, interval span, const_view outer, double t, const condition_type& condition,
              view to, row_t<batch_type> log_density) {
        map_(from, span, outer, time_view(t), condition, to, row(divergence_));
        assign(log_density, log_density - std::abs(span.length()) * row(divergence_));
    }
    /// The x_t and conditions of the draws' own columns: each of them `samples` times.
    std::pair<const_view, condition_type> repeat(const_view x_t, const condition_type& condition,
                                                 index_t samples, const_view like) {
        require(like.rows() == x_t.rows() && like.columns() == x_t.columns() * samples, [&] {
            return "posterior draws: " + digits_of(x_t.columns()) + " particles of " + digits_of(samples) +
                   " samples need " + digits_of(x_t.rows()) + " x " + digits_of(x_t.columns() * samples) +
                   ", not " + digits_of(like.rows()) + " x " + digits_of(like.columns());
        });
        if (samples == 1) return {x_t, condition};
        repeated_.resize(x_t.context(), like.rows(), like.columns());
        repeat_columns(x_t, samples, repeated_.mutable_view());
        return {repeated_.read(), conditions_.repeat(x_t.context(), condition, x_t.columns(), samples)};
    }

    Map map_;
    diamond_map_posterior_options options_;
    index_t draws_ = 0;
    scratch<real, context_type> states_, repeated_, lambda_, pulled_, outer_cotangent_, outer_total_;
    scratch<double, context_type> divergence_;
    condition_store<condition_type, context_type> conditions_;
};

} // namespace diamond
