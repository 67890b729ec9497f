// A divergence estimator of your own: by central differences, for a velocity field that has no derivatives.
// An ODE flow map that is given it has a divergence, and so the densities of samples.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <utility>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<double>;
using diamond::index_t;

// [divergence]
struct shift_row { // writes x + step e_row
    diamond::const_view_t<batch> x;
    diamond::view_t<batch> out;
    index_t row;
    double step;
    DIAMOND_HD void operator()(index_t i, index_t j) const { out(i, j) = x(i, j) + (i == row ? step : 0.0); }
};

template <class Field>
class differences {
public:
    using field_type = Field;
    using batch_type = typename Field::batch_type;
    static constexpr bool random = false; // it does not read the stream
    explicit differences(Field field) : field_(std::move(field)) {}
    [[nodiscard]] const Field& field() const { return field_; }
    [[nodiscard]] diamond::cost spent() const { return {.forward = evaluations_}; }
    void operator()(diamond::const_view_t<batch> x, diamond::time_view t,
                    const diamond::condition_of_t<Field>& condition, diamond::noise_stream,
                    diamond::row_t<batch> out, diamond::row_t<batch> standard_error = {}) {
        constexpr double step = 1e-5; // below it rounding is the larger error
        auto space = field_.make_workspace(x.context(), x.columns());
        for (auto* each : {&moved_, &up_, &down_}) each->resize(x.context(), x.rows(), x.columns());
        diamond::assign(out, 0.0);
        for (index_t i = 0; i < x.rows(); ++i) {
            for (const auto& [shift, velocity] : {std::pair{step, &up_}, std::pair{-step, &down_}}) {
                x.context().for_each(x.rows(), x.columns(), shift_row{x, moved_.mutable_view(), i, shift});
                field_(moved_.read(), t, condition, space, velocity->mutable_view());
            }
            const auto up = diamond::row_of(up_.read(), i), down = diamond::row_of(down_.read(), i);
            diamond::assign(out, out + (up - down) / (2 * step));
        }
        if (standard_error) diamond::assign(standard_error, 0.0); // nothing is random
        evaluations_ += 2 * x.rows() * x.columns();
    }

private:
    Field field_;
    diamond::scratch<double, diamond::eigen::context> moved_, up_, down_;
    std::int64_t evaluations_ = 0;
};
// [/divergence]
int run() {
    const diamond::eigen::context context{.threads = 1};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}};
    const batch points = diamond::from_host<double>(context, 2, 3, {-2.1, 0.3, 1.2, 1.5, 0.0, 0.0});
    // [program]
    diamond::log_likelihood likelihood{
        diamond::ode_flow_map{differences{model}, diamond::explicit_midpoint{.steps = 256}}};
    batch found(context, 1, points.columns());
    likelihood(points.read(), {}, row(found));
    // [/program]
    diamond::exact_density density{diamond::linear_schedule{}, model};
    const auto exact = diamond::log_densities_of(density, points);
    double worst = 0.0;
    for (std::size_t j = 0; j < 3; ++j) {
        std::printf("log p %.4f, exactly %.4f\n", found.data()[j], exact[j]);
        worst = std::fmax(worst, std::fabs(found.data()[j] - exact[j]));
    }
    return worst < 0.01 ? 0 : 1;
}

int main() { return examples::run_main("own_divergence", run); }
