// A value estimator of your own: a guess that costs no evaluation of a network. Z is unbiased by any guess;
// a better one only makes its error smaller.
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

// [value]
/// V_t(x) ~ t^2 r(x): nothing is known at t = 0, and at t = 1 it is r itself.
template <class Batch, class Reward>
class reward_of_the_state {
public:
    using batch_type = Batch;

    reward_of_the_state(diamond::index_t dimension, Reward reward)
        : dimension_(dimension), reward_(std::move(reward)) {}

    [[nodiscard]] diamond::index_t dimension() const { return dimension_; }
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    [[nodiscard]] diamond::cost spent() const { return {.reward = reward_.calls()}; }

    void operator()(diamond::const_view_t<Batch> x, double t, diamond::no_condition none,
                    diamond::noise_stream stream, diamond::value_rows<diamond::backend_of_t<Batch>> values) {
        reward_(x, none, stream.step, 1, values.value); // counts, and refuses NaN
        assign(values.value, t * t * values.value);
        // It has no spread; what is not asked for is a row without data.
        if (values.standard_error) assign(values.standard_error, diamond::not_a_number);
        if (values.ess) assign(values.ess, diamond::not_a_number);
        if (values.ess_base) assign(values.ess_base, diamond::not_a_number);
    }

private:
    diamond::index_t dimension_;
    diamond::reward_caller<Reward, Batch, diamond::no_condition> reward_;
};
// [/value]

int run() {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const diamond::quadratic_reward reward{context, std::vector<float>{0.5f, 0.5f},
                                           std::vector<float>{20.0f, 20.0f}};
    const double exact = model.tilted(reward.quadratic_form()).log_z;

    // [program]
    const diamond::exact_posterior posterior{model};
    const diamond::ddpm_posterior_kernel kernel{posterior};
    const diamond::smc_options options{.particles = 2048, .steps = 16};
    const auto log_z_by = [&](const char* name, auto value) {
        const auto result = diamond::smc{kernel, value, options}(context, diamond::philox{.seed = 42});
        std::printf("%s: log Z %.3f +- %.3f, exactly %.3f, %lld evaluations\n", name, result.log_z,
                    result.log_z_standard_error, exact, static_cast<long long>(result.spent.evaluations()));
        return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error;
    };
    const bool by_guess = log_z_by("t^2 r(x)",
                                   reward_of_the_state<batch, diamond::quadratic_reward<batch>>{2, reward});
    const bool by_exact = log_z_by("exact", diamond::exact_value{model, reward});
    // [/program]
    return by_guess && by_exact ? 0 : 1;
}

int main() { return examples::run_main("own_value", run); }
