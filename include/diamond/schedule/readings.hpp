/// Denoiser D = E[z | x_t], noise N = E[eps | x_t], velocity u and score: any one gives the others, with no division by alpha or sigma.
/// Section 2 of the mathematics:
///   D = (sigma u - sigma' x)/(alpha' sigma - alpha sigma'),  N = (alpha' x - alpha u)/(alpha' sigma - alpha sigma'),  score = -N/sigma.
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

/// D = denoiser_u u + denoiser_x x and N = noise_u u + noise_x x at one time, u the velocity, or what else was predicted.
struct velocity_readings {
    double denoiser_u, denoiser_x, noise_u, noise_x;
};

/// The coefficients of D and N in (u, x), u the velocity, D or N itself, as `from` says. Time 0 and 1 are ordinary: at t = 1, D = x and N = 0. Where
/// u tells nothing of the data those of D are not finite: the velocity's at t = 0 where alpha(0) = alpha'(0) = 0, the noise's where alpha(0) = 0.
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

/// Which prediction of a field the rest is read from: what its network gives; for a velocity whose slope at t = 0 hides the data (alpha'(0) = 0) the
/// denoiser, of a field that has it.
template <class Field, class Schedule>
[[nodiscard]] prediction best_prediction(const Schedule& schedule) {
    if constexpr (detail::predicts<Field> == prediction::velocity && velocity_field_with_denoiser<Field>)
        return std::isfinite(readings_at(schedule, 0.0).denoiser_u) ? prediction::velocity : prediction::denoiser;
    else
        return detail::predicts<Field>;
}

namespace detail {
/// The sentence for a denoiser that is asked for where nothing tells it.
[[nodiscard]] inline const char* hidden_data(prediction from) {
    return from == prediction::noise
               ? "the denoiser at t = 0 does not follow from a noise network where alpha(0) = 0: the noise is x there, whatever "
                 "the data are: start after it, or use a denoiser_network"
               : "the denoiser at t = 0 does not follow from a velocity where alpha(0) = alpha'(0) = 0, as on this schedule: it "
                 "is sigma' x there, whatever the data are: start after it, use a denoiser_network, or give the field a denoiser(...)";
}

template <class Schedule>
struct denoiser_coefficients {
    Schedule   schedule;
    time_view  t;
    prediction from;
    DIAMOND_HD numbers<2> operator()(index_t j) const {
        const velocity_readings r = readings_at(schedule, t.at(j), from);
        return {{r.denoiser_u, r.denoiser_x}};
    }
};
template <class Schedule>
struct scaled_denoiser_coefficients {
    denoiser_coefficients<Schedule> of;
    double                          factor;
    DIAMOND_HD numbers<2> operator()(index_t j) const {
        const numbers<2> c = of(j);
        return {{factor * c.value[0], factor * c.value[1]}};
    }
};
template <class Schedule>
struct noise_coefficients {
    Schedule   schedule;
    time_view  t;
    prediction from;
    DIAMOND_HD numbers<2> operator()(index_t j) const {
        const velocity_readings r = readings_at(schedule, t.at(j), from);
        return {{r.noise_u, r.noise_x}};
    }
};
template <class Schedule>
struct score_coefficients {
    Schedule   schedule;
    time_view  t;
    prediction from;
    DIAMOND_HD numbers<2> operator()(index_t j) const {
        const velocity_readings r     = readings_at(schedule, t.at(j), from);
        const double            scale = -1.0 / sigma_at(schedule, t.at(j));
        return {{scale * r.noise_u, scale * r.noise_x}};
    }
};
/// sigma' N at t = 1, as a number to add to coefficients: 0 where sigma'(1) is finite, for N = 0 there; else it takes the score, and is NaN.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double final_noise_term(const Schedule& schedule) {
    return std::isfinite(schedule.d_sigma(1.0)) ? 0.0 : NAN;
}
/// u = (alpha' - alpha sigma'/sigma) D + sigma'/sigma x; at t = 1, where N = 0, u = alpha' D.
template <class Schedule>
struct from_denoiser_coefficients {
    Schedule schedule;
    time_view    t;
    DIAMOND_HD numbers<2> operator()(index_t j) const {
        const instant at = t.at(j);
        if (at.rest <= 0.0) return {{schedule.d_alpha(1.0), final_noise_term(schedule)}};
        const double ratio = d_sigma_at(schedule, at) / sigma_at(schedule, at);
        return {{d_alpha_at(schedule, at) - alpha_at(schedule, at) * ratio, ratio}};
    }
};
/// u = (sigma' - alpha' sigma/alpha) N + alpha'/alpha x.
template <class Schedule>
struct from_noise_coefficients {
    Schedule schedule;
    time_view    t;
    DIAMOND_HD numbers<2> operator()(index_t j) const {
        const instant at    = t.at(j);
        const double  ratio = d_alpha_at(schedule, at) / alpha_at(schedule, at);
        return {{at.rest <= 0.0 ? final_noise_term(schedule) : d_sigma_at(schedule, at) - sigma_at(schedule, at) * ratio, ratio}};
    }
};
/// u = alpha' D + sigma' N with N = -sigma score: u = b(t) score + alpha'/alpha x, finite at t = 1 on every schedule.
template <class Schedule>
struct from_score_coefficients {
    Schedule schedule;
    time_view    t;
    DIAMOND_HD numbers<2> operator()(index_t j) const { return {{guidance_factor(schedule, t.at(j)), d_alpha_at(schedule, t.at(j)) / alpha_at(schedule, t.at(j))}}; }
};
} // namespace detail

