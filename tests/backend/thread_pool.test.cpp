/// The thread pool under the CPU back end.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <diamond/backend/detail/thread_pool.hpp>

#include "children.hpp"

namespace backend_thread_pool_test {

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

TEST_CASE("0 threads are as many as can work at once, and fewer are refused") {
    CHECK(thread_pool(0).threads() == diamond::detail::usable_processors());
    CHECK_THROWS_WITH_AS(thread_pool(-2),
                         "a pool of -2 threads: 0 or more are needed, 0 for as many as can work at once",
                         std::invalid_argument);
}

TEST_CASE("threads that cannot be made: an exception, and nothing left behind") {
    // In a child, whose limits are its own: address space for a few stacks more than there are.
    CHECK(in_child([] {
              const auto threads_of_process = [] {
                  std::ifstream status("/proc/self/status");
                  for (std::string word; status >> word;)
                      if (word == "Threads:") return status >> word, word;
                  return std::string();
              };
              std::ifstream pages("/proc/self/statm");
              rlim_t now = 0;
              pages >> now;
              now = now * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 28);
              const rlimit room{now, now};
              setrlimit(RLIMIT_AS, &room);
              for (int again = 0; again < 3; ++again) { // what the first one took is given back
                  try {
                      const thread_pool pool(4096);
                      return false;
                  } catch (const std::system_error& error) {
                      if (!std::string(error.what())
                               .starts_with("a pool of 4096 threads: the system gives no more than "))
                          return false;
                  }
                  if (threads_of_process() != "1") return false;
              }
              thread_pool few(2);
              std::atomic<int> sum = 0;
              few.run(100, [&](index_t block) { sum += static_cast<int>(block); });
              return sum == 4950;
          }) == child_end::right);
}

TEST_CASE("a second thread is refused while the pool is at work for the first, and served after it") {
    for (const int threads : {1, 3}) {
        CAPTURE(threads);
        thread_pool pool(threads);
        std::string said;
        pool.run(1, [&](index_t) {
            std::thread([&] {
                try {
                    pool.run(10, [](index_t) {});
                } catch (const std::logic_error& error) {
                    said = error.what();
                }
            }).join();
        });
        CHECK(said == "the context is at work for another thread: it serves one thread at a time, so make a "
                      "context for each");
        std::atomic<int> calls = 0;
        std::thread([&] { pool.run(10, [&](index_t) { ++calls; }); }).join();
        CHECK(calls == 10);
    }
}

#if defined(__SSE__)
TEST_CASE("all threads work in the caller's floating-point mode, whoever changes it and when") {
    thread_pool pool(3);
    const unsigned before = _mm_getcsr();
    // subnormals flushed to zero, as other libraries set it
    for (const unsigned mode : {before, before | 0x8040u, before}) {
        _mm_setcsr(mode);
        std::atomic<int> others = 0;
        pool.run(1000, [&](index_t) { others += (_mm_getcsr() & ~0x3fu) != (mode & ~0x3fu); });
        CHECK(others == 0);
    }
    _mm_setcsr(before);
}
#endif

TEST_CASE("the lowest failing block is rethrown") {
    thread_pool pool(3);
    for (int again = 0; again < 200; ++again) {
        CHECK_THROWS_WITH(pool.run(50,
                                   [](index_t block) {
                                       block % 7 == 6 ? throw std::runtime_error(std::to_string(block))
                                                      : void();
                                   }),
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
    std::atomic<long> sum = 0;
    std::atomic<bool> clash = false;
    pool.run(20, [&](index_t outer, int outer_worker) {
        pool.run(30, [&](index_t inner, int worker) {
            sum += outer * 30 + inner;
            if (worker != outer_worker) clash = true;
        });
    });
    CHECK(sum == 600 * 599 / 2);
    CHECK(!clash);
    CHECK_THROWS_WITH(
        pool.run(20,
                 [&](index_t) {
                     pool.run(2, [](index_t block) { throw std::runtime_error(std::to_string(block)); });
                 }),
        "0");
}

} // namespace backend_thread_pool_test
