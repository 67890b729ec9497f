// diamond_step WIDTH: the seconds of one thread that a transition by early stop takes, by a Diamond network
// of four blocks of this width, d = 64, 2,000 particles. benchmarks/against_commit.py holds two commits'
// headers against each other by it, so it uses only names that both have, and opens no namespace.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "seconds.hpp"

using batch = diamond::eigen::batch<float>;

int main(int count, char** arguments) {
    if (count != 2) return std::fprintf(stderr, "diamond_step WIDTH\n"), 2;
    constexpr diamond::index_t d = 64, n = 2000;
    const diamond::eigen::context context{.threads = 1};
    const diamond::diamond_mlp<batch, diamond::linear_schedule> network{
        {},
        diamond::gaussian_frame<batch>(context,
                                       {std::vector<double>(d, 0.0), std::vector<double>(d, 1.0), {}}),
        {.mlp = {.width = std::atol(arguments[1]), .blocks = 4}}};
    batch theta(context, network.parameters(), 1), x(context, d, n), next(context, d, n);
    network.initialise(diamond::philox{1}, theta.mutable_view());
    diamond::draw_normal(diamond::philox{2}.stream(diamond::purpose::initial), x.mutable_view());
    diamond::early_stop_kernel kernel{
        diamond::network_diamond_map{diamond::trained_network(network, std::move(theta))}};
    const auto step = [&](int k) {
        kernel(x.read(), {0.3, 0.5}, diamond::labels(),
               diamond::philox{3}.stream(diamond::purpose::transition, k), next.mutable_view());
    };
    for (int k = 0; k < 3; ++k) step(k);
    const double begin = seconds();
    for (int k = 0; k < 10; ++k) step(k);
    std::printf("%.9g\n", (seconds() - begin) / 10.0);
}
