/// Readings of a network: the denoiser D = E[z | x_t], the noise N = E[eps | x_t], the velocity u and the
/// score. Each of them gives the others, with no division by alpha or sigma. See (eq. denoiser-from-velocity)
/// to (eq. score-from-noise):
///   D = (sigma u - sigma' x)/(alpha' sigma - alpha sigma'),
///   N = (alpha' x - alpha u)/(alpha' sigma - alpha sigma'),  score = -N/sigma.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/core/combine.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/field_evaluator.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// The coefficients of D = denoiser_u u + denoiser_x x and N = noise_u u + noise_x x at one time, where u is
/// what the network predicts: the velocity, D or N.
struct velocity_readings {
    /// The factors of u and of x in the denoiser, and those in the noise.
    double denoiser_u, denoiser_x, noise_u, noise_x;
};

/// Computes the coefficients of D and N in (u, x) at t in [0, 1], where u is the velocity, D or N, as `from`
/// says. Both ends are ordinary times: at t = 1, D = x and N = 0. Where u does not depend on the data the
/// coefficients of D are not finite: those of the velocity at t = 0 where alpha(0) = alpha'(0) = 0, those of
/// the noise at t = 0 where alpha(0) = 0.
template <class Schedule>
[[nodiscard]] DIAMOND_HD velocity_readings readings_at(const Schedule& schedule, instant t,
                                                       prediction from = prediction::velocity) {
    if (t.rest <= 0.0) return {0.0, 1.0, 0.0, 0.0};
    const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t);
    if (from == prediction::denoiser) return {1.0, 0.0, -alpha / sigma, 1.0 / sigma};
    if (from == prediction::noise) return {-sigma / alpha, 1.0 / alpha, 1.0, 0.0};
    const double d_alpha = d_alpha_at(schedule, t), d_sigma = d_sigma_at(schedule, t);
    const double slope = d_alpha * sigma - alpha * d_sigma, scale = 1.0 / slope;
    if (slope == 0.0) return {scale, -scale, 0.0, 1.0 / sigma}; // x is the noise
    return {sigma * scale, -d_sigma * scale, -alpha * scale, d_alpha * scale};
}

/// The prediction of a field from which the other readings are computed: what its network predicts; but the
/// denoiser, of a field that has one, in place of a velocity that does not depend on the data at t = 0
/// (alpha'(0) = 0).
template <class Field, class Schedule>
[[nodiscard]] prediction best_prediction(const Schedule& schedule) {
    if constexpr (detail::predicts<Field> == prediction::velocity && velocity_field_with_denoiser<Field>)
        return std::isfinite(readings_at(schedule, 0.0).denoiser_u) ? prediction::velocity
                                                                    : prediction::denoiser;
    else
        return detail::predicts<Field>;
}

namespace detail {
/// The message for a denoiser at t = 0 that does not follow from what the network predicts.
[[nodiscard]] inline const char* hidden_data(prediction from) {
    return from == prediction::noise
             ? "the denoiser at t = 0 does not follow from a noise network where alpha(0) = 0: the noise is "
               "x there, whatever the data are: start after it, or use a denoiser_network"
             : "the denoiser at t = 0 does not follow from a velocity where alpha(0) = alpha'(0) = 0, as on "
               "this schedule: it is sigma' x there, whatever the data are: start after it, use a "
               "denoiser_network, or give the field a denoiser(...)";
}

/// The coefficients (a, b) of D = a u + b x at time t, where u is what the network predicts.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> denoiser_coefficients(const Schedule& schedule, instant t,
                                                          prediction from) {
    const velocity_readings r = readings_at(schedule, t, from);
    return {{r.denoiser_u, r.denoiser_x}};
}
/// The coefficients (a, b) of N = a u + b x.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> noise_coefficients(const Schedule& schedule, instant t, prediction from) {
    const velocity_readings r = readings_at(schedule, t, from);
    return {{r.noise_u, r.noise_x}};
}
/// The coefficients (a, b) of the score, a u + b x.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> score_coefficients(const Schedule& schedule, instant t, prediction from) {
    const velocity_readings r = readings_at(schedule, t, from);
    const double scale = -1.0 / sigma_at(schedule, t);
    return {{scale * r.noise_u, scale * r.noise_x}};
}
/// The coefficients that Coefficients(schedule, t, from) gives at column j's time.
template <auto Coefficients, class Schedule>
struct reading_coefficients {
    Schedule schedule;
    time_view t;
    prediction from;
    DIAMOND_HD numbers<2> operator()(index_t j) const { return Coefficients(schedule, t.at(j), from); }
};
/// The coefficients that `unscaled` gives for column j, times a factor.
template <class Unscaled>
struct scaled_coefficients {
    Unscaled unscaled;
    double factor;
    DIAMOND_HD numbers<2> operator()(index_t j) const {
        const numbers<2> c = unscaled(j);
        return {{factor * c.value[0], factor * c.value[1]}};
    }
};

