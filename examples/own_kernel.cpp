// A transition kernel of your own: a posterior draw, the noise that it explains, and some fresh noise.
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

// [kernel]
/// x_t' = alpha' z + sigma' (c eps + sqrt(1 - c^2) eps'), where z ~ p(. | x_t), eps = (x_t - alpha z) / sigma
/// and eps' is fresh. Exact where the draw is: (z, eps) is then a sample with its noise.
template <class Sampler>
class partly_renoised_kernel {
public:
    using batch_type = typename Sampler::batch_type;
    using view = diamond::view_t<batch_type>;
    using const_view = diamond::const_view_t<batch_type>;

    partly_renoised_kernel(Sampler sampler, double kept) : sampler_(std::move(sampler)), kept_(kept) {}

    [[nodiscard]] diamond::index_t dimension() const { return sampler_.dimension(); }
    [[nodiscard]] diamond::cost spent() const { return sampler_.spent(); }
    [[nodiscard]] bool exact() const { return sampler_.exact(); } // keeps the model's marginals

    void operator()(const_view x, diamond::interval span, diamond::no_condition none,
                    diamond::noise_stream stream, view out) {
        const auto schedule = sampler_.schedule();
        const double alpha = schedule.alpha(span.to), sigma = schedule.sigma(span.to);
        const double of_old = kept_ * sigma / schedule.sigma(span.from);
        const double of_fresh = std::sqrt(1.0 - kept_ * kept_) * sigma;

        noise_.resize(x.context(), x.rows(), x.columns());
        sampler_(x, span.from, none, stream, out); // out = z
        diamond::draw_normal(stream.with(diamond::purpose::transition_end), noise_.mutable_view());
        assign(out, (alpha - of_old * schedule.alpha(span.from)) * out + of_old * x + of_fresh * noise_);
    }

private:
    Sampler sampler_;
    double kept_; // c
    diamond::scratch<typename batch_type::value_type, diamond::backend_of_t<batch_type>> noise_;
};
// [/kernel]

int run() {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};

    // [program]
    const diamond::exact_posterior posterior{model};
    diamond::smc sampler{partly_renoised_kernel{posterior, 0.5},
                         diamond::posterior_value{posterior, reward, {.samples = 4}},
                         {.particles = 2048, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]

    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);
    std::printf("exact for the model: %s\n", result.exact_for_model ? "yes" : "no");
    return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error ? 0 : 1;
}

int main() { return examples::run_main("own_kernel", run); }
