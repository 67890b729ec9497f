// A network of your own that the library trains: v = sum_k theta_k phi_k in one dimension, phi the products
// of 1 and xbar with 1, s, h, h^2, where h = r - s. Trained at t = 0 alone it is a flow map of the points.
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
using view = diamond::view_t<batch>;
using diamond::index_t;
// [network]
class linear_network {
public:
    using batch_type = batch;
    using condition_type = diamond::labels; // not read here; a trainer gives the labels of its data
    using place = diamond::diamond_arguments<batch>;
    using workspace = std::vector<std::array<double, 16>>; // of each column phi, and behind it phi'
    [[nodiscard]] index_t dimension() const { return 1; }
    [[nodiscard]] index_t parameters() const { return 8; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::linear_schedule inner_schedule() const { return {}; }
    static double variance(index_t, double t) { return 1 - t; } // in whose units errors at time t count
    [[nodiscard]] auto spread() const { return variance; }
    [[nodiscard]] workspace make_workspace(const diamond::eigen::context&, index_t) const { return {}; }
    void initialise(diamond::philox, view theta) const { diamond::set_to_zero(theta); }
    void operator()(const float* theta, const place& at, diamond::labels c, workspace& w, view v) const {
        record(theta, at, c, w, v);
    }
    void record(const float* theta, const place& at, diamond::labels c, workspace& w, view v) const {
        record(theta, at, c, {}, w, v, {nullptr, 0, 0, nullptr}); // along no direction
    }
    void record(const float* theta, const place& at, diamond::labels, diamond::diamond_speeds<float> along,
                workspace& w, view v, view v_dot) const {
        w.clear();
        for (index_t j = 0; j < v.columns(); ++j) {
            const double x = at.xbar[j], dx = along.xbar ? along.xbar[j] : 0.0, s = at.s[j], ds = along.s;
            const double h = at.r[j] - s, dh = along.r - ds, q = h * h, dq = 2 * h * dh;
            w.push_back({1, s, h, q, x, x * s, x * h, x * q, 0, ds, dh, dq, dx, dx * s + x * ds,
                         dx * h + x * dh, dx * q + x * dq});
            v[j] = std::inner_product(theta, theta + 8, w.back().begin(), 0.0f);
            if (v_dot.data()) v_dot[j] = std::inner_product(theta, theta + 8, w.back().begin() + 8, 0.0f);
        }
    }
    void backward(const float*, workspace& w, diamond::const_view_t<batch> cotangent,
                  const float* cotangent_dot, float* gradient) const { // adds; cotangent_dot may be null
        for (std::size_t k = 0; k < 8; ++k)
            for (std::size_t j = 0; j < w.size(); ++j)
                gradient[k] += static_cast<float>(cotangent.data()[j] * w[j][k] +
                                                  (cotangent_dot ? cotangent_dot[j] * w[j][k + 8] : 0.0));
    }
};
// [/network]
int run() {
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> model{context, {}, {0.7}, {0.25}};
    batch points(context, 1, 1000), ends(context, 1, 2);
    model.draw(diamond::philox{1}.stream(diamond::purpose::data), points.mutable_view());
    // [program]
    const diamond::training_set<batch> data{std::move(points), 0.0};
    const diamond::diamond_training_options options{.steps = 4000, .batch = 256, .rate = {.peak = 1e-2}};
    diamond::diamond_trainer trainer{linear_network{}, data, diamond::philox{2}, options,
                                     diamond::uniform_time{.at_zero = 1.0}}; // a Diamond map needs every t
    auto state = trainer.start();
    trainer.run(state, [](const diamond::training_report&) { return true; });
    diamond::network_flow_map map{diamond::trained_network{linear_network{}, trainer.averaged(state)}};
    // [/program]
    const batch noise = diamond::from_host<float>(context, 1, 2, {-1, 1});
    map(noise.read(), {0.0, 1.0}, {}, ends.mutable_view());
    std::printf("-1 goes to %.3f, exactly 0.2; 1 to %.3f, exactly 1.2\n", ends.data()[0], ends.data()[1]);
    return std::fabs(ends.data()[0] - 0.2) < 0.1 && std::fabs(ends.data()[1] - 1.2) < 0.1 ? 0 : 1;
}

int main() { return examples::run_main("own_trainable_network", run); }