/// The term sigma' N of the velocity at t = 1, as a number to add to coefficients: it is 0 where sigma'(1) is
/// finite, since N = 0 there, and NaN where it is not, since the score would be needed.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double final_noise_term(const Schedule& schedule) {
    return std::isfinite(schedule.d_sigma(1.0)) ? 0.0 : NAN;
}
/// The coefficients of u = (alpha' - alpha sigma'/sigma) D + sigma'/sigma x; at t = 1, where N = 0, u =
/// alpha' D.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> velocity_from_denoiser(const Schedule& schedule, instant t) {
    if (t.rest <= 0.0) return {{schedule.d_alpha(1.0), final_noise_term(schedule)}};
    const double ratio = d_sigma_at(schedule, t) / sigma_at(schedule, t);
    return {{d_alpha_at(schedule, t) - alpha_at(schedule, t) * ratio, ratio}};
}
/// The coefficients of u = (sigma' - alpha' sigma/alpha) N + alpha'/alpha x.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> velocity_from_noise(const Schedule& schedule, instant t) {
    const double ratio = d_alpha_at(schedule, t) / alpha_at(schedule, t);
    return {
        {t.rest <= 0.0 ? final_noise_term(schedule) : d_sigma_at(schedule, t) - sigma_at(schedule, t) * ratio,
         ratio}};
}
/// The coefficients of u = alpha' D + sigma' N with N = -sigma score: u = b(t) score + alpha'/alpha x, finite
/// at t = 1 on every schedule.
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> velocity_from_score(const Schedule& schedule, instant t) {
    return {{guidance_factor(schedule, t), d_alpha_at(schedule, t) / alpha_at(schedule, t)}};
}
/// The coefficients of u = (alpha sigma' - alpha' sigma) v / h^2 + (alpha alpha' + sigma sigma') x / h^2,
/// where h^2 = alpha^2 + sigma^2 (eq. denoiser-from-v).
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> velocity_from_v(const Schedule& schedule, instant t) {
    const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t);
    const double d_alpha = d_alpha_at(schedule, t), squares = square(alpha) + square(sigma);
    return {{(alpha * d_sigma_at(schedule, t) - d_alpha * sigma) / squares,
             (alpha * d_alpha + sigma_d_sigma(schedule, t)) / squares}};
}
/// The coefficients of D = (alpha x - sigma v)/h^2 (eq. denoiser-from-v).
template <class Schedule>
[[nodiscard]] DIAMOND_HD numbers<2> denoiser_from_v(const Schedule& schedule, instant t) {
    const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t);
    const double squares = square(alpha) + square(sigma);
    return {{-sigma / squares, alpha / squares}};
}
} // namespace detail

