// A program that brings its own schedule, network, reward and kernel and takes only the drivers from the
// library. Its data are N(mean, spread^2 I), so everything is known: the end of the flow, log Z and the
// tilted mean.
#include <cmath>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace {

using batch = diamond::eigen::batch<double>;
using view = diamond::view_t<batch>;
using const_view = diamond::const_view_t<batch>;
using diamond::index_t;

constexpr index_t dimension = 3;
constexpr double mean = 0.7;
constexpr double spread = 0.5;
constexpr double slope = 1.2; // of the reward, in each coordinate

struct my_schedule {
    double alpha(double t) const { return t * (2.0 - t); }
    double sigma(double t) const { return 1.0 - t; }
    double d_alpha(double t) const { return 2.0 - 2.0 * t; }
    double d_sigma(double) const { return -1.0; }
};

// E[z | x_t] and E[eps | x_t] for one coordinate.
struct expected {
    double data, noise;
    expected(double x, double t) {
        const double alpha = my_schedule{}.alpha(t), sigma = my_schedule{}.sigma(t);
        const double variance = alpha * alpha * spread * spread + sigma * sigma;
        data = mean + alpha * spread * spread / variance * (x - alpha * mean);
        noise = sigma / variance * (x - alpha * mean);
    }
};

struct my_network {
    using batch_type = batch;
    struct workspace {};

    index_t dimension() const { return ::dimension; }
    workspace make_workspace(const diamond::eigen::context&, index_t) const { return {}; }
    void operator()(const_view x, diamond::time_view t, diamond::no_condition, workspace&, view out) const {
        x.context().for_each(x.rows(), x.columns(), [=](index_t i, index_t j) {
            const expected mode(x(i, j), t[j]);
            out(i, j) = my_schedule{}.d_alpha(t[j]) * mode.data + my_schedule{}.d_sigma(t[j]) * mode.noise;
        });
    }
};

struct my_reward {
    template <class Column>
    double operator()(const Column& z) const {
        double total = 0.0;
        for (const double coordinate : z) total += slope * coordinate;
        return total;
    }
};

// Draws z from the posterior and adds noise anew: it keeps every marginal exactly.
class my_kernel {
public:
    using batch_type = batch;

    index_t dimension() const { return ::dimension; }
    bool exact() const { return true; }
    diamond::cost spent() const { return spent_; }
    void operator()(const_view x, diamond::interval span, diamond::no_condition, diamond::noise_stream stream,
                    view out) {
        noise_.resize(x.context(), x.rows(), x.columns());
        diamond::draw_normal(stream, noise_.mutable_view());
        diamond::draw_normal(stream.with(diamond::purpose::transition_end), out);
        const double alpha = my_schedule{}.alpha(span.from), sigma = my_schedule{}.sigma(span.from);
        const double deviation = spread * sigma / std::hypot(alpha * spread, sigma);
        x.context().for_each(x.rows(), x.columns(), [=, noise = noise_.read()](index_t i, index_t j) {
            const double z = expected(x(i, j), span.from).data + deviation * noise(i, j);
            out(i, j) = my_schedule{}.alpha(span.to) * z + my_schedule{}.sigma(span.to) * out(i, j);
        });
        spent_.forward += x.columns();
    }

private:
    diamond::scratch<double, diamond::eigen::context> noise_;
    diamond::cost spent_;
};

static_assert(diamond::schedule<my_schedule>);
static_assert(diamond::velocity_field<my_network>);
static_assert(diamond::reward<my_reward, batch>);
static_assert(diamond::transition_kernel<my_kernel>);

int failures = 0;
void expect(const char* what, double value, double wanted, double tolerance) {
    const bool good = std::abs(value - wanted) <= tolerance;
    std::printf("%-20s %.6f, wanted %.6f +- %.6f%s\n", what, value, wanted, tolerance,
                good ? "" : "  FAILED");
    failures += !good;
}

} // namespace

int main() {
    const diamond::eigen::context context{.threads = 2};

    // The flow of one Gaussian into another is affine: 0 goes to the mean, 1 to mean + spread. RK4 in 64
    // steps is good to 1e-7.
    diamond::ode_flow_map flow{my_network{}, diamond::runge_kutta_4{64}};
    batch ends(context, dimension, 2);
    const auto starts = diamond::from_host<double>(context, dimension, 2,
                                                   std::vector<double>{0, 0, 0, 1, 1, 1});
    flow(starts, {0.0, 1.0}, {}, ends);
    expect("flow of 0", ends.read()(0, 0), mean, 1e-6);
    expect("flow of 1", ends.read()(2, 1), mean + spread, 1e-6);

    // Linear reward: log Z = slope . mean + |slope|^2 spread^2 / 2, and the tilted mean is mean + slope
    // spread^2.
    constexpr index_t particles = 20000;
    diamond::smc sampler{my_kernel{},
                         diamond::denoised_value{my_schedule{}, my_network{}, my_reward{}},
                         {.particles = particles, .steps = 8}};
    const auto result = sampler(context, diamond::philox{7});
    // 4.5 standard errors: one false alarm in 150,000 seeds each.
    expect("log Z", result.log_z, dimension * (slope * mean + 0.5 * slope * slope * spread * spread),
           4.5 * result.log_z_standard_error);
    const double tilted_mean = mean + slope * spread * spread;
    const auto weights = result.weights();
    // what the descendants of each x_0 add to the error; families are independent
    std::vector<double> families(particles);
    double error = 0.0, variance = 0.0;
    for (std::size_t j = 0; j < weights.size(); ++j) {
        const double part = weights[j] * (result.particles.read()(0, static_cast<index_t>(j)) - tilted_mean);
        families[static_cast<std::size_t>(result.families[j])] += part;
        error += part;
    }
    for (const double family : families) variance += family * family;
    expect("tilted mean", tilted_mean + error, tilted_mean, 4.5 * std::sqrt(variance));
    return failures;
}