/// The four readings of one velocity field, one network evaluation a column each.
template <class Schedule, class Field>
class readings {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());

public:
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    readings(Schedule schedule, Field field)
        : schedule_(detail::checked_schedule(std::move(schedule))), field_(std::move(field)),
          from_(best_prediction<Field>(schedule_)) {}

    [[nodiscard]] index_t         dimension() const { return field_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] const cost&     spent() const { return field_.spent(); }
    [[nodiscard]] field_evaluator<Field>& field() { return field_; }

    /// out = u(x, t).
    void velocity(const_view x, time_view t, const condition_type& c, view out) { field_(x, t, c, out); }
    /// out = E[z | x_t = x]; x itself, without an evaluation, where the batch's time is 1. @throws std::invalid_argument at t = 0 where what
    /// the network predicts says nothing of the data; a column with a time of its own is NaN there.
    void denoiser(const_view x, time_view t, const condition_type& c, view out) {
        require_known(t, from_);
        read<detail::denoiser_coefficients<Schedule>>(x, t, c, out);
    }
    /// out = factor cotangent^T dD/dx. @throws std::invalid_argument where denoiser does.
    void denoiser_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, double factor, view out)
        requires differentiable_velocity_field<Field>
    {
        require_known(t, pulled_from());
        field_.predict_vjp(pulled_from(), x, t, c, cotangent, out);
        combine(table_(x.context(), t.broadcast(), x.columns(), detail::scaled_denoiser_coefficients<Schedule>{{schedule_, t, pulled_from()}, factor}),
                out, out, cotangent);
    }
    /// out = E[eps | x_t = x]; 0, without an evaluation, where the batch's time is 1.
    void noise(const_view x, time_view t, const condition_type& c, view out) { read<detail::noise_coefficients<Schedule>>(x, t, c, out); }
    /// out = grad log p_t(x). @throws std::invalid_argument at t = 1, unless the field gives its score.
    void score(const_view x, time_view t, const condition_type& c, view out) {
        if constexpr (scored_velocity_field<Field>) {
            field_.score(x, t, c, out);
        } else {
            require(!(t.broadcast() && t.at(0).rest <= 0.0), "the score at t = 1 does not follow from the velocity: give the network a score(...)");
            read<detail::score_coefficients<Schedule>>(x, t, c, out);
        }
    }

private:
    template <class Coefficients>
    void read(const_view x, time_view t, const condition_type& c, view out) {
        // At t = 1 the prediction's coefficient is 0, and a network of a schedule with infinite sigma'(1) need not have one.
        if (!t.broadcast() || t.at(0).rest > 0.0) field_.predict(from_, x, t, c, out);
        const auto ab = table_(x.context(), t.broadcast(), x.columns(), Coefficients{schedule_, t, from_});
        if (ab.broadcast() && ab(0, 0) == 1.0 && ab(1, 0) == 0.0) return; // it is what was predicted
        combine(ab, out, out, x);
    }
    void require_known(time_view t, prediction from) const {
        if (t.broadcast()) require(std::isfinite(readings_at(schedule_, t.at(0), from).denoiser_u), detail::hidden_data(from));
    }
    /// A field with a denoiser need not have its products.
    [[nodiscard]] prediction pulled_from() const {
        return from_ == prediction::denoiser && !detail::has_denoiser_products<Field> ? prediction::velocity : from_;
    }

    Schedule                                        schedule_;
    field_evaluator<Field>                          field_;
    prediction                                      from_;
    coefficient_table<2, backend_of_t<batch_type>>  table_;
};
template <class Schedule, class Field>
readings(Schedule, Field) -> readings<Schedule, Field>;

namespace detail {
/// A network that predicts another reading, as a velocity field: u = a net(x, t) + b x. Counted as the network counts itself.
template <class Schedule, class Network, template <class> class Coefficients>
class converted_network {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Network>());

public:
    using batch_type     = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;
    using context_type   = backend_of_t<batch_type>;

    struct workspace_type {
        detail::workspace_t<Network>       network;
        coefficient_table<2, context_type> table;
    };

