/// A context after fork(): a child has one thread, whatever its parent had, and may find the parent's locks
/// taken.
#include <array>
#include <atomic>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

#include "children.hpp"

namespace backend_fork_test {

using diamond::index_t;

namespace {
/// Work for all threads: normals, a product, a reduction and elementwise steps.
template <class Back>
std::vector<typename Back::real> work(const typename Back::context& context) {
    using real = typename Back::real;
    typename Back::batch x(context, 64, 1500), y(context, 64, 1500);
    context.template fill_normal<real>(diamond::philox{3}.stream(diamond::purpose::user), x);
    const auto a = diamond::from_host(context, 64, 64, numbers::normals<real>(64 * 64, 5));
    context.template product<real>(diamond::transpose::no, a, x, y);
    const real scale = static_cast<real>(
        context.sum(x.size(), [p = x.data()](index_t k) { return static_cast<double>(p[k]); }));
    context.for_each(y.size(), [p = y.data(), scale](index_t k) { p[k] += scale; });
    return diamond::to_host(y);
}
bool says_so(const std::string& what) { return what.starts_with("the process was forked inside a block"); }
} // namespace

TEST_CASE_TEMPLATE("a child works with its parent's context, and gets the same bits", back, HOST_BACK_ENDS) {
    const auto expected = [] {
        const auto other = back::make(1);
        return work<back>(other);
    }();
    SUBCASE("before its first use") {
        const auto context = back::make(3);
        CHECK(in_child([&] { return work<back>(context) == expected; }) == child_end::right);
        CHECK(work<back>(context) == expected);
    }
    SUBCASE("after its first use, again and again, and the parent goes on") {
        const auto context = back::make(3);
        CHECK(work<back>(context) == expected);
        for (int again = 0; again < 3; ++again)
            CHECK(in_child([&] {
                      return work<back>(context) == expected && work<back>(context) == expected;
                  }) == child_end::right);
        CHECK(work<back>(context) == expected);
    }
    SUBCASE("a grandchild, whose parent has used it or has not") {
        const auto context = back::make(3);
        CHECK(work<back>(context) == expected);
        for (const bool used : {false, true})
            CHECK(in_child([&] {
                      return (!used || work<back>(context) == expected) &&
                             in_child([&] { return work<back>(context) == expected; }) == child_end::right;
                  }) == child_end::right);
    }
    SUBCASE("a child that makes a context of its own, beside the parent's or instead") {
        const auto context = back::make(3);
        CHECK(work<back>(context) == expected);
        CHECK(in_child([&] {
                  const auto own = back::make(2);
                  return work<back>(own) == expected && work<back>(context) == expected;
              }) == child_end::right);
    }
    SUBCASE("a thread of a child") {
        const auto context = back::make(3);
        CHECK(work<back>(context) == expected);
        CHECK(in_child([&] {
                  bool right = false;
                  std::thread([&] { right = work<back>(context) == expected; }).join();
                  return right;
              }) == child_end::right);
    }
}

TEST_CASE_TEMPLATE("a child's context ends with it, used there or not", back, HOST_BACK_ENDS) {
    for (const bool used_before : {false, true})
        for (const bool used_in_child : {false, true}) {
            CAPTURE(used_before);
            CAPTURE(used_in_child);
            std::unique_ptr<typename back::context> context(new auto(back::make(3)));
            if (used_before) work<back>(*context);
            CHECK(in_child([&] {
                      if (used_in_child) work<back>(*context);
                      context.reset(); // as on return from main
                      return true;
                  }) == child_end::right);
        }
}

TEST_CASE_TEMPLATE("a child forked while another thread is in the middle of the context's work", back,
                   HOST_BACK_ENDS) {
    const auto context = back::make(3);
    const auto expected = work<back>(context);
    std::atomic<bool> stop = false, begun = false;
    std::thread other([&] {
        while (!stop) {
            context.for_each(index_t{100'000}, [](index_t) {});
            begun = true;
        }
    });
    while (!begun) std::this_thread::yield();
    for (int again = 0; again < 20; ++again) {
        CAPTURE(again);
        CHECK(in_child([&] { return work<back>(context) == expected; }) == child_end::right);
    }
    stop = true;
    other.join();
}

TEST_CASE("a child forked inside a block says so, or ends: it has one thread's share of the blocks") {
    const auto context = back_ends::eigen<float>::make(3);
    const pid_t parent = getpid();
    std::atomic<int> calls = 0;
    std::array<std::atomic<pid_t>, 3> children{};
    std::string said;
    try {
        context.for_each(index_t{300'000}, [&](index_t j) {
            if (j % 100'000 != 0 || getpid() != parent) return;
            const pid_t child = fork();
            if (child != 0) {
                children.at(static_cast<std::size_t>(calls++)) = child;
            } else {
                alarm(20);
                std::set_terminate([] { // what a worker's sentence ends in
                    try {
                        std::rethrow_exception(std::current_exception());
                    } catch (const std::runtime_error& error) {
                        std::_Exit(says_so(error.what()) ? 7 : 1);
                    }
                });
            }
        });
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
    if (getpid() != parent) std::_Exit(says_so(said) ? 7 : 1);
    CHECK(said.empty());
    CHECK(calls == 3);
    for (const auto& child : children) {
        int status = 0;
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 7);
    }
}

} // namespace backend_fork_test
