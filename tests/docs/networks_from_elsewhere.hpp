/// Wrappers for networks of other conventions, on the linear schedule.
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/counted_network.hpp>

namespace elsewhere {

// [around]
// What the wrappers have in common: the network as it is, and working space for what it is asked with.
template <class Network>
class around {
public:
    using batch_type = typename Network::batch_type;
    using condition_type = diamond::condition_of_t<Network>;
    using view = diamond::view_t<batch_type>;
    using const_view = diamond::const_view_t<batch_type>;
    using context_type = diamond::backend_of_t<batch_type>;

    struct workspace_type {
        diamond::workspace_t<Network> network;
        diamond::scratch<typename batch_type::value_type, context_type> state; // d x N
        diamond::scratch<double, context_type> time, level;                    // 1 x N
    };

    explicit around(Network network) : network_(std::move(network)) {}
    [[nodiscard]] diamond::index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] workspace_type make_workspace(const context_type& context, diamond::index_t n) const {
        workspace_type space{network_.make_workspace(context, n), {}, {}, {}};
        space.state.resize(context, dimension(), n);
        for (auto* numbers : {&space.time, &space.level}) numbers->resize(context, 1, n);
        return space;
    }

protected:
    // Writes the network's own output at `state` and `time`, which are expressions, into out.
    template <class State, class Time>
    void ask(const State& state, const Time& time, const condition_type& condition, workspace_type& space,
             view out) const {
        diamond::assign(space.state, state);
        diamond::assign(diamond::row(space.time), time);
        network_(space.state.read(), diamond::time_view(space.time.data()), condition, space.network, out);
    }

    Network network_;
};
// [/around]

// [flow]
// v(x, tau) = E[eps - z | x] at x = (1 - tau) z + tau eps, from data at tau = 0 to noise at tau = 1.
template <class Network>
class rectified_flow : public around<Network> {
    using base = around<Network>;

public:
    explicit rectified_flow(Network network) : base(std::move(network)) {}
    void operator()(typename base::const_view x, diamond::time_view t,
                    const typename base::condition_type& condition, typename base::workspace_type& space,
                    typename base::view out) const {
        this->ask(1.0 * x, 1.0 - t, condition, space, out);
        diamond::assign(out, -1.0 * out);
    }
};
// [/flow]

// [edm]
struct edm_options {
    double sigma_data = 0.5, sigma_min = 0.002, sigma_max = 80.0; // of the training
};
DIAMOND_HD inline double within(double low, double x, double high) {
    return x < low ? low : x > high ? high : x;
}

// D = c_skip y + c_out F(c_in y, c_noise) at y = z + sigma eps, here with y = x/t and sigma = (1 - t)/t, in
// a form that is finite at both ends.
template <class Network>
class edm_denoiser : public around<Network> {
    using base = around<Network>;

public:
    explicit edm_denoiser(Network network, edm_options options = {})
        : base(std::move(network)), options_(options) {}
    void operator()(typename base::const_view x, diamond::time_view t,
                    const typename base::condition_type& condition, typename base::workspace_type& space,
                    typename base::view out) const {
        const double s = options_.sigma_data;
        const auto sigma = diamond::elementwise<within>(options_.sigma_min, (1.0 - t) / t,
                                                        options_.sigma_max);
        const auto n = sqrt(square(1.0 - t) + square(s * t));
        this->ask(x / n, 0.25 * log(sigma), condition, space, out);
        diamond::assign(out, (s * s * t / square(n)) * x + (s * (1.0 - t) / n) * out);
    }

private:
    edm_options options_;
};
// [/edm]

// [discrete]
enum class predicts { eps, v, x0 };

// The number of the step, between two steps of the table where need be, at which sigma/alpha is that of t.
template <class Context>
struct step_at {
    diamond::row_view<const double, Context> levels; // log sigma/alpha of the steps, ascending
    diamond::time_view t;
    diamond::row_view<double, Context> step, level;
    DIAMOND_HD void operator()(diamond::index_t j) const {
        const diamond::index_t last = levels.columns() - 1;
        const double wanted = within(levels[0], log((1.0 - t[j]) / t[j]), levels[last]);
        diamond::index_t low = 0, high = last;
        while (high - low > 1) {
            const diamond::index_t middle = (low + high) / 2;
            (levels[middle] <= wanted ? low : high) = middle;
        }
        step[j] = static_cast<double>(low) + (wanted - levels[low]) / (levels[high] - levels[low]);
        level[j] = wanted;
    }
};

// E[z | x_t] by a network of steps 0 ... K - 1 with signal sqrt(alpha_bar) and noise sqrt(1 - alpha_bar).
template <class Network>
class discrete_denoiser : public around<Network> {
    using base = around<Network>;
    using context_type = typename base::context_type;

public:
    discrete_denoiser(const context_type& context, Network network, const std::vector<double>& alpha_bar,
                      predicts what)
        : base(std::move(network)), what_(what) {
        std::vector<double> levels;
        for (const double signal : alpha_bar) levels.push_back(0.5 * std::log((1.0 - signal) / signal));
        levels_ = std::make_shared<diamond::owning_batch<double, context_type>>(
            diamond::from_host<double>(context, 1, static_cast<diamond::index_t>(levels.size()), levels));
    }
    void operator()(typename base::const_view x, diamond::time_view t,
                    const typename base::condition_type& condition, typename base::workspace_type& space,
                    typename base::view out) const {
        const auto& context = out.context();
        const auto step = diamond::row(space.time), level = diamond::row(space.level);
        context.for_each(
            out.columns(),
            step_at<context_type>{
                .levels = diamond::row(levels_->read_on(context)), .t = t, .step = step, .level = level});
        const auto a = 1.0 / sqrt(1.0 + exp(2.0 * level));
        const auto s = exp(level) * a;
        const auto y = x / sqrt(square(t) + square(1.0 - t)); // a z + s eps
        this->ask(y, step, condition, space, out);
        if (what_ == predicts::eps) diamond::assign(out, (y - s * out) / a);
        if (what_ == predicts::v) diamond::assign(out, a * y - s * out);
    }

private:
    std::shared_ptr<const diamond::owning_batch<double, context_type>> levels_;
    predicts what_;
};
// [/discrete]

// [mean_flow]
// A MeanFlow network's u(x, r, tau), its average velocity from tau back to r <= tau, data at 0, as a flow
// map. `network(x, r, tau, condition, workspace, out)` writes u.
template <class Network>
class mean_flow_map {
public:
    using batch_type = typename Network::batch_type;
    using condition_type = diamond::condition_of_t<Network>;

    explicit mean_flow_map(Network network) : network_(std::move(network)) {}
    [[nodiscard]] diamond::index_t dimension() const { return network_.network().dimension(); }
    [[nodiscard]] diamond::cost spent() const { return network_.spent(); }
    void operator()(diamond::const_view_t<batch_type> x, diamond::interval span,
                    const condition_type& condition, diamond::view_t<batch_type> out) {
        const double tau = 1.0 - span.from, r = 1.0 - span.to;
        network_.network()(x, r, tau, condition, network_.workspace(x), out);
        diamond::assign(out, x - span.length() * out);
        network_.spent().forward += x.columns();
    }

private:
    diamond::counted_network<Network> network_; // with its workspace and its cost
};
// [/mean_flow]

} // namespace elsewhere
