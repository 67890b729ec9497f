#include <numeric>
#include <stdexcept>
#include <thread>

#include <diamond/reward/evaluate.hpp>

#include "checks.hpp"

namespace reward_evaluate_test {

using namespace checks;

namespace {

struct sum_of_squares { // pointwise, spread over the threads
    static constexpr bool column_parallel = true;

    template <class Column>
    DIAMOND_HD double operator()(const Column& column) const {
        double sum = 0.0;
        for (const auto x : column) sum += diamond::square(static_cast<double>(x));
        return sum;
    }
};

struct thrower {
    double at;
    double operator()(const auto& column) const {
        if (static_cast<double>(column[0]) == at) throw std::domain_error("no reward here");
        return 0.0;
    }
};
struct parallel_thrower : thrower {
    static constexpr bool column_parallel = true;
};

} // namespace

TEST_CASE_TEMPLATE("a lambda is a reward in each of its forms", back_end, HOST_BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = points<Batch>(context, 3, 40);
    const std::vector<double> sum = expected(z,
                                             [](const std::vector<double>& x) { return x[0] + x[1] + x[2]; });

    const auto pointwise = [](const auto& column) {
        return std::accumulate(column.begin(), column.end(), 0.0);
    };
    CHECK(difference(values(pointwise, z), sum) < tolerance<Batch>);
    const auto indexed = [](const auto& column) { return column[0] + column[1] + column[column.size() - 1]; };
    CHECK(difference(values(indexed, z), sum) < tolerance<Batch>);
    const auto batchwise = [](auto view, auto out) {
        for (index_t j = 0; j < view.columns(); ++j)
            out[j] = static_cast<double>(view(0, j) + view(1, j) + view(2, j));
    };
    CHECK(difference(values(batchwise, z), sum) < tolerance<Batch>);
    const auto conditional = [](auto view, diamond::labels labels, auto out) {
        for (index_t j = 0; j < view.columns(); ++j) out[j] = static_cast<double>(labels[j]);
    };
    CHECK(values(conditional, z, diamond::labels(5)) == std::vector<double>(40, 5.0));
    // One that takes no condition serves under any.
    CHECK(difference(values(pointwise, z, diamond::labels(5)), sum) < tolerance<Batch>);
    // No columns, no calls.
    const Batch empty(context, 3, 0);
    CHECK(values(pointwise, empty).empty());
}

TEST_CASE_TEMPLATE("a reward that keeps state is called once a column, in order, on the caller's thread",
                   back_end, HOST_BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = points<Batch>(context, 2, 5000);
    std::vector<double> seen;
    const auto caller = std::this_thread::get_id();
    bool same = true;
    auto reward = [&, calls = 0](const auto& column) mutable {
        seen.push_back(static_cast<double>(column[0]));
        same = same && std::this_thread::get_id() == caller;
        return calls++;
    };
    std::vector<double> counted(5000);
    std::iota(counted.begin(), counted.end(), 0.0);
    CHECK(values(reward, z) == counted);
    CHECK(seen == expected(z, [](const std::vector<double>& x) { return x[0]; }));
    CHECK(same);
    CHECK(values(reward, z).front() == 5000.0); // by reference: its state stays
}

TEST_CASE_TEMPLATE("a column-parallel reward gives what the plain loop gives", back_end, ALL_BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = points<Batch>(context, 3, 5000);
    const sum_of_squares reward;
    const auto serial = [=](const auto& column) { return reward(column); };
    CHECK(values(reward, z) == values(serial, z));
}

TEST_CASE_TEMPLATE("what a reward throws passes through", back_end, HOST_BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = points<Batch>(context, 2, 5000);
    const double at = static_cast<double>(diamond::to_host(z)[2 * 3210]);
    const thrower serial{at};
    const parallel_thrower parallel{{at}};
    CHECK_THROWS_WITH_AS(values(serial, z), "no reward here", std::domain_error);
    CHECK_THROWS_WITH_AS(values(parallel, z), "no reward here", std::domain_error);
    const sum_of_squares after;
    CHECK(values(after, z).size() == 5000); // the context is as before
}

} // namespace reward_evaluate_test
