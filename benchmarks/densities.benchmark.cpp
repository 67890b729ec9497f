// What the density of a transition costs: early stop with its density by the divergence head, by the
// determinant of the map's own Jacobian, and corrected by the joint flow map of the same network, against the
// same transition without any, in the same run.
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "against.hpp"

namespace {

using diamond::index_t, diamond::philox;
using batch = diamond::eigen::batch<float>;
using joint = diamond::diamond_mlp_with_divergence<batch, diamond::linear_schedule>;
using network = diamond::trained_network<joint>;

network make_network(const diamond::eigen::context& context, index_t d, index_t width) {
    const auto at = static_cast<std::size_t>(d);
    joint architecture(
        {},
        diamond::gaussian_frame<batch>(context, {std::vector<double>(at), std::vector<double>(at, 1.0), {}}),
        {.mlp = {.width = width, .blocks = 4}});
    batch parameters(context, architecture.parameters(), 1);
    architecture.initialise(philox{1}, parameters.mutable_view());
    return {architecture, std::move(parameters)};
}

struct by_head {
    auto operator()(const network& net) const {
        return diamond::early_stop_kernel{diamond::network_diamond_map{net}};
    }
};
struct by_determinant {
    auto operator()(const network& net) const {
        return diamond::early_stop_kernel{diamond::network_diamond_map{diamond::jacobian_network{net}}};
    }
};
struct corrected_by_head {
    auto operator()(const network& net) const {
        return diamond::corrected_kernel{by_head{}(net),
                                         diamond::flow_density{diamond::network_flow_map{net}}};
    }
};

template <class Make>
void density(benchmark::State& state) {
    const index_t d = state.range(0), width = state.range(1), columns = state.range(2);
    const diamond::eigen::context context{.threads = 1};
    const auto net = make_network(context, d, width);
    auto subject = Make{}(net);
    diamond::early_stop_kernel plain{diamond::network_diamond_map{net}};
    batch x(context, d, columns), next(context, d, columns);
    diamond::rebind_t<batch, double> before(context, 1, columns), after(context, 1, columns),
        weight(context, 1, columns);
    assign(row(before), 0.0);
    diamond::draw_normal(philox{2}.stream(diamond::purpose::initial), x.mutable_view());
    const auto stream = philox{3}.stream(diamond::purpose::transition, 1);
    constexpr diamond::interval span{0.4, 0.5};
    diamond_benchmarks::against(
        state, "transition",
        [&] {
            if constexpr (diamond::weighted_transition_kernel<decltype(subject)>)
                subject(x, span, {}, stream, next, row(std::as_const(before)), row(after), row(weight));
            else
                subject.draw_with_density(x, span, {}, stream, next, row(weight));
        },
        [&] { plain(x, span, {}, stream, next); });
}
#define DENSITY(make)                                                                                        \
    BENCHMARK(density<make>)                                                                                 \
        ->ArgNames({"d", "width", "columns"})                                                                \
        ->Args({2, 128, 10000})                                                                              \
        ->Args({64, 256, 1000})                                                                              \
        ->Apply(diamond_benchmarks::in_milliseconds)
DENSITY(by_head);
DENSITY(by_determinant);
DENSITY(corrected_by_head);

} // namespace
