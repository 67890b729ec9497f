/// What networks of other frameworks have in common: their own scale of the state, their own time and what
/// they predict, which the files of this folder translate to a schedule of this library.
///
/// The library asks at x = alpha(t) z + sigma(t) eps. A network that was trained at y = a z + s eps of its
/// own time k sees the same posterior where the ratios of noise and signal agree (eq. rescheduled-state): it
/// is asked at the k with s/a = sigma/alpha and at y = x sqrt(a^2 + s^2)/sqrt(alpha^2 + sigma^2), and what it
/// then says of z holds at (x, t). It knows a range of levels s/a, and two ends need a decision.
///   - With more noise than its noisiest level (t near 0, where sigma/alpha may be infinite) it is asked at
///     that level, which is what its own sampler does; nothing is divided by alpha(t).
///   - With less noise than its cleanest level (t near 1) it is asked at that level for the noise, E[eps |
///   x],
///     by which D = (x - sigma E[eps])/alpha, so that D = x at t = 1 and the velocity stays finite.
#pragma once

#include <cmath>
#include <utility>

#include <diamond/core/combine.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/readings.hpp>

namespace diamond {

/// Names what a network trained at y = a z + s eps predicts, in the words of the papers.
enum class predicted {
    eps,  ///< E[eps | y]
    x0,   ///< E[z | y]
    v,    ///< E[a eps - s z | y], v-prediction (Salimans and Ho, arXiv 2202.00512)
    score ///< grad log p(y)
};

namespace detail {

/// How a network is asked at one time, and how its output f is read: D = of_output f(scale x, time) +
/// of_state x.
struct translation {
    double scale, time, of_output, of_state;
};

/// The ratio of noise and signal at which a network is asked, and the one at which its noise is read: the
/// state's own, or the network's noisiest where that is less.
struct asked_ratio {
    double asked, read;
    /// @param least, most are the network's own. Both are NaN for a time outside [0, 1].
    template <class Schedule>
    DIAMOND_HD asked_ratio(const Schedule& schedule, instant t, double least, double most) {
        const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t);
        const bool is_time = t.t >= 0.0 && t.rest >= 0.0;
        read = !is_time ? not_a_number : sigma >= most * alpha ? most : sigma / alpha;
        asked = read < least ? least : read;
    }
};

/// The translation for a network that predicts `what` at y = a z + s eps, s/a the ratio that is asked, where
/// norm = sqrt(alpha^2 + sigma^2). With c(ratio) = sqrt(1 + ratio^2)/norm, D = c x - ratio E[eps] (eq.
/// translated-denoiser), at the ratio that is asked and at the one that is read.
DIAMOND_HD inline translation translate_prediction(predicted what, double time, asked_ratio ratio, double a,
                                                   double norm) {
    const double s = ratio.asked * a, whole = square(a) + square(s);
    const auto c = [norm](double r) { return std::sqrt(1.0 + square(r)) / norm; };
    translation at{.scale = std::sqrt(whole) / norm, .time = time, .of_output = 1.0, .of_state = 0.0}; // x0
    double of_y = 0.0;
    if (what == predicted::eps) of_y = 1.0 / a, at.of_output = -ratio.asked;
    if (what == predicted::v) of_y = a / whole, at.of_output = -s / whole;
    if (what == predicted::score) of_y = 1.0 / a, at.of_output = square(s) / a;
    const double share = ratio.read / ratio.asked; // 1 where the network knows the state's own level
    at.of_state = share * of_y * at.scale + (c(ratio.read) - share * c(ratio.asked));
    at.of_output *= share;
    return at;
}
/// sqrt(alpha^2 + sigma^2), by which states of different schedules differ.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double norm_at(const Schedule& schedule, instant t) {
    return std::sqrt(square(alpha_at(schedule, t)) + square(sigma_at(schedule, t)));
}

/// The coefficients of D in the output and the state.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> translated_denoiser(const Schedule&, instant, const translation& at) {
    return {{at.of_output, at.of_state}};
}
/// The coefficients of u in the output and the state, added up in double: those of D and x alone grow as
/// 1/sigma.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> translated_velocity(const Schedule& schedule, instant t,
                                                        const translation& at) {
    const numbers<2> u = velocity_from_denoiser(schedule, t);
    return {{u.value[0] * at.of_output, u.value[0] * at.of_state + u.value[1]}};
}
/// The same coefficients for a product with the Jacobian: the state is scaled before the network sees it.
template <auto Reading, class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> translated_product(const Schedule& schedule, instant t,
                                                       const translation& at) {
    const numbers<2> of = Reading(schedule, t, at);
    return {{of.value[0] * at.scale, of.value[1]}};
}

/// Writes the own time of column j, its scale and the two coefficients of its output and state.
template <auto Reading, class Schedule, class Convention>
struct write_translation {
    Schedule schedule;
    Convention convention;
    time_view t;
    double *time, *scale, *coefficients;
    DIAMOND_HD void operator()(index_t j) const {
        const translation at = convention(schedule, t.at(j));
        const numbers<2> of = Reading(schedule, t.at(j), at);
        time[j] = at.time;
        scale[j] = at.scale;
        coefficients[2 * j] = of.value[0];
        coefficients[2 * j + 1] = of.value[1];
    }
};