/// The four readings of a velocity field. Each costs one evaluation of the network a column.
template <class Schedule, class Field>
class readings {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());
    static_assert(detail::agrees_with<Field, Schedule>,
                  "a field must be used with the noise schedule that it was made with: wrap its network with "
                  "this one");

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument for a schedule that breaks its promises (check_schedule).
    readings(Schedule schedule, Field field)
        : schedule_(detail::checked_schedule(std::move(schedule))),
          field_(std::move(field)),
          from_(best_prediction<Field>(schedule_)) {}

    [[nodiscard]] index_t dimension() const { return field_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] const cost& spent() const { return field_.spent(); }
    /// The field that is read, with its workspace and its cost.
    [[nodiscard]] field_evaluator<Field>& field() { return field_; }

    /// Writes out = u(x, t), d x N.
    void velocity(const_view x, time_view t, const condition_type& c, view out) { field_(x, t, c, out); }
    /// Writes out = E[z | x_t = x], d x N; where the one time of the batch is 1 it is x itself, without an
    /// evaluation.
    /// @throws std::invalid_argument at t = 0 where what the network predicts does not depend on the data; a
    /// column with a time of its own is NaN there.
    void denoiser(const_view x, time_view t, const condition_type& c, view out) {
        require_known(t, from_);
        read<detail::denoiser_coefficients<Schedule>>(x, t, c, out);
    }
    /// Writes out = factor cotangent^T dD/dx, d x N. Cost: one vector-Jacobian product a column.
    /// @throws std::invalid_argument where denoiser does.
    void denoiser_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, double factor,
                      view out)
        requires differentiable_velocity_field<Field>
    {
        require_known(t, pulled_from());
        field_.predict_vjp(pulled_from(), x, t, c, cotangent, out);
        using unscaled = detail::reading_coefficients<detail::denoiser_coefficients<Schedule>, Schedule>;
        const detail::scaled_coefficients<unscaled> scaled{
            .unscaled = {.schedule = schedule_, .t = t, .from = pulled_from()}, .factor = factor};
        combine(table_(x.context(), t.broadcast(), x.columns(), scaled), out, out, cotangent);
    }
    /// Writes out = E[eps | x_t = x], d x N; where the one time of the batch is 1 it is 0, without an
    /// evaluation.
    void noise(const_view x, time_view t, const condition_type& c, view out) {
        read<detail::noise_coefficients<Schedule>>(x, t, c, out);
    }
    /// Writes out = grad log p_t(x), d x N. @throws std::invalid_argument at t = 1, unless the field gives
    /// its score; a column with a time of its own is not finite there.
    void score(const_view x, time_view t, const condition_type& c, view out) {
        if constexpr (scored_velocity_field<Field>) {
            field_.score(x, t, c, out);
        } else {
            require(!(t.broadcast() && t.at(0).rest <= 0.0),
                    "the score at t = 1 does not follow from the velocity: give the network a score(...)");
            read<detail::score_coefficients<Schedule>>(x, t, c, out);
        }
    }

private:
    /// Writes out = a u + b x, u what the network predicts and (a, b) = Coefficients(schedule, t, from).
    template <auto Coefficients>
    void read(const_view x, time_view t, const condition_type& c, view out) {
        // At t = 1 the prediction's coefficient is 0, and a network need not have one where sigma'(1) is
        // infinite.
        if (!t.broadcast() || t.at(0).rest > 0.0) field_.predict(from_, x, t, c, out);
        using of_columns = detail::reading_coefficients<Coefficients, Schedule>;
        const auto ab = table_(x.context(), t.broadcast(), x.columns(),
                               of_columns{.schedule = schedule_, .t = t, .from = from_});
        if (ab.broadcast() && ab(0, 0) == 1.0 && ab(1, 0) == 0.0) return; // it is what was predicted
        combine(ab, out, out, x);
    }
    void require_known(time_view t, prediction from) const {
        if (t.broadcast())
            require(std::isfinite(readings_at(schedule_, t.at(0), from).denoiser_u),
                    detail::hidden_data(from));
    }
    /// The prediction whose vector-Jacobian product is taken: a field with a denoiser need not have the
    /// denoiser's.
    [[nodiscard]] prediction pulled_from() const {
        return from_ == prediction::denoiser && !detail::has_denoiser_products<Field> ? prediction::velocity
                                                                                      : from_;
    }

    Schedule schedule_;
    field_evaluator<Field> field_;
    prediction from_;
    coefficient_table<2, backend_of_t<batch_type>> table_;
};

namespace detail {
/// The coefficients that Coefficients(schedule, t) gives at column j's time.
template <auto Coefficients, class Schedule>
struct velocity_coefficients {
    Schedule schedule;
    time_view t;
    DIAMOND_HD numbers<2> operator()(index_t j) const { return Coefficients(schedule, t.at(j)); }
};
/// @throws std::invalid_argument where the coefficients of a velocity are not finite at t.
inline void require_finite_velocity(const numbers<2>& ab, instant t) {
    require(std::isfinite(ab.value[0]) && std::isfinite(ab.value[1]), [&] {
        if (t.rest <= 0.0)
            return std::string("the velocity at t = 1 of a schedule with infinite sigma'(1) needs the score, "
                               "which this network does not give: use a solver that does not read t = 1, as "
                               "euler and explicit_midpoint, or a score_network");
        return "the velocity at t = " + digits_of(t.t) +
               " does not follow from what this network predicts: start after it, or use a denoiser_network";
    });
}
/// A network that predicts another reading, as a velocity field: u = a net(x, t) + b x, (a, b) =
/// Coefficients(schedule, t). Cost of a call or product: one of the network.
template <class Schedule, class Network, auto Coefficients>
class converted_network {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    using context_type = backend_of_t<batch_type>;

    struct workspace_type {
        workspace_t<Network> network;
        coefficient_table<2, context_type> table;
    };

