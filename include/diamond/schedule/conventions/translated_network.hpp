/// What networks of other frameworks have in common: their own scale of the state, their own time and what
/// they predict, which the files of this folder translate to a schedule of this library.
///
/// The library asks at x = alpha(t) z + sigma(t) eps. A network that was trained at y = a z + s eps of its
/// own time k sees the same posterior where the ratios of noise and signal agree (eq. rescheduled-state): it
/// is asked at the k with s/a = sigma/alpha and at y = x sqrt(a^2 + s^2)/sqrt(alpha^2 + sigma^2), and what it
/// then says of z holds at (x, t). It knows a range of levels s/a, and two ends need a decision.
///   - With more noise than its noisiest level (t near 0, where sigma/alpha may be infinite) it is asked at
///     that level, which is what its own sampler does; nothing is divided by alpha(t).
///   - With less noise than its cleanest level (t near 1) it is asked at that level for the noise N, by which
///     D = (x - sigma N)/alpha, so that D = x at t = 1 and the velocity stays finite.
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

/// How a network is asked at one time, f = f(scale x, time), and the coefficients of D and of N, the
/// posterior means of the data and of the noise, in f and x.
struct translation {
    double scale, time;
    numbers<2> denoiser, noise;
};

/// The ratio of noise and signal at which a network is asked, and the one at which its noise is read: the
/// state's own, or the network's noisiest where that is less.
struct asked_ratio {
    double asked, read;
    bool noisier; ///< The state has more noise than is read.
    /// @param least, most are the network's own.
    template <class Schedule>
    DIAMOND_HD asked_ratio(const Schedule& schedule, instant t, double least, double most) {
        const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t);
        noisier = sigma >= most * alpha;
        read = noisier ? most : sigma / alpha;
        asked = read < least ? least : read;
    }
};

/// sqrt(alpha^2 + sigma^2), by which states of different schedules differ.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double norm_at(const Schedule& schedule, instant t) {
    return std::sqrt(square(alpha_at(schedule, t)) + square(sigma_at(schedule, t)));
}

/// The translation for a network that predicts `what` at y = a z + s eps, s/a the ratio that is asked. D and
/// N are those that it states of y, where it is asked at the ratio that is read. Else N is, and D = c x -
/// read N with c = sqrt(1 + read^2)/sqrt(alpha^2 + sigma^2) (eq. translated-denoiser). Where the state has
/// more noise than is read, N = (x - alpha D)/sigma.
template <class Schedule>
[[nodiscard]] DIAMOND_HD translation translate_prediction(const Schedule& schedule, instant t, predicted what,
                                                          double time, asked_ratio ratio, double a) {
    const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t), norm = norm_at(schedule, t);
    const double s = ratio.asked * a, whole = square(a) + square(s), scale = std::sqrt(whole) / norm;
    translation at{
        .scale = scale, .time = time, .denoiser = {{-ratio.asked, scale / a}}, .noise = {{1.0, 0.0}}};
    if (what == predicted::x0) at.denoiser = {{1.0, 0.0}}, at.noise = {{-a / s, scale / s}};
    if (what == predicted::v) {
        at.denoiser = {{-s / whole, a * scale / whole}};
        at.noise = {{a / whole, s * scale / whole}};
    }
    if (what == predicted::score) at.denoiser = {{square(s) / a, scale / a}}, at.noise = {{-s, 0.0}};
    if (ratio.read != ratio.asked) {
        const double c = std::sqrt(1.0 + square(ratio.read)) / norm;
        at.denoiser = {{-ratio.read * at.noise.value[0], c - ratio.read * at.noise.value[1]}};
    }
    if (ratio.noisier)
        at.noise = {{-alpha * at.denoiser.value[0] / sigma, (1.0 - alpha * at.denoiser.value[1]) / sigma}};
    return at;
}

/// The coefficients of D in the output and the state.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> translated_denoiser(const Schedule&, instant, const translation& at) {
    return at.denoiser;
}
/// The coefficients of u = alpha' D + sigma' N in the output and the state. Each term is finite near t
/// = 1, where u as one of D and x has coefficients that grow as 1/sigma and cancel. At t = 1 N is 0.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> translated_velocity(const Schedule& schedule, instant t,
                                                        const translation& at) {
    const double d_alpha = d_alpha_at(schedule, t);
    const double of_output = d_alpha * at.denoiser.value[0], of_state = d_alpha * at.denoiser.value[1];
    if (t.rest <= 0.0) return {{of_output, of_state + final_noise_term(schedule)}};
    const double d_sigma = d_sigma_at(schedule, t);
    return {{of_output + d_sigma * at.noise.value[0], of_state + d_sigma * at.noise.value[1]}};
}
/// The same coefficients for a product with the Jacobian: the state is scaled before the network sees it.
template <auto Reading, class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> translated_product(const Schedule& schedule, instant t,
                                                       const translation& at) {
    const numbers<2> of = Reading(schedule, t, at);
    return {{of.value[0] * at.scale, of.value[1]}};
}

/// Writes the own time of column j, its scale and the two coefficients of its output and state, which are NaN
/// where t is no time: the network is then asked as at t = 0, since it need not know any other.
template <auto Reading, class Schedule, class Convention>
struct write_translation {
    Schedule schedule;
    Convention convention;
    time_view t;
    double *time, *scale, *coefficients;
    DIAMOND_HD void operator()(index_t j) const {
        const bool known = is_time(t.at(j));
        const instant asked = known ? t.at(j) : instant(0.0);
        const translation at = convention(schedule, asked);
        const numbers<2> of = Reading(schedule, asked, at);
        time[j] = at.time;
        scale[j] = at.scale;
        for (int k = 0; k < 2; ++k) coefficients[2 * j + k] = known ? of.value[k] : not_a_number;
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
