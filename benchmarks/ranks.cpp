// What ranks cost and bring, for docs/mpi.md: mpirun -n RANKS benchmark_ranks FILE.json adds the figures of
// so many ranks to the file. Each is the shortest of several rounds, as the machine may have other work; how
// much it has stands beside it (load_average), and what islands compute is counted in seconds of the
// processor, too.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/json.hpp>
#include <diamond/mpi/islands.hpp>
#include <diamond/mpi/sharded_gradient.hpp>

#include "peers/cases.hpp"

namespace {

using diamond::index_t, diamond::philox, diamond::mpi::communicator;
using context_type = diamond::eigen::context;
using batch = peers::batch_of<context_type>;

/// The seconds of `work` on the rank that takes longest, the shortest of so many rounds.
template <class Work>
double seconds_of(const communicator& ranks, int rounds, const Work& work) {
    double least = 1e300;
    for (int round = 0; round < rounds; ++round) {
        ranks.wait();
        const auto begin = std::chrono::steady_clock::now();
        work();
        ranks.wait();
        least = std::min(least,
                         std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return least;
}

void measure(const communicator& ranks, const std::string& file) {
    constexpr int rounds = 15;
    constexpr index_t width = 128, particles = 512;
    const context_type context{.threads = 1};
    const auto net = peers::stirred(context, width);
    nlohmann::json here;
    double load = 0.0;
    if (getloadavg(&load, 1) == 1) here["load_average"] = load;

    // Eight islands of 512 particles, d = 64, a network of width 128, eight steps: apart, and exchanged at
    // each step.
    for (const double threshold : {0.0, 2.0}) {
        diamond::mpi::islands islands{
            ranks, peers::smc_of(context, net, particles), {.islands = 8, .threshold = threshold}};
        here[threshold == 0.0 ? "islands_seconds" : "islands_exchanged_seconds"] = seconds_of(
            ranks, rounds, [&] { static_cast<void>(islands(context, philox{1})); });
    }

    // The same in seconds of the processor, on the rank that has most: without a threshold none waits for
    // another.
    diamond::mpi::islands apart{ranks, peers::smc_of(context, net, particles), {.islands = 8}};
    double least = 1e300;
    for (int round = 0; round < rounds; ++round) {
        ranks.wait();
        const std::clock_t begin = std::clock();
        auto islands = apart.start(context, philox{1});
        while (!islands.done()) apart.step(islands);
        const auto own = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
        const auto all = ranks.all_gather(std::vector<double>{own});
        least = std::min(least, *std::max_element(all.begin(), all.end()));
    }
    here["islands_processor_seconds"] = least;

    // A training step of 1,024 columns in eight shards, and the summing of its gradient alone.
    const diamond::training_set<batch> data(
        peers::normals(context, philox{3}.stream(diamond::purpose::data), 1000), 0.2);
    // [training]
    const diamond::mpi::sharded_gradient sharded{ranks, {.shards = 8}};
    diamond::diamond_trainer trainer(net.architecture(), data, philox{1},
                                     {.steps = 1 << 30, .batch = 1024, .diagonal_first = 0.0}, sharded);
    // [/training]
    auto state = trainer.start();
    here["parameters"] = trainer.parameters();
    here["training_step_seconds"] = seconds_of(ranks, 4 * rounds, [&] { trainer.step(state); });
    diamond::mpi::detail::sharded_sum<batch> sum(sharded);
    batch gradient(context, trainer.parameters(), 1);
    diamond::set_to_zero(gradient.mutable_view());
    diamond::training_losses losses;
    here["gradient_sum_seconds"] = seconds_of(ranks, 4 * rounds, [&] {
        sum.begin(0, state.theta.read());
        for (index_t s = sum.own().first; s < sum.own().first + sum.own().count; ++s)
            sum.add(s, gradient.read(), &losses);
        sum.finish(gradient.mutable_view(), &losses);
    });

    // Eight numbers from all to all; and messages of some sizes to another rank and back, one way.
    constexpr int calls = 100;
    here["gather_seconds"] = seconds_of(ranks, rounds,
                                        [&] {
                                            for (int k = 0; k < calls; ++k)
                                                static_cast<void>(ranks.all_gather(std::vector<double>(4)));
                                        }) /
                             calls;
    for (const std::size_t size : {8UL, 1'000UL, 100'000UL, 10'000'000UL}) {
        if (ranks.size() < 2) continue;
        std::vector<std::byte> bytes(size);
        const int turns = size < 1'000'000 ? 100 : 4;
        const double seconds = seconds_of(ranks, rounds, [&] {
            for (int k = 0; k < turns; ++k) {
                if (ranks.rank() == 0) ranks.send(bytes, 1);
                if (ranks.rank() == 0) ranks.receive(1, bytes);
                if (ranks.rank() == 1) ranks.receive(0, bytes);
                if (ranks.rank() == 1) ranks.send(bytes, 0);
            }
        });
        here["message_seconds"][std::to_string(size)] = seconds / (2.0 * turns);
    }
    ranks.on_first([&] {
        nlohmann::json all = std::filesystem::exists(file) ? diamond::io::read_json(file) : nlohmann::json{};
        all[std::to_string(ranks.size())] = here;
        diamond::io::write_json(file, all);
        std::printf("%s\n", here.dump(2).c_str());
    });
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::fprintf(stderr, "benchmark_ranks FILE.json\n"), 2;
    return diamond::mpi::run([&](const communicator& ranks) { measure(ranks, argv[1]); });
}
