// Classifier-free guidance of a Diamond network: w = 1 is the conditional network bit for bit, and the rest
// is affine in w.
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/map/network_velocity.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/trained_network.hpp>

#include <digits/guided_network.hpp>

namespace {

using batch = diamond::eigen::batch<double>;
using architecture = diamond::diamond_mlp<batch, diamond::linear_schedule>;
using network = diamond::trained_network<architecture>;
using guided = digits::guided_network<network>;
static_assert(diamond::diamond_network<guided>);

constexpr diamond::index_t d = 3, n = 7;

network random_network(const diamond::eigen::context& where) {
    const architecture net({}, diamond::gaussian_frame<batch>(where, {{0.5, -1.0, 0.0}, {1.0, 2.0, 0.5}, {}}),
                           {.mlp = {.width = 8, .blocks = 1}, .classes = 4});
    batch theta(where, net.parameters(), 1);
    draw_normal(diamond::philox{3}.stream(diamond::purpose::user, 1), theta.mutable_view());
    return {net, std::move(theta)};
}

template <class Network>
std::vector<double> velocity(const diamond::eigen::context& where, const Network& net,
                             diamond::labels label) {
    batch xbar(where, d, n), x_t(where, d, n), out(where, d, n);
    draw_normal(diamond::philox{4}.stream(diamond::purpose::user, 1), xbar.mutable_view());
    draw_normal(diamond::philox{4}.stream(diamond::purpose::user, 2), x_t.mutable_view());
    auto space = net.make_workspace(where, n);
    net(diamond::diamond_arguments<batch>{xbar.read(), x_t.read(), diamond::time_view(0.4),
                                          diamond::time_view(0.2), diamond::time_view(0.9)},
        label, space, out.mutable_view());
    return diamond::to_host(out);
}

} // namespace

TEST_CASE("w = 1 is the network itself, w = 0 the unconditional one, and v is affine in w") {
    const diamond::eigen::context where{.threads = 1};
    const network net = random_network(where);
    const diamond::labels two(2), none;
    const auto conditional = velocity(where, net, two), unconditional = velocity(where, net, none);
    CHECK(conditional != unconditional);
    CHECK(velocity(where, guided(net, 1.0), two) == conditional);
    CHECK(velocity(where, guided(net, 0.0), two) == unconditional);
    CHECK(guided(net, 1.0).evaluations() == 1);
    CHECK(guided(net, 2.5).evaluations() == 2);
    const auto pushed = velocity(where, guided(net, 2.5), two),
               unmoved = velocity(where, guided(net, 2.5), none);
    for (std::size_t i = 0; i < pushed.size(); ++i) {
        CHECK(pushed[i] ==
              doctest::Approx(unconditional[i] + 2.5 * (conditional[i] - unconditional[i])).epsilon(1e-12));
        // the empty label cannot be pushed away from itself
        CHECK(unmoved[i] == doctest::Approx(unconditional[i]).epsilon(1e-12));
    }
    CHECK_THROWS_AS(guided(net, NAN), std::invalid_argument);
}