    /// @throws std::invalid_argument for a schedule that breaks its promises (check_schedule).
    converted_network(Schedule schedule, Network network)
        : schedule_(checked_schedule(std::move(schedule))), network_(std::move(network)) {}

    static constexpr index_t evaluations = detail::evaluations_of<Network>;

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(network_.dimension()); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] workspace_type make_workspace(const context_type& context, index_t columns) const {
        return {network_.make_workspace(context, columns), {}};
    }
    /// Writes out = u(x, t), d x N.
    void operator()(const_view x, time_view t, const condition_type& c, workspace_type& space,
                    view out) const {
        read<Coefficients>(x, x, t, space, out, [&] { network_(x, t, c, space.network, out); });
    }
    /// Writes out = cotangent^T du/dx, d x N.
    void vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace_type& space,
             view out) const
        requires differentiable_velocity_field<Network>
    {
        read<Coefficients>(x, cotangent, t, space, out,
                           [&] { network_.vjp(x, t, c, cotangent, space.network, out); });
    }
    /// Writes out = du/dx tangent, d x N.
    void jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace_type& space,
             view out) const
        requires differentiable_velocity_field<Network>
    {
        read<Coefficients>(x, tangent, t, space, out,
                           [&] { network_.jvp(x, t, c, tangent, space.network, out); });
    }

protected:
    const Network& network() const { return network_; }

    /// Writes out = a f + b direction, f what `ask` has the network write into out and (a, b) =
    /// Wanted(schedule, t). @throws std::invalid_argument where the one time of the batch is none, or has no
    /// coefficients that are finite.
    template <auto Wanted, class Ask>
    void read(const_view x, const_view direction, time_view t, workspace_type& space, view out,
              const Ask& ask) const {
        const coefficients<2> ab = convert<Wanted>(x, t, space);
        ask();
        combine(ab, out, out, direction);
        forbid_other_times(t, out);
    }
    /// Has `ask` write into out what the network predicts. @throws std::invalid_argument where the one time
    /// of the batch is none.
    template <class Ask>
    void take(time_view t, view out, const Ask& ask) const {
        require_time(where, t);
        ask();
        forbid_other_times(t, out);
    }

private:
    static constexpr const char* where = "a network of another prediction";

    template <auto Wanted>
    coefficients<2> convert(const_view x, time_view t, workspace_type& space) const {
        require_time(where, t);
        if (t.broadcast()) {
            const numbers<2> ab = Wanted(schedule_, t.at(0));
            require_finite_velocity(ab, t.at(0));
            return ab;
        }
        return space.table(x.context(), false, x.columns(),
                           velocity_coefficients<Wanted, Schedule>{.schedule = schedule_, .t = t});
    }

    Schedule schedule_;
    Network network_;
};
} // namespace detail

/// A network that predicts D = E[z | x_t], as a velocity field that gives its denoiser.
/// Cost: one evaluation of the network, or one product.
/// @throws std::invalid_argument at a time outside [0, 1], and from a call, vjp or jvp at t = 1 where
/// sigma'(1) is infinite; a column with such a time of its own is NaN.
template <class Schedule, class Network>
class denoiser_network
    : public detail::converted_network<Schedule, Network, detail::velocity_from_denoiser<Schedule>> {
    using base = detail::converted_network<Schedule, Network, detail::velocity_from_denoiser<Schedule>>;

public:
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;
    using typename base::workspace_type;
    static constexpr prediction predicts = prediction::denoiser;

    /// Takes the schedule and the network. @throws std::invalid_argument where the schedule is none, see
    /// check_schedule.
    denoiser_network(Schedule schedule, Network network) : base(std::move(schedule), std::move(network)) {}

    /// Writes out = E[z | x_t], d x N, as the network predicts it, for t in [0, 1].
    void denoiser(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        this->take(t, out, [&] { this->network()(x, t, c, space.network, out); });
    }
    /// Writes out = cotangent^T dD/dx, d x N.
    void denoiser_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent,
                      workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->take(t, out, [&] { this->network().vjp(x, t, c, cotangent, space.network, out); });
    }
    /// Writes out = dD/dx tangent, d x N.
    void denoiser_jvp(const_view x, time_view t, const condition_type& c, const_view tangent,
                      workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->take(t, out, [&] { this->network().jvp(x, t, c, tangent, space.network, out); });
    }
};

