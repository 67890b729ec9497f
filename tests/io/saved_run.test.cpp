// A run of SMC that saves itself: killed at any time and called again, it gives the bits of one that was not.
#include <chrono>
#include <string>
#include <thread>

#include <diamond/io/saved_run.hpp>

#include "align/cases.hpp"
#include "align/results.hpp"
#include "scratch.hpp"

#if __has_include(<sys/wait.h>)
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>
#endif

namespace io_saved_run_test {

namespace io = diamond::io;
using cases::check_same;
using diamond::index_t, diamond::philox, diamond::smc;
using diamond_test::message, diamond_test::reason, diamond_test::scratch;
using doctest::Contains;

namespace {

using batch = diamond::eigen::batch<double>;
auto sampler_on(const diamond::eigen::context& context) {
    const diamond::exact_posterior draws{cases::mixture<batch>(context)};
    return smc{diamond::ddpm_posterior_kernel{draws},
               diamond::posterior_value{draws, cases::bowl_2d<double>(2.0), {.samples = 2}},
               {.particles = 64, .steps = 12}};
}

} // namespace

TEST_CASE("a run that saves itself gives the bits of one that does not, and again from its file") {
    const diamond::eigen::context context{.threads = 1};
    const scratch folder;
    auto sampler = sampler_on(context);
    const auto expected = sampler(context, philox{5});
    const io::saved_run where{.file = folder / "run.safetensors", .setting = "a test's", .every = 5};
    std::vector<index_t> seen;
    check_same(io::run_saved(sampler, where, context, philox{5}, {},
                             [&](const auto& state) {
                                 seen.push_back(state.step());
                                 const bool saved = state.step() % 5 == 0 || state.done();
                                 if (saved)
                                     CHECK(io::load_snapshot<double>(where.file, "a test's").step ==
                                           state.step());
                             }),
               expected);
    CHECK(seen.size() == 12);
    seen.clear();
    auto other = sampler_on(context);
    check_same(io::run_saved(other, where, context, philox{5}, {},
                             [&](const auto& state) { seen.push_back(state.step()); }),
               expected);
    CHECK(seen.empty()); // nothing was left to do
}

TEST_CASE("another run's file is refused, and so are fewer than one step") {
    const diamond::eigen::context context{.threads = 1};
    const scratch folder;
    auto sampler = sampler_on(context);
    const io::saved_run where{.file = folder / "run.safetensors", .setting = "a test's"};
    (void)io::run_saved(sampler, where, context, philox{5});
    CHECK(message<std::invalid_argument>([&] { (void)io::run_saved(sampler, where, context, philox{6}); }) ==
          Contains("seed"));
    CHECK(reason([&] {
              (void)io::run_saved(sampler, {.file = where.file, .setting = "another's"}, context, philox{5});
          }) == Contains("another's"));
    CHECK(message<std::invalid_argument>([&] {
              (void)io::run_saved(sampler, {.file = where.file, .setting = "a test's", .every = 0}, context,
                                  philox{5});
          }) == "a run that is saved every 0 steps: 1 or more are needed");
    diamond_test::overwrite(where.file, "not a snapshot");
    CHECK_THROWS_AS((void)io::run_saved(sampler, where, context, philox{5}), diamond::io::file_error);
}

#if __has_include(<sys/wait.h>)
TEST_CASE("a run that is killed in its midst goes on to the bits of one that was not") {
    const diamond::eigen::context context{.threads = 1};
    const auto expected = sampler_on(context)(context, philox{5});
    index_t interrupted = 0;
    for (const int kill_after : {0, 25, 60, 110}) { // milliseconds after the first snapshot, of two hundred
        const scratch folder;
        const io::saved_run where{.file = folder / "run.safetensors", .setting = "a test's", .every = 2};
        const auto child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            try {
                auto sampler = sampler_on(context);
                (void)io::run_saved(sampler, where, context, philox{5}, {}, [](const auto&) {
                    std::this_thread::sleep_for(std::chrono::milliseconds{20});
                });
                for (;;) std::this_thread::sleep_for(std::chrono::seconds{1});
            } catch (...) {
                _exit(1);
            }
        }
        while (!std::filesystem::exists(where.file) && waitpid(child, nullptr, WNOHANG) == 0)
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        std::this_thread::sleep_for(std::chrono::milliseconds{kill_after});
        kill(child, SIGKILL);
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));
        const index_t reached = std::filesystem::exists(where.file)
                                  ? io::load_snapshot<double>(where.file, "a test's").step
                                  : 0;
        interrupted += reached > 0 && reached < 12;
        auto sampler = sampler_on(context);
        index_t steps = 0;
        check_same(io::run_saved(sampler, where, context, philox{5}, {}, [&](const auto&) { ++steps; }),
                   expected);
        CHECK(steps == 12 - reached);
    }
    CHECK(interrupted >= 1); // between the first snapshot and the last
}
#endif

} // namespace io_saved_run_test
