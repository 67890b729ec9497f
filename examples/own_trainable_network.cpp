// A network of your own that the library trains: v = sum_k theta_k phi_k in one dimension, phi the products
// of 1 and xbar with 1, s, r, s^2, s r, r^2. Trained at t = 0 alone it is a flow map of the points.
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
using view = diamond::view_t<batch>;
using diamond::index_t;

struct features { // of one column, and their derivatives as xbar, s and r move
    static constexpr index_t count = 12;
    double value[count], speed[count];

    features(double x, double s, double r, double dx, double ds, double dr) {
        const double time[] = {1, s, r, s * s, s * r, r * r};
        const double rate[] = {0, ds, dr, 2 * s * ds, s * dr + r * ds, 2 * r * dr};
        for (index_t k = 0; k < 6; ++k) {
            value[k] = time[k];
            speed[k] = rate[k];
            value[k + 6] = x * time[k];
            speed[k + 6] = dx * time[k] + x * rate[k];
        }
    }
};

class linear_network {
public:
    using batch_type = batch;
    using condition_type = diamond::labels; // which it does not read; a trainer gives the labels of its data
    using arguments = diamond::diamond_arguments<batch>;
    using speeds = diamond::diamond_speeds<float>; // {xbar', s', r'}; a null xbar' stands still
    using workspace = std::vector<features>;       // what backward needs of record
    struct spread_of_data {                        // the variance in whose units errors at time t count
        double operator()(index_t, double t) const { return 1 - t; }
    };

    [[nodiscard]] index_t dimension() const { return 1; }
    [[nodiscard]] index_t parameters() const { return features::count; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::linear_schedule inner_schedule() const { return {}; }
    [[nodiscard]] spread_of_data spread() const { return {}; }
    [[nodiscard]] workspace make_workspace(const diamond::eigen::context&, index_t) const { return {}; }
    void initialise(diamond::philox, view theta) const { diamond::set_to_zero(theta); }

    void operator()(const float* theta, const arguments& at, const condition_type& c, workspace& w,
                    view v) const {
        record(theta, at, c, w, v);
    }
    void record(const float* theta, const arguments& at, const condition_type& c, workspace& w,
                view v) const {
        record(theta, at, c, {}, w, v, {nullptr, 0, 0, nullptr});
    }
    // [calls]
    void record(const float* theta, const arguments& at, const condition_type&, const speeds& along,
                workspace& w, view v, view v_dot) const {
        w.clear();
        for (index_t j = 0; j < v.columns(); ++j) {
            w.emplace_back(at.xbar[j], at.s[j], at.r[j], along.xbar ? along.xbar[j] : 0.0f, along.s, along.r);
            v[j] = dot(theta, w.back().value);
            if (v_dot.data()) v_dot[j] = dot(theta, w.back().speed);
        }
    }
    /// Adds to `gradient`; cotangent_dot is null where no direction was recorded.
    void backward(const float*, workspace& w, diamond::const_view_t<batch> cotangent,
                  const float* cotangent_dot, float* gradient) const {
        for (index_t k = 0; k < features::count; ++k) {
            double sum = 0;
            for (std::size_t j = 0; j < w.size(); ++j)
                sum += cotangent.data()[j] * w[j].value[k] +
                       (cotangent_dot ? cotangent_dot[j] * w[j].speed[k] : 0.0);
            gradient[k] += static_cast<float>(sum);
        }
    }
    // [/calls]

private:
    static float dot(const float* theta, const double* phi) {
        return static_cast<float>(std::inner_product(phi, phi + features::count, theta, 0.0));
    }
};

int run() {
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> model{context, {}, {0.7}, {0.25}};
    batch points(context, 1, 1000);
    model.draw(diamond::philox{1}.stream(diamond::purpose::data), points.mutable_view());

    // [program]
    const diamond::training_set<batch> data{std::move(points), 0.0};
    diamond::diamond_trainer trainer{linear_network{},
                                     data,
                                     diamond::philox{2},
                                     {.steps = 6000, .batch = 256, .rate = {.peak = 3e-2}},
                                     diamond::uniform_time{.at_zero = 1.0}};
    auto state = trainer.start();
    trainer.run(state, [](const diamond::training_report&) { return true; });
    const diamond::trained_network trained{linear_network{}, trainer.averaged(state)};
    diamond::network_flow_map map{trained}; // trained at every t, network_diamond_map{trained}
    // [/program]

    batch noise(context, 1, 4096), draws(context, 1, 4096);
    diamond::draw_normal(diamond::philox{3}.stream(diamond::purpose::initial), noise.mutable_view());
    map(noise.read(), {0.0, 1.0}, {}, draws.mutable_view());
    double mean = 0.0, square = 0.0;
    for (index_t j = 0; j < draws.columns(); ++j) {
        mean += draws.data()[j] / 4096.0;
        square += diamond::square(draws.data()[j]) / 4096.0;
    }
    const double deviation = std::sqrt(square - mean * mean);
    std::printf("mean %.3f, of the data 0.7; deviation %.3f, of the data 0.5\n", mean, deviation);
    return std::fabs(mean - 0.7) < 0.1 && std::fabs(deviation - 0.5) < 0.15 ? 0 : 1;
}

int main() { return examples::run_main("own_trainable_network", run); }