/// A network that predicts N = E[eps | x_t], as a velocity field that gives its noise.
/// Cost: one evaluation of the network, or one product.
/// @throws std::invalid_argument at a time outside [0, 1], and from a call, vjp or jvp at t = 0 where
/// alpha(0) = 0, for the noise does not depend on the data there, and at t = 1 where sigma'(1) is infinite; a
/// column with such a time of its own is NaN.
template <class Schedule, class Network>
class noise_network
    : public detail::converted_network<Schedule, Network, detail::velocity_from_noise<Schedule>> {
    using base = detail::converted_network<Schedule, Network, detail::velocity_from_noise<Schedule>>;

public:
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;
    using typename base::workspace_type;
    static constexpr prediction predicts = prediction::noise;

    /// Takes the schedule and the network. @throws std::invalid_argument where the schedule is none, see
    /// check_schedule.
    noise_network(Schedule schedule, Network network) : base(std::move(schedule), std::move(network)) {}

    /// Writes out = E[eps | x_t], d x N, as the network predicts it, for t in [0, 1].
    void noise(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        this->take(t, out, [&] { this->network()(x, t, c, space.network, out); });
    }
    /// Writes out = cotangent^T dN/dx, d x N.
    void noise_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent,
                   workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->take(t, out, [&] { this->network().vjp(x, t, c, cotangent, space.network, out); });
    }
    /// Writes out = dN/dx tangent, d x N.
    void noise_jvp(const_view x, time_view t, const condition_type& c, const_view tangent,
                   workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->take(t, out, [&] { this->network().jvp(x, t, c, tangent, space.network, out); });
    }
};

/// A network that predicts the score grad log p_t(x), as a velocity field that gives its score:
/// u = b(t) score + alpha'/alpha x, finite at t = 1 on every schedule.
/// Cost: one evaluation of the network, or one product.
/// @throws std::invalid_argument at a time outside [0, 1], and from a call, vjp or jvp at t = 0 where
/// alpha(0) = 0, for the score is -x there and does not depend on the data; a column with such a time of its
/// own is NaN.
template <class Schedule, class Network>
class score_network
    : public detail::converted_network<Schedule, Network, detail::velocity_from_score<Schedule>> {
    using base = detail::converted_network<Schedule, Network, detail::velocity_from_score<Schedule>>;

public:
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;
    using typename base::workspace_type;

    /// Takes the schedule and the network. @throws std::invalid_argument where the schedule is none, see
    /// check_schedule.
    score_network(Schedule schedule, Network network) : base(std::move(schedule), std::move(network)) {}

    /// Writes out = grad log p_t(x), d x N, as the network predicts it, for t in [0, 1].
    void score(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        this->take(t, out, [&] { this->network()(x, t, c, space.network, out); });
    }
};

/// A network of v-prediction, v = E[alpha eps - sigma z | x_t] (Salimans and Ho, arXiv 2202.00512), trained
/// on this schedule and asked at its times, as a velocity field that gives its denoiser D = (alpha x - sigma
/// v)/(alpha^2 + sigma^2). On the trigonometric schedule u = -(pi/2) v.
/// Cost: one evaluation of the network, or one product.
/// @throws std::invalid_argument at a time outside [0, 1], where a column with a time of its own is NaN, and
/// from a call, vjp or jvp at t = 1 where sigma'(1) is infinite, where it is not finite.
template <class Schedule, class Network>
class v_network : public detail::converted_network<Schedule, Network, detail::velocity_from_v<Schedule>> {
    using base = detail::converted_network<Schedule, Network, detail::velocity_from_v<Schedule>>;

public:
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;
    using typename base::workspace_type;
    static constexpr prediction predicts = prediction::denoiser;

    /// Takes the schedule and the network. @throws std::invalid_argument where the schedule is none, see
    /// check_schedule.
    v_network(Schedule schedule, Network network) : base(std::move(schedule), std::move(network)) {}

    /// Writes out = E[z | x_t], d x N, for t in [0, 1].
    void denoiser(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        this->template read<of_denoiser>(x, x, t, space, out,
                                         [&] { this->network()(x, t, c, space.network, out); });
    }
    /// Writes out = cotangent^T dD/dx, d x N.
    void denoiser_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent,
                      workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->template read<of_denoiser>(x, cotangent, t, space, out, [&] {
            this->network().vjp(x, t, c, cotangent, space.network, out);
        });
    }
    /// Writes out = dD/dx tangent, d x N.
    void denoiser_jvp(const_view x, time_view t, const condition_type& c, const_view tangent,
                      workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->template read<of_denoiser>(x, tangent, t, space, out,
                                         [&] { this->network().jvp(x, t, c, tangent, space.network, out); });
    }

private:
    static constexpr auto of_denoiser = detail::denoiser_from_v<Schedule>;
};

} // namespace diamond
