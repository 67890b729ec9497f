// The start of a back end of your own: a context that takes everything from the Eigen back end, and puts
// what it does itself in its place, one operation after another. Here that is elementwise work, on plain
// loops.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

// [context]
struct own_context : diamond::eigen::context {
    using index_t = diamond::index_t;
    using eigen = diamond::eigen::context;
    template <class Value>
    using view = diamond::batch_view<Value, own_context>;

    // What is done here. concepts/backend.hpp lists all operations and what each promises.
    template <class F>
    void for_each(index_t columns, const F& f) const {
        for (index_t j = 0; j < columns; ++j) f(j);
    }
    template <class F>
    void for_each(index_t rows, index_t columns, const F& f) const {
        for (index_t j = 0; j < columns; ++j)
            for (index_t i = 0; i < rows; ++i) f(i, j);
    }

    // What takes views, and is still Eigen's. All else is inherited.
    template <class Real>
    void product(diamond::transpose op, view<const Real> a, view<const Real> b, view<Real> out) const {
        eigen::product<Real>(op, lent(a), lent(b), lent(out));
    }
    template <class Real>
    void softmax(view<Real> x, double* log_sums) const {
        eigen::softmax(lent(x), log_sums);
    }
    void log_sum_exp(view<const double> x, double* out) const { eigen::log_sum_exp(lent(x), out); }
    template <class Real>
    void gather(view<const Real> x, const std::int32_t* ancestors, view<Real> out) const {
        eigen::gather<Real>(lent(x), ancestors, lent(out));
    }
    template <class Real>
    void fill_normal(diamond::noise_stream stream, view<Real> out) const {
        eigen::fill_normal(stream, lent(out));
    }
    void symmetric_eigen(view<double> a, double* values) const { eigen::symmetric_eigen(lent(a), values); }

    template <class Value>
    [[nodiscard]] diamond::batch_view<Value, eigen> lent(view<Value> x) const { // the same memory
        return {x.data(), x.rows(), x.columns(), this};
    }
};
static_assert(diamond::diagnose_backend<own_context>()); // says what is missing
// [/context]

int run() {
    // [program]
    using batch = diamond::owning_batch<float, own_context>;
    const own_context context{{.threads = 2}};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::exact_posterior posterior{model};
    const diamond::posterior_value value{posterior, reward, {.samples = 4}};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior}, value, {.particles = 2048}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]
    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);
    return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error ? 0 : 1;
}

int main() { return examples::run_main("own_back_end", run); }
