/// What fails on a device is told when the host waits, once, by the first check that failed; errors of the
/// device say what to do.
#include <string>

#include <doctest/doctest.h>

#include <diamond/backend/cuda.cuh>
#include <diamond/core/errors.hpp>

namespace cuda_errors_test {

using diamond::index_t;

namespace {
struct above {
    index_t limit;
    DIAMOND_HD bool operator()(index_t j) const { return j > limit; }
};
struct write_index {
    double* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = static_cast<double>(j); }
};
struct is_right {
    const double* x;
    DIAMOND_HD double operator()(index_t j) const { return x[j] == static_cast<double>(j) ? 1.0 : 0.0; }
};
[[noreturn]] void raise_logic_error(const diamond::deferred_error&, index_t j) {
    throw std::logic_error("index " + std::to_string(j));
}
} // namespace

TEST_CASE("the first check that fails is thrown at the next wait, with the least index, and once") {
    const diamond::cuda::context context;
    context.forbid(100, above{200}, {.what = "never"});
    context.forbid(1'000'000, above{70'001}, {.what = "first", .step = 3, .samples = 10});
    context.forbid(100, above{-1}, {.what = "second"});
    CHECK_THROWS_WITH_AS(context.wait(), "first (step 3, particle 7000)", diamond::numeric_error);
    CHECK_NOTHROW(context.wait());
    context.forbid(100, above{98}, {.what = "third", .raise = raise_logic_error});
    CHECK_THROWS_WITH_AS(static_cast<void>(context.find_first(10, above{4})), "index 99", std::logic_error);
    CHECK(context.find_first(10, above{4}) == 5);
    context.forbid(100, above{50}, {.what = "fourth"});
    CHECK_THROWS_AS(static_cast<void>(context.sum(0, is_right{nullptr})), diamond::numeric_error);
    context.forbid(0, above{-1}, {.what = "nothing"});
    CHECK_NOTHROW(context.wait());
}

TEST_CASE("so many checks that their list is looked at without being asked") {
    const diamond::cuda::context context;
    const auto before = context.counted().waits;
    for (int k = 0; k < 70'000; ++k) context.forbid(1, above{0}, {.what = "none"});
    CHECK(context.counted().waits > before);
    CHECK_NOTHROW(context.wait());
}

TEST_CASE("out of memory says how many bytes were asked for, and the context goes on") {
    const diamond::cuda::context context;
    constexpr index_t bytes = index_t{1} << 50;
    std::string what;
    try {
        static_cast<void>(context.allocate<char>(bytes));
    } catch (const diamond::cuda::error& error) {
        what = error.what();
        CHECK(error.code() == cudaErrorMemoryAllocation);
    }
    CHECK(what.find(std::to_string(bytes)) != std::string::npos);
    CHECK(what.find("cudaErrorMemoryAllocation") != std::string::npos);
    CHECK(what.find("Use fewer particles") != std::string::npos);
    diamond::cuda::batch<double> x(context, 1, 100'000);
    context.for_each(x.size(), write_index{x.data()});
    CHECK(context.sum(x.size(), is_right{x.data()}) == 100'000.0);
}

TEST_CASE("a device that there is not") {
    CHECK_THROWS_AS(diamond::cuda::context({.device = 4096}), diamond::cuda::error);
    CHECK_THROWS_AS(diamond::cuda::context({.device = -1}), diamond::cuda::error);
}

TEST_CASE("more numbers than go up at once arrive, and the host's copy may change at once") {
    const diamond::cuda::context context;
    std::vector<double> numbers(1'000'000);
    for (std::size_t k = 0; k < numbers.size(); ++k) numbers[k] = static_cast<double>(k);
    const auto x = diamond::from_host(context, 1, static_cast<index_t>(numbers.size()), numbers);
    numbers.assign(numbers.size(), -1.0);
    CHECK(context.sum(x.size(), is_right{x.data()}) == 1e6);
}

TEST_CASE("a stream of the user's") {
    cudaStream_t stream = nullptr;
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    {
        const diamond::cuda::context context{.stream = stream};
        diamond::cuda::batch<double> x(context, 1, 1000);
        context.for_each(x.size(), write_index{x.data()});
        CHECK(context.sum(x.size(), is_right{x.data()}) == 1000.0);
    }
    cudaStreamDestroy(stream);
}

} // namespace cuda_errors_test