    converted_network(Schedule schedule, Network network)
        : schedule_(checked_schedule(std::move(schedule))), network_(std::move(network)) {}

    static constexpr index_t evaluations = detail::evaluations_of<Network>;

    [[nodiscard]] index_t        dimension() const { return static_cast<index_t>(network_.dimension()); }
    [[nodiscard]] workspace_type make_workspace(const context_type& context, index_t columns) const {
        return {network_.make_workspace(context, columns), {}};
    }
    void operator()(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        const auto ab = convert(x, t, space);
        network_(x, t, c, space.network, out);
        combine(ab, out, out, x);
    }
    void vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        const auto ab = convert(x, t, space);
        network_.vjp(x, t, c, cotangent, space.network, out);
        combine(ab, out, out, cotangent);
    }
    void jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        const auto ab = convert(x, t, space);
        network_.jvp(x, t, c, tangent, space.network, out);
        combine(ab, out, out, tangent);
    }

protected:
    const Network& network() const { return network_; }

private:
    coefficients<2> convert(const_view x, time_view t, workspace_type& space) const {
        if (t.broadcast()) {
            const coefficients<2> ab(Coefficients<Schedule>{schedule_, t}(0));
            require(std::isfinite(ab(0, 0)) && std::isfinite(ab(1, 0)), [&] {
                if (t.at(0).rest <= 0.0)
                    return std::string("the velocity at t = 1 of a schedule with infinite sigma'(1) needs the score, which this network does not give: "
                                       "use a solver that does not read t = 1, as euler and explicit_midpoint, or a score_network");
                return "the velocity at t = " + digits_of(t.value()) + " does not follow from what this network predicts: start after it, or use a denoiser_network";
            });
            return ab;
        }
        return space.table(x.context(), false, x.columns(), Coefficients<Schedule>{schedule_, t});
    }

    Schedule schedule_;
    Network  network_;
};
} // namespace detail

/// A network that predicts E[z | x_t], as a velocity field that gives its denoiser. One evaluation. @throws std::invalid_argument at t = 1 where sigma'(1) is infinite;
/// a column with a time of its own is NaN there.
template <class Schedule, class Network>
class denoiser_network : public detail::converted_network<Schedule, Network, detail::from_denoiser_coefficients> {
    using base = detail::converted_network<Schedule, Network, detail::from_denoiser_coefficients>;

public:
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;
    using typename base::workspace_type;
    static constexpr prediction predicts = prediction::denoiser;

    denoiser_network(Schedule schedule, Network network) : base(std::move(schedule), std::move(network)) {}

    /// out = E[z | x_t], as the network says, t = 0 and t = 1 among them.
    void denoiser(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        this->network()(x, t, c, space.network, out);
    }
    void denoiser_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->network().vjp(x, t, c, cotangent, space.network, out);
    }
    void denoiser_jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->network().jvp(x, t, c, tangent, space.network, out);
    }
};

/// A network that predicts E[eps | x_t], as a velocity field that gives its noise. One evaluation. @throws std::invalid_argument at t = 0 where alpha(0) = 0: the
/// noise says nothing of the data there; and at t = 1 where sigma'(1) is infinite. A column with a time of its own is NaN there.
template <class Schedule, class Network>
class noise_network : public detail::converted_network<Schedule, Network, detail::from_noise_coefficients> {
    using base = detail::converted_network<Schedule, Network, detail::from_noise_coefficients>;

public:
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;
    using typename base::workspace_type;
    static constexpr prediction predicts = prediction::noise;

    noise_network(Schedule schedule, Network network) : base(std::move(schedule), std::move(network)) {}

    /// out = E[eps | x_t], as the network says, t = 0 and t = 1 among them.
    void noise(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const {
        this->network()(x, t, c, space.network, out);
    }
    void noise_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->network().vjp(x, t, c, cotangent, space.network, out);
    }
    void noise_jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace_type& space, view out) const
        requires differentiable_velocity_field<Network>
    {
        this->network().jvp(x, t, c, tangent, space.network, out);
    }
};

/// A network that predicts grad log p_t(x), as a velocity field that gives its score: u = b(t) score + alpha'/alpha x. One evaluation. Good at
/// t = 1 on every schedule. @throws std::invalid_argument at t = 0 where alpha(0) = 0: the score is -x there and says nothing of the data. A
/// column with a time of its own is NaN there.
template <class Schedule, class Network>
class score_network : public detail::converted_network<Schedule, Network, detail::from_score_coefficients> {
    using base = detail::converted_network<Schedule, Network, detail::from_score_coefficients>;

public:
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;
    using typename base::workspace_type;

    score_network(Schedule schedule, Network network) : base(std::move(schedule), std::move(network)) {}

    /// out = grad log p_t(x), as the network says, t = 0 and t = 1 among them.
    void score(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const { this->network()(x, t, c, space.network, out); }
};

} // namespace diamond
