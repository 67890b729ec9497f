/// A model that knows its tilt has an exact value function.
#pragma once

#include <concepts>
#include <optional>
#include <utility>
#include <vector>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/oracle/tilt.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

namespace detail {
template <class M>
concept knows_tilt = requires(const M& m, const quadratic_form& reward) {
    { m.tilted(reward).tilted } -> std::convertible_to<M>;
    { m.tilted(reward).log_z } -> std::convertible_to<double>;
};
} // namespace detail

/// This is a velocity field that knows its tilted model: it has a density, a score, a denoiser, schedule(),
/// and tilted(quadratic_form), which returns {tilted, log_z}, the model of p^r and log Z. Its models are
/// gaussian and gaussian_mixture.
template <class M>
concept tiltable_field = velocity_field_with_density<M> && scored_velocity_field<M> &&
                         detail::names_schedule<M> && detail::has_denoiser<M> && detail::knows_tilt<M>;

/// This is the ladder of tiltable_field: the first clause that M breaks says what to write.
template <class M>
consteval bool diagnose_tiltable_field() {
    static_assert(diagnose_velocity_field_with_density<M>());
    static_assert(detail::has_score<M>,
                  "an exact value's model needs score(x, t, condition, workspace, out) const");
    static_assert(detail::names_schedule<M>,
                  "an exact value's model needs schedule() const, its noise schedule");
    static_assert(detail::has_denoiser<M>,
                  "an exact value's model needs denoiser(x, t, condition, workspace, out) const, E[z | x_t]");
    static_assert(detail::knows_tilt<M>,
                  "an exact value's model needs tilted(quadratic_form) const, which returns {tilted, log_z}");
    return true;
}

/// V_t(x) = log Z + log p^r_t(x) - log p_t(x) for a reward with a quadratic form; it is log Z at t = 0 and
/// r(x) at t = 1.
///
/// It models value_estimator_with_gradient. It draws nothing, so its standard error is 0 and its effective
/// sample sizes are NaN. A call costs two forward evaluations a column, one of the model and one of the
/// tilted model, and at t = 1 a reward call a column instead. It runs on the context of its batches; a model
/// in a device's memory serves the context that it was made on. [DM], (eq. exact-value).
template <class Model, class Reward>
class exact_value {
    static_assert(diagnose_tiltable_field<Model>() &&
                  diagnose_reward<Reward, typename Model::batch_type, condition_of_t<Model>>());
    static_assert(reward_with_quadratic_form<Reward>,
                  "an exact value needs a reward with quadratic_form() const");

public:
    using batch_type = typename Model::batch_type;
    using condition_type = condition_of_t<Model>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument if the reward is of another dimension or the tilted density has no
    /// integral.
    exact_value(Model model, Reward reward)
        : model_(std::move(model)),
          reward_(std::move(reward)),
          form_(detail::filled_form(reward_.quadratic_form(), model_.dimension())),
          tilt_(model_.tilted(form_)) {
        check_schedule(model_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] auto schedule() const { return model_.schedule(); }
    [[nodiscard]] Reward& reward() { return reward_; }
    [[nodiscard]] const Model& model() const { return model_; }
    /// Returns the model of p^r.
    [[nodiscard]] const Model& tilted() const { return tilt_.tilted; }
    /// log Z of p^r, the logarithm of the mean of exp r over the data.
    [[nodiscard]] double log_z() const { return tilt_.log_z; }
    [[nodiscard]] cost spent() const { return spent_; }

    /// values.value[j] = V_t(x_j), x d x N, 0 <= t <= 1. @throws numeric_error naming step and particle where
    /// the reward, which is called at t = 1 alone, is NaN or +inf, or throws.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        const auto& context = x.context();
        require_columns("exact_value", values, x.columns());
        if (t >= 1.0) {
            spent_.reward += x.columns();
            call_reward(reward_, x, condition, stream.step, 1, values.value);
        } else {
            spent_.forward += 2 * x.columns();
            log_density_.resize(context, 1, x.columns());
            model_.log_density(x, t, condition, space(model_space_, model_, x), row(log_density_));
            tilt_.tilted.log_density(x, t, condition, space(tilted_space_, tilt_.tilted, x), values.value);
            // values.value is log p^r_t so far.
            assign(values.value, tilt_.log_z + (values.value - row(log_density_)));
        }
        if (values.standard_error) assign(values.standard_error, 0.0);
        if (values.ess) assign(values.ess, not_a_number);
        if (values.ess_base) assign(values.ess_base, not_a_number);
    }

    /// out = b(t) grad V_t(x), d x N: (alpha' - alpha sigma'/sigma)(D^r - D) where alpha <= sigma, which is
    /// alpha'(0)(E_{p^r} z - E z) at t = 0; b (score^r - score) elsewhere, and b(1) grad r at t = 1.
    /// @throws std::invalid_argument unless x and out have one shape.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream, view out) {
        require_same_shape("exact_value::guidance", x, const_view(out));
        const auto& plan = model_.schedule();
        if (t >= 1.0) {
            upload(x);
            const auto coefficients = [&](index_t column) {
                return each_column(form_on_device_.read().columns(column, 1));
            };
            const auto linear = coefficients(0), curvature = coefficients(1);
            assign(out, -sigma_d_sigma(plan, 1.0) * (linear - curvature * x));
            return;
        }
        spent_.forward += 2 * x.columns();
        const noise_level level = level_at(plan, t);
        const bool noisy = level.alpha <= level.sigma; // each form divides by what is large
        other_.resize(x.context(), x.rows(), x.columns());
        gradient_part(noisy, model_, model_space_, x, t, condition, other_);
        gradient_part(noisy, tilt_.tilted, tilted_space_, x, t, condition, out);
        const double factor = !noisy ? guidance_factor(plan, t)
                                     : plan.d_alpha(t) -
                                           level.alpha * sigma_d_sigma(plan, t) / square(level.sigma);
        assign(out, factor * (out - other_));
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using workspace_type = workspace_t<Model>;
    using workspace_store = std::optional<workspace_type>;

    void gradient_part(bool noisy, const Model& model, workspace_store& store, const_view x, double t,
                       const condition_type& condition, view out) {
        if (noisy)
            model.denoiser(x, t, condition, space(store, model, x), out);
        else
            model.score(x, t, condition, space(store, model, x), out);
    }
    /// Returns the workspace of one of the two models; both are made anew when the batch grows or comes from
    /// another context.
    workspace_type& space(workspace_store& store, const Model& model, const_view x) {
        if (x.columns() > columns_ || space_context_ != &x.context()) {
            model_space_.reset();
            tilted_space_.reset();
            columns_ = x.columns();
            space_context_ = &x.context();
        }
        if (!store) store.emplace(model.make_workspace(x.context(), columns_));
        return *store;
    }
    /// Copies the reward's linear part and curvature, the two columns of form_on_device_, to the memory of x.
    void upload(const_view x) {
        if (form_on_device_.size() != 0 && &form_on_device_.context() == &x.context()) return;
        std::vector<double> form(form_.linear);
        form.insert(form.end(), form_.curvature.begin(), form_.curvature.end());
        form_on_device_.resize(x.context(), dimension(), 2);
        x.context().from_host(form.data(), form_on_device_.size(), form_on_device_.data());
    }

    Model model_;
    Reward reward_;
    quadratic_form form_;
    tilt<Model> tilt_;
    cost spent_;
    workspace_store model_space_, tilted_space_;
    const context_type* space_context_ = nullptr;
    index_t columns_ = 0;
    scratch<double, context_type> log_density_, form_on_device_;
    scratch<real, context_type> other_;
};

} // namespace diamond
