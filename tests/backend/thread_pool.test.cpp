/// The thread pool under the CPU back end.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/detail/thread_pool.hpp>

using diamond::index_t;
using diamond::detail::thread_pool;

TEST_CASE("a pool runs every block once, whatever the number of threads") {
    for (const int threads : {1, 2, 3, 7}) {
        thread_pool pool(threads);
        CHECK(pool.threads() == threads);
        for (const index_t blocks : {0, 1, 2, 100})
            for (int again = 0; again < 200; ++again) {
                std::vector<std::atomic<int>> seen(static_cast<std::size_t>(blocks));
                pool.run(blocks, [&](index_t block) { ++seen[static_cast<std::size_t>(block)]; });
                CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& count) { return count == 1; }));
            }
    }
}

TEST_CASE("0 threads are one per hardware thread, and fewer are refused") {
    CHECK(thread_pool(0).threads() == std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
    CHECK_THROWS_WITH_AS(thread_pool(-2), "a pool of -2 threads: 0 or more are needed, 0 for one per hardware thread",
                         std::invalid_argument);
}

TEST_CASE("the lowest failing block is rethrown") {
    thread_pool pool(3);
    for (int again = 0; again < 200; ++again) {
        CHECK_THROWS_WITH(pool.run(50, [](index_t block) { block % 7 == 6 ? throw std::runtime_error(std::to_string(block)) : void(); }),
                          "6");
        CHECK_NOTHROW(pool.run(50, [](index_t) {}));
    }
}

TEST_CASE("no two calls at a time have the same worker") {
    thread_pool pool(3);
    std::vector<std::atomic<int>> busy(3);
    std::atomic<bool> clash = false;
    pool.run(10'000, [&](index_t, int worker) {
        auto& mine = busy.at(static_cast<std::size_t>(worker));
        if (mine.fetch_add(1) != 0) clash = true;
        mine.fetch_sub(1);
    });
    CHECK(!clash);
}

TEST_CASE("a run inside a block runs inline, as the same worker") {
    thread_pool pool(3);
    std::atomic<long> sum   = 0;
    std::atomic<bool> clash = false;
    pool.run(20, [&](index_t outer, int outer_worker) {
        pool.run(30, [&](index_t inner, int worker) {
            sum += outer * 30 + inner;
            if (worker != outer_worker) clash = true;
        });
    });
    CHECK(sum == 600 * 599 / 2);
    CHECK(!clash);
    CHECK_THROWS_WITH(pool.run(20, [&](index_t) { pool.run(2, [](index_t block) { throw std::runtime_error(std::to_string(block)); }); }),
                      "0");
}
