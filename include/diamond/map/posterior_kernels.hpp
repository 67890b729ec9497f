/// Transitions made of a posterior draw and fresh noise: DDPM's, with any correlation, and renoising.
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/glass/correlation.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

/// x_t' = abar z + gamma x_t + sbar eps' with z ~ p_{1|t}(. | x_t) and fresh noise eps': the transition of
/// DDPM, or of another correlation.
///
/// It is exact where the draw is. Cost: one posterior draw for each column. [DM],
/// (eq. ddpm-posterior-kernel).
template <class Sampler, class Correlation = ddpm_correlation>
class ddpm_posterior_kernel {
    static_assert(diagnose_posterior_sampler_without_weights<Sampler>());
    static_assert(diagnose_correlation<
                  Correlation, std::remove_cvref_t<decltype(std::declval<const Sampler&>().schedule())>>());

public:
    using batch_type = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    /// Of all correlations DDPM's is that of the noising process.
    static constexpr bool reverses_noising = std::is_same_v<Correlation, ddpm_correlation>;

    /// Takes the posterior sampler and the correlation. @throws std::invalid_argument where the sampler's
    /// schedule is none, see check_schedule.
    explicit ddpm_posterior_kernel(Sampler sampler, Correlation correlation = {})
        : sampler_(std::move(sampler)), correlation_(std::move(correlation)) {
        check_schedule(sampler_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    [[nodiscard]] cost spent() const { return sampler_.spent(); }
    [[nodiscard]] bool exact() const { return sampler_.exact(); }
    [[nodiscard]] auto schedule() const { return sampler_.schedule(); }

    /// Draws x_t' given x, both d x N, into out. @throws std::invalid_argument if shapes or times do not fit.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream,
                    view out) {
        require_same_shape("ddpm_posterior_kernel", x, const_view(out));
        require_apart("ddpm_posterior_kernel", x, const_view(out));
        const kernel_coefficients kernel = kernel_at(sampler_.schedule(), span, correlation_);
        sampler_(x, span.from, condition, stream.with_samples(1), out);
        noise_.resize(x.context(), x.rows(), x.columns());
        draw_normal(stream.with(purpose::transition_end), noise_.mutable_view());
        assign(out, kernel.abar * out + kernel.gamma * x + kernel.sbar * noise_);
    }

    /// Writes abar z + gamma x with the draw z of operator(): the transition whose eps' is 0.
    /// @throws std::invalid_argument as operator() does.
    void centre(const_view x, interval span, const condition_type& condition, noise_stream stream, view out) {
        require_same_shape("ddpm_posterior_kernel", x, const_view(out));
        require_apart("ddpm_posterior_kernel", x, const_view(out));
        const kernel_coefficients kernel = kernel_at(sampler_.schedule(), span, correlation_);
        sampler_(x, span.from, condition, stream.with_samples(1), out);
        assign(out, kernel.abar * out + kernel.gamma * x);
    }
    /// Writes out = centre + sbar noise, all d x N; out may be centre. @throws std::invalid_argument if
    /// shapes differ. Cost: none.
    void steered(const_view, interval span, const condition_type&, const_view noise, const_view centre,
                 view out) {
        assign(out, centre + kernel_at(sampler_.schedule(), span, correlation_).sbar * noise);
    }
    /// sbar, whatever the data are.
    [[nodiscard]] double noise_deviation(interval span, double) const {
        return kernel_at(sampler_.schedule(), span, correlation_).sbar;
    }

private:
    Sampler sampler_;
    Correlation correlation_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> noise_;
};

/// x_t' = alpha(t') z + sigma(t') eps', the kernel of correlation 0. Cost: one posterior draw for each
/// column.
template <class Sampler>
class renoise_kernel : public ddpm_posterior_kernel<Sampler, constant_correlation> {
public:
    /// Takes the posterior sampler whose draws z are noised to the new time.
    explicit renoise_kernel(Sampler sampler)
        : ddpm_posterior_kernel<Sampler, constant_correlation>(std::move(sampler),
                                                               constant_correlation(0.0)) {}
};

} // namespace diamond
