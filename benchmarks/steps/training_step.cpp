// training_step WIDTH: the seconds of one thread that a step of training takes, by the Lagrangian loss on
// half of 512 columns, of a Diamond network of four blocks of this width, d = 64.
// benchmarks/against_commit.py holds two commits' headers against each other by it, so it uses only names
// that both have, and opens no namespace.
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "seconds.hpp"

using batch = diamond::eigen::batch<float>;

int main(int count, char** arguments) {
    if (count != 2) return std::fprintf(stderr, "training_step WIDTH\n"), 2;
    constexpr diamond::index_t d = 64;
    const diamond::eigen::context context{.threads = 1};
    const diamond::diamond_mlp<batch, diamond::linear_schedule> network{
        {},
        diamond::gaussian_frame<batch>(context,
                                       {std::vector<double>(d, 0.0), std::vector<double>(d, 1.0), {}}),
        {.mlp = {.width = std::atol(arguments[1]), .blocks = 4}}};
    batch points(context, d, 1000);
    diamond::draw_normal(diamond::philox{2}.stream(diamond::purpose::initial), points.mutable_view());
    const diamond::training_set<batch> data{std::move(points), 0.1};
    diamond::diamond_trainer trainer{
        network, data, diamond::philox{1}, {.steps = 100, .batch = 512, .diagonal_first = 0.0}};
    auto state = trainer.start();
    for (int k = 0; k < 3; ++k) trainer.step(state);
    const double begin = seconds();
    for (int k = 0; k < 8; ++k) trainer.step(state);
    std::printf("%.9g\n", (seconds() - begin) / 8.0);
}
