// A simulator that throws for some particles, and rewards that are not copied.
#include <functional>
#include <memory>
#include <stdexcept>

#include <diamond/diamond.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/reward/forbid_failures.hpp>

#include "checks.hpp"

namespace reward_forbid_failures_test {

using namespace checks;

namespace {

/// 2 z_0, but where z_0 < 0, where it fails, each time otherwise.
struct simulator {
    double operator()(const auto& z) const {
        const double x = static_cast<double>(z[0]);
        if (x < -1.0) throw 7;
        if (x < 0.0) throw std::runtime_error("diverged");
        return 2.0 * x;
    }
};
struct parallel_simulator : simulator {
    static constexpr bool column_parallel = true;
};
/// Counts its calls, and is not copied: a simulator with a connection, say.
struct unique {
    std::unique_ptr<int> calls = std::make_unique<int>(0);
    double operator()(const auto& z) {
        ++*calls;
        return -0.5 * diamond::square(static_cast<double>(z[0]));
    }
};
/// A differentiable one, by batches.
struct counted_slope {
    int calls = 0;
    template <class View>
    void operator()(View z, diamond::row_view<double, typename View::context_type> values) {
        ++calls;
        for (index_t j = 0; j < z.columns(); ++j) values[j] = 3.0 * static_cast<double>(z(0, j));
    }
    template <class View, class Out>
    void gradient(View, Out out) const {
        for (index_t j = 0; j < out.columns(); ++j)
            for (index_t i = 0; i < out.rows(); ++i)
                out(i, j) = static_cast<typename Out::value_type>(i == 0 ? 3 : 0);
    }
};

} // namespace

TEST_CASE_TEMPLATE("where a simulator throws its particle is forbidden, and counted, on whichever thread",
                   back_end, HOST_BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make(3);
    const auto z = points<Batch>(context, 2, 5000);
    std::int64_t failed = 0;
    const auto wanted = expected(z, [&](const std::vector<double>& x) {
        failed += x[0] < 0.0;
        return x[0] < 0.0 ? -diamond::infinity : 2.0 * x[0];
    });
    const simulator bare;
    CHECK_THROWS(values(bare, z)); // which is what it is for
    diamond::forbid_failures serial{simulator{}};
    diamond::forbid_failures parallel{parallel_simulator{}};
    static_assert(!serial.column_parallel && parallel.column_parallel);
    CHECK(values(serial, z) == wanted);
    CHECK(values(parallel, z) == wanted);
    CHECK(serial.failures() == failed);
    CHECK(parallel.failures() == failed);
    auto copy = serial; // estimators keep copies: the count is of all of them
    CHECK(values(copy, z) == wanted);
    CHECK(serial.failures() == 2 * failed);
    auto inside = diamond::sum_reward{diamond::scaled_reward{0.5, diamond::forbid_failures{simulator{}}},
                                      [](const auto&) { return 0.0; }};
    CHECK(values(inside, z) ==
          expected(z, [](const std::vector<double>& x) { return x[0] < 0.0 ? -diamond::infinity : x[0]; }));
}

TEST_CASE("SMC with a simulator that fails: log Z of the half space where it does not") {
    // z ~ N(0, 1), r = 2 z_0 where z_0 > 0: Z = exp(2) Phi(2). Within 4 of the run's own standard errors, one
    // seed in 16,000 would fail.
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> model(context, {}, {0.0}, {1.0});
    const diamond::exact_posterior draws{model};
    diamond::forbid_failures reward{simulator{}};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{draws},
                         diamond::posterior_value{draws, reward, {.samples = 4}},
                         {.particles = 4000, .steps = 4}};
    const auto result = sampler(context, diamond::philox{3});
    CHECK(result.log_z_standard_error < 0.1);
    CHECK(std::abs(result.log_z - (2.0 + std::log(0.5 * std::erfc(-2.0 / std::sqrt(2.0))))) <
          4.0 * result.log_z_standard_error);
    CHECK(reward.failures() > 1000);
}

TEST_CASE("std::ref of a reward is that reward for everyone, uncopyable, with its gradient and its state") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> model(context, {}, {0.0, 0.0},
                                                                   {1.0, 0.0, 0.0, 1.0});
    const diamond::exact_posterior draws{model};
    unique own;
    diamond::smc sampler{diamond::ddpm_posterior_kernel{draws},
                         diamond::posterior_value{draws, std::ref(own), {.samples = 2}},
                         {.particles = 100, .steps = 3, .pilot_particles = 0}};
    const auto result = sampler(context, diamond::philox{1});
    CHECK(*own.calls == result.spent.reward);
    const auto plain = [](const auto& z) { return -0.5 * diamond::square(static_cast<double>(z[0])); };
    diamond::smc same{diamond::ddpm_posterior_kernel{draws},
                      diamond::posterior_value{draws, plain, {.samples = 2}},
                      {.particles = 100, .steps = 3, .pilot_particles = 0}};
    CHECK(result.log_z == same(context, diamond::philox{1}).log_z);

    counted_slope slope;
    auto doubled = diamond::scaled_reward{2.0, std::ref(slope)};
    const auto z = points<batch>(context, 2, 5);
    CHECK(values(doubled, z) == expected(z, [](const std::vector<double>& x) { return 6.0 * x[0]; }));
    CHECK(slope.calls == 1);
    CHECK(gradients(doubled, z) == std::vector<double>{6, 0, 6, 0, 6, 0, 6, 0, 6, 0});
    const parallel_simulator parallel; // read const, and spread over the threads
    diamond::forbid_failures caught{std::cref(parallel)};
    static_assert(caught.column_parallel);
    CHECK(values(caught, z).size() == 5);
}

} // namespace reward_forbid_failures_test