/// A network of another convention as a velocity field that gives its denoiser. `convention.on_host()` and
/// `convention.on(context)` are functors of a schedule and a time that make the translation, for one time of
/// a batch and for one a column. Cost of a call or product: one of the network.
template <class Schedule, class Network, class Convention>
class translated_network {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    using context_type = backend_of_t<batch_type>;

    struct workspace_type {
        workspace_t<Network> network;                                 ///< The network's own.
        scratch<typename batch_type::value_type, context_type> state; ///< What it is asked at, d x N.
        scratch<double, context_type> numbers; ///< Its times, their scales and coefficients, 4 x N.
    };

    static constexpr index_t evaluations = detail::evaluations_of<Network>;
    static constexpr prediction predicts = prediction::denoiser;

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(network_.dimension()); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] workspace_type make_workspace(const context_type& context, index_t columns) const {
        workspace_type space{network_.make_workspace(context, columns), {}, {}};
        space.state.resize(context, dimension(), columns);
        space.numbers.resize(context, 4, columns);
        return space;
    }
    /// Writes out = u(x, t), d x N.
    void operator()(const_view x, time_view t, const condition_type& c, workspace_type& space,
                    view out) const {
        evaluate<translated_velocity<Schedule>>(x, t, c, space, out);
    }
    /// Writes out = E[z | x_t = x], d x N, for t in [0, 1].
    void denoiser(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        evaluate<translated_denoiser<Schedule>>(x, t, c, space, out);
    }
    /// Writes out = cotangent^T du/dx, d x N.
    void vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace_type& space,
             view out) const
        requires differentiable_velocity_field<Network>
    {
        pull_back<translated_velocity<Schedule>>(x, t, c, cotangent, space, out);
    }
    /// Writes out = du/dx tangent, d x N.
    void jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace_type& space,
             view out) const
        requires differentiable_velocity_field<Network>
    {
        push_forward<translated_velocity<Schedule>>(x, t, c, tangent, space, out);
    }
    /// Writes out = cotangent^T dD/dx, d x N.
    void denoiser_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent,
                      workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        pull_back<translated_denoiser<Schedule>>(x, t, c, cotangent, space, out);
    }
    /// Writes out = dD/dx tangent, d x N.
    void denoiser_jvp(const_view x, time_view t, const condition_type& c, const_view tangent,
                      workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        push_forward<translated_denoiser<Schedule>>(x, t, c, tangent, space, out);
    }

protected:
    translated_network(Schedule schedule, Network network, Convention convention)
        : schedule_(checked_schedule(std::move(schedule))),
          network_(std::move(network)),
          convention_(std::move(convention)) {}

private:
    template <auto Reading>
    void evaluate(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        read<Reading>(x, x, t, space, out,
                      [&](const_view y, time_view own) { network_(y, own, c, space.network, out); });
    }
    template <auto Reading>
    void pull_back(const_view x, time_view t, const condition_type& c, const_view cotangent,
                   workspace_type& space, view out) const {
        read<translated_product<Reading, Schedule>>(
            x, cotangent, t, space, out,
            [&](const_view y, time_view own) { network_.vjp(y, own, c, cotangent, space.network, out); });
    }
    template <auto Reading>
    void push_forward(const_view x, time_view t, const condition_type& c, const_view tangent,
                      workspace_type& space, view out) const {
        read<translated_product<Reading, Schedule>>(
            x, tangent, t, space, out,
            [&](const_view y, time_view own) { network_.jvp(y, own, c, tangent, space.network, out); });
    }
    /// Writes out = a f + b direction, f what `ask` has the network write into out at its own state and time,
    /// (a, b) = Reading(schedule, t, translation). @throws std::invalid_argument where the one time of the
    /// batch is none, or has no coefficients that are finite.
    template <auto Reading, class Ask>
    void read(const_view x, const_view direction, time_view t, workspace_type& space, view out,
              const Ask& ask) const {
        space.state.resize(x.context(), x.rows(), x.columns());
        if (t.broadcast()) {
            require_time("a network of another convention", t);
            const translation at = convention_.on_host()(schedule_, t.at(0));
            const numbers<2> of = Reading(schedule_, t.at(0), at);
            require_finite_velocity(of, t.at(0));
            assign(space.state, at.scale * x);
            ask(space.state.read(), time_view(at.time));
            return combine(coefficients<2>(of), out, out, direction);
        }
        const index_t n = x.columns();
        space.numbers.resize(x.context(), 4, n);
        double *const time = space.numbers.data(), *const scale = time + n, *const of = scale + n;
        const auto convention = convention_.on(x.context());
        x.context().for_each(n,
                             write_translation<Reading, Schedule, std::remove_const_t<decltype(convention)>>{
                                 .schedule = schedule_,
                                 .convention = convention,
                                 .t = t,
                                 .time = time,
                                 .scale = scale,
                                 .coefficients = of});
        combine(coefficients<1>(scale), space.state.mutable_view(), x);
        ask(space.state.read(), time_view(time));
        combine(coefficients<2>(of), out, out, direction);
    }

    Schedule schedule_;
    Network network_;
    Convention convention_;
};

} // namespace detail

} // namespace diamond
