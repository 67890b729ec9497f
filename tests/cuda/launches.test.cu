/// What a step costs the host in launches: sums over many components take as many for thousands of particles
/// as for hundreds, and a dense layer's bias is added by its product.
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/cuda.cuh>
#include <diamond/diamond.hpp>

namespace cuda_launches_test {

using diamond::index_t, diamond::philox;

namespace {
using batch = diamond::cuda::batch<float>;

/// Launches of `step` once it has made room.
template <class Step>
long launches_of(const diamond::cuda::context& context, const Step& step) {
    step();
    const long before = context.counted().launches;
    step();
    return context.counted().launches - before;
}
} // namespace

TEST_CASE("a mixture of many components launches no more for 5,000 particles than for 200") {
    // 600 components: a CPU's second-level cache holds some 600 columns of their shares, a device takes them
    // all.
    const diamond::cuda::context context;
    constexpr index_t components = 600;
    std::vector<double> weights(components, 1.0 / components), means, variances(components, 0.02);
    for (index_t k = 0; k < components; ++k) {
        means.push_back(std::cos(0.1 * static_cast<double>(k)));
        means.push_back(std::sin(0.1 * static_cast<double>(k)));
    }
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, weights, means, variances};
    const auto velocity = [&](index_t n) {
        batch x(context, 2, n), out(context, 2, n);
        diamond::draw_normal(philox{1}.stream(diamond::purpose::initial), x.mutable_view());
        auto space = model.make_workspace(context, n);
        return launches_of(context, [&] { model(x.read(), 0.5, {}, space, out.mutable_view()); });
    };
    CHECK(velocity(5000) == velocity(200));
}

TEST_CASE("layers of an MLP with sides of 8 take their bias along; a layer that cuBLASLt has no kernel for "
          "does not") {
    const diamond::cuda::context context;
    using architecture = diamond::diamond_mlp<batch, diamond::linear_schedule>;
    const architecture network{{},
                               diamond::gaussian_frame<batch>(context, {{0.0, 0.0}, {2.0, 1.0}, {}}),
                               {.mlp = {.width = 32, .blocks = 2}}};
    batch theta(context, network.parameters(), 1);
    network.initialise(philox{1}, theta.mutable_view());
    const diamond::trained_network trained(network, std::move(theta));
    diamond::network_diamond_map map{trained};
    batch x(context, 2, 512), out(context, 2, 512);
    diamond::draw_normal(philox{1}.stream(diamond::purpose::initial), x.mutable_view());
    const long before = context.counted().fused_layers;
    map(x.read(), {0.0, 1.0}, x.read(), 0.5, diamond::labels(), out.mutable_view());
    // The two blocks at the least; the first and last layer have odd sides.
    CHECK(context.counted().fused_layers - before >= 2);
    CHECK(context.counted().fused_layers - before <= 4);
}

} // namespace cuda_launches_test
