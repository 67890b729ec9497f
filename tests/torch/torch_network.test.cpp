// TorchScript modules as velocity fields give the numbers of torch itself.
#include <cmath>
#include <vector>

#include <diamond/torch/torch_network.hpp>

#include "checks.hpp"
#include "reference.hpp"

using batch = diamond::eigen::batch<float>;
using diamond::index_t, diamond::torch_network;
using torch_reference::difference, torch_reference::file;

static_assert(diamond::differentiable_velocity_field<torch_network<batch>>);

TEST_CASE("a velocity network of a file gives torch's numbers, and its products") {
    const diamond::eigen::context context{.threads = 1};
    const torch_network<batch> network{context, file("velocity.pt"), {.dimension = 2}};
    const torch_reference::of reference("velocity");
    const batch x = reference.batch(context, "x"), value = reference.batch(context, "value"),
                k = reference.batch(context, "cotangent"), pulled = reference.vjp(context, 0);
    const auto t = reference.times("t");
    const diamond::time_view times(t.data());
    const index_t n = x.columns();
    batch out(context, 2, n);
    auto space = network.make_workspace(context, n);
    for (int call = 0; call < 4; ++call) { // libtorch compiles a module anew when it has seen some calls
        network(x.read(), times, {}, space, out.mutable_view());
        CHECK(difference(out, value) <= 1e-5);
        network.vjp(x.read(), times, {}, k.read(), space, out.mutable_view());
        CHECK(difference(out, pulled) <= 1e-5);
    }
}
