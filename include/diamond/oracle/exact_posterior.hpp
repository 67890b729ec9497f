/// The exact posterior of an oracle serves as a sampler.
#pragma once

#include <optional>
#include <utility>

#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

namespace detail {
template <class M>
concept draws_own_posterior = requires(const M& m, const_view_t<typename M::batch_type> x, double t,
                                       const condition_of_t<M>& c, noise_stream stream, workspace_t<M>& w,
                                       view_t<typename M::batch_type> out) {
    m.draw_posterior(x, t, c, stream, w, out);
};
template <class M>
concept pulls_own_posterior = requires(const M& m, const_view_t<typename M::batch_type> x, double t,
                                       const condition_of_t<M>& c, noise_stream stream, workspace_t<M>& w,
                                       view_t<typename M::batch_type> out) {
    m.draw_posterior_vjp(x, t, c, stream, x, w, out);
};
} // namespace detail

/// This is a velocity field that draws from its own posterior: it has schedule(), and draw_posterior(x_t, t,
/// condition, stream, workspace, out), whose arguments and draws are those of the posterior_sampler concept.
/// Its models are gaussian, gaussian_mixture and checkerboard.
template <class M>
concept field_with_posterior = velocity_field<M> && detail::names_schedule<M> &&
                               detail::draws_own_posterior<M>;

/// This is the ladder of field_with_posterior: the first clause that M breaks says what to write.
template <class M>
consteval bool diagnose_field_with_posterior() {
    static_assert(diagnose_velocity_field<M>());
    static_assert(detail::names_schedule<M>,
                  "an exact posterior's model needs schedule() const, its noise schedule");
    static_assert(detail::draws_own_posterior<M>,
                  "an exact posterior's model needs draw_posterior(const_view x_t, double t, const "
                  "condition&, noise_stream, workspace&, view out) const");
    return true;
}

/// Draws z ~ p_{1|t}(. | x_t) of a model that knows its posterior, M = stream.samples a particle: x_t is
/// d x N, out d x (N M), and column j M + i is draw i of particle j. At t = 1 every draw is x_t itself.
///
/// It models posterior_sampler, and differentiable_posterior_sampler where the model has draw_posterior_vjp.
/// A draw takes the place of an evaluation of a Diamond map and is counted as one: one forward evaluation,
/// and in vjp one vjp. See (eq. posterior-draw).
template <class Model>
class exact_posterior {
    static_assert(diagnose_field_with_posterior<Model>());

public:
    using batch_type = typename Model::batch_type;
    using condition_type = condition_of_t<Model>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes the model. @throws std::invalid_argument where its schedule is none, see check_schedule.
    explicit exact_posterior(Model model) : model_(std::move(model)) { check_schedule(model_.schedule()); }

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] auto schedule() const { return model_.schedule(); }
    [[nodiscard]] const Model& model() const { return model_; }
    [[nodiscard]] cost spent() const { return spent_; }
    [[nodiscard]] bool exact() const { return true; }

    /// Writes M draws a particle. @throws std::invalid_argument where the model does.
    void operator()(const_view x_t, double t, const condition_type& condition, noise_stream stream,
                    view out) {
        spent_.forward += out.columns();
        model_.draw_posterior(x_t, t, condition, stream, space(x_t), out);
    }
    /// out, d x N, is the sum over a particle's draws of cotangent^T dz/dx_t, cotangent d x (N M), the noise
    /// held fixed.
    void vjp(const_view x_t, double t, const condition_type& condition, noise_stream stream,
             const_view cotangent, view out)
        requires detail::pulls_own_posterior<Model>
    {
        spent_.vjp += cotangent.columns();
        model_.draw_posterior_vjp(x_t, t, condition, stream, cotangent, space(x_t), out);
    }

private:
    /// Returns the model's workspace. It is made in the first call, and anew when the batch grows or comes
    /// from another context.
    workspace_t<Model>& space(const_view x_t) {
        if (!space_ || x_t.columns() > space_columns_ || space_context_ != &x_t.context()) {
            space_.reset(); // frees before it allocates
            space_.emplace(model_.make_workspace(x_t.context(), x_t.columns()));
            space_columns_ = x_t.columns();
            space_context_ = &x_t.context();
        }
        return *space_;
    }

    Model model_;
    cost spent_;
    std::optional<workspace_t<Model>> space_;
    const backend_of_t<batch_type>* space_context_ = nullptr;
    index_t space_columns_ = 0;
};

} // namespace diamond
