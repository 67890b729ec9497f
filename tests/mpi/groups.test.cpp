/// Searches and Markov chains in groups over ranks: the same on any number of them, and what one rank would
/// say of all; and islands that go on from a file.
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <diamond/io/islands_snapshot.hpp>
#include <diamond/mpi/groups.hpp>
#include <diamond/mpi/islands.hpp>

#include "../align/cases.hpp"
#include "world.hpp"

namespace mpi_groups_test {

using namespace cases;
using diamond_test::alone, diamond_test::world;

namespace {
using batch = diamond::eigen::batch<double>;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value;
} // namespace

TEST_CASE("the best of groups is the best of all candidates, whichever ranks drew them") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    diamond::best_of_n search{ddpm_posterior_kernel{exact_posterior{model}},
                              tilt_2d<double>(),
                              {.winners = 3, .candidates = 4, .steps = 4}};
    const auto& ranks = world();
    // [search]
    diamond::mpi::best_of_groups over_ranks{ranks, search, {.groups = 5}}; // search is a diamond::best_of_n
    const auto found = over_ranks(context, philox{4});
    // [/search]
    std::vector<double> best(3, -infinity), columns(6);
    diamond::cost spent;
    for (std::uint64_t g = 0; g < 5; ++g) {
        const auto one = search(context, philox{4}.split(g));
        spent += one.spent;
        for (std::size_t j = 0; j < 3; ++j) {
            if (one.rewards[j] <= best[j]) continue;
            best[j] = one.rewards[j];
            for (std::size_t i = 0; i < 2; ++i) columns[2 * j + i] = one.particles.data()[2 * j + i];
        }
    }
    CHECK(found.complete);
    CHECK(found.rewards == best);
    CHECK(to_host(found.particles) == columns);
    CHECK(found.spent == spent);
    CHECK_THROWS_WITH((diamond::mpi::best_of_groups{world(), search, {.groups = 0}}),
                      "0 groups over ranks: 1 to 2^20 are taken");
}

TEST_CASE("R-hat over groups of chains is that of all chains, on any number of ranks") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const diamond::renoise_chain chain{
        exact_posterior{model}, tilt_2d<double>(), {.particles = 16, .adaptation = 16, .steps = 64}};
    const auto& ranks = world();
    // [chains]
    diamond::mpi::chains over_ranks{ranks, chain, {.groups = 4}}; // chain is a diamond::renoise_chain
    const auto result = over_ranks(context, philox{9});
    // [/chains]
    diamond::mpi::chains on_one{alone(), chain, {.groups = 4}};
    const auto reference = on_one(context, philox{9});
    CHECK(result.r_hat == reference.r_hat);
    CHECK(result.acceptance == reference.acceptance);
    CHECK(result.warnings == reference.warnings);
    CHECK(result.spent == reference.spent);
    for (std::size_t g = 0; g < result.own.size(); ++g)
        CHECK(to_host(result.own[g].particles) ==
              to_host(reference.own[static_cast<std::size_t>(result.here.first) + g].particles));

    // By hand, of moments that are known: two groups of one chain each, whose halves have the means 1, 3 and
    // 5, 7.
    const diamond::chain_agreement low{.chains = 1, .moves = 10, .of = {{2.0, 0.5, 2.0}}},
        high{.chains = 1, .moves = 10, .of = {{6.0, 1.5, 2.0}}};
    const auto both = diamond::combine_chains({low, high});
    CHECK(both.chains == 2);
    CHECK(both.of[0].mean == 4.0);
    CHECK(both.of[0].within == 1.0);
    CHECK(both.of[0].between == doctest::Approx((9.0 + 1.0 + 1.0 + 9.0) / 3.0).epsilon(1e-14));
    auto longer = high;
    longer.moves = 11;
    CHECK_THROWS_WITH(static_cast<void>(diamond::combine_chains({low, longer})),
                      doctest::Contains("only groups of one size are combined"));
}

TEST_CASE("islands that rank 0 has saved go on from their file on another number of ranks") {
    const diamond::eigen::context context{.threads = 1};
    const exact_posterior posterior{mixture<batch>(context)};
    const diamond::smc sampler{ddpm_posterior_kernel{posterior},
                               posterior_value{posterior, bowl_2d<double>(4.0), {.samples = 2}},
                               {.particles = 16, .steps = 6, .pilot_particles = 16, .plain_ratio = 0.0}};
    const diamond::mpi::islands_options options{.islands = 6, .threshold = 0.95};
    diamond::mpi::islands over_ranks{world(), sampler, options}, on_one{alone(), sampler, options};
    const auto reference = on_one(context, philox{11});
    const auto file = std::filesystem::temp_directory_path() /
                      ("diamond_mpi_islands_" + std::to_string(world().size()) + ".safetensors");
    auto state = over_ranks.start(context, philox{11});
    for (int k = 0; k < 3; ++k) over_ranks.step(state);
    const auto snapshot = over_ranks.snapshot(state);
    world().on_first([&] { diamond::io::save_islands(file, snapshot, "bowl"); });

    const auto from_file = diamond::io::load_islands<double>(file, "bowl");
    for (const auto& result :
         {on_one(context, philox{11}, from_file), over_ranks(context, philox{11}, from_file)}) {
        CHECK(result.log_z == reference.log_z);
        CHECK(result.shares == reference.shares);
        CHECK(result.exchanges == reference.exchanges);
        CHECK(result.spent == reference.spent);
    }
    CHECK_THROWS_WITH(static_cast<void>(diamond::io::load_islands<double>(file, "another")),
                      doctest::Contains("'another' is expected"));
    CHECK_THROWS_WITH(static_cast<void>(diamond::io::load_snapshot<double>(file, "bowl")),
                      doctest::Contains("diamond_islands_snapshot"));
    world().wait();
    world().on_first([&] { std::filesystem::remove(file); });
}

} // namespace mpi_groups_test
