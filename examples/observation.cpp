// Posteriors of a simulator: a Diamond map learns p(z | x) from simulations alone, with the observation x as
// a vector condition, and draws the posterior of any observation in one evaluation. The simulator measures
// the distances of a place in the plane from two beacons, with noise, so that two places explain a
// measurement, on either side of the line through the beacons.
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/train/recipes.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
constexpr double noise = 0.1;

double distance(float x, float y, double beacon) { return std::hypot(x - beacon, static_cast<double>(y)); }

int run() {
    // [program]
    const diamond::eigen::context context{.threads = 2};
    const diamond::philox rng{.seed = 42};
    constexpr diamond::index_t simulations = 20000, draws = 2000;

    // Places from the prior, N(0, I), and what is measured at each: the beacons are at (-1, 0) and (1, 0).
    batch places(context, 2, simulations), errors(context, 2, simulations);
    diamond::draw_normal(rng.stream(diamond::purpose::user, 0), places.mutable_view());
    diamond::draw_normal(rng.stream(diamond::purpose::user, 1), errors.mutable_view());
    std::vector<double> measured;
    for (diamond::index_t j = 0; j < simulations; ++j)
        for (const int i : {0, 1})
            measured.push_back(distance(places.data()[2 * j], places.data()[2 * j + 1], 2.0 * i - 1.0) +
                               noise * static_cast<double>(errors.data()[2 * j + i]));

    const auto map = diamond::train_diamond_map(
        std::move(places), rng,
        {.smooth = {.relative_bandwidth = 0.0}, // simulations are draws of the law itself
         .vectors = measured,
         .network = {.width = 64, .blocks = 3},
         .training = {.steps = 2500, .batch = 512, .report_every = 500}});

    // The posterior of one observation, the same for all draws.
    const auto seen = diamond::from_host<float>(context, 2, 1, std::vector<float>{1.5F, 1.5F});
    auto posterior = diamond::network_flow_map{map.network()};
    batch start(context, 2, draws), found(context, 2, draws);
    diamond::draw_normal(rng.stream(diamond::purpose::user, 2), start.mutable_view());
    posterior(start.read(), {0.0, 1.0}, diamond::condition_vectors<batch>::for_all(seen.read()),
              found.mutable_view());
    // [/program]

    // Both distances are 1.5 at (0, sqrt 1.25) and (0, -sqrt 1.25).
    double off = 0.0, above = 0.0;
    for (diamond::index_t j = 0; j < draws; ++j) {
        const float x = found.data()[2 * j], y = found.data()[2 * j + 1];
        for (const double beacon : {-1.0, 1.0})
            off += diamond::square(distance(x, y, beacon) - 1.5) / (2.0 * draws);
        above += y > 0.0F ? 1.0 / draws : 0.0;
    }
    std::printf("distances of drawn places are off by %.3f, with noise of %.3f; %.0f %% lie above\n",
                std::sqrt(off), noise, 100.0 * above);
    return std::sqrt(off) < 0.2 && std::abs(above - 0.5) < 0.15 ? 0 : 1;
}

int main() { return examples::run_main("observation", run); }
