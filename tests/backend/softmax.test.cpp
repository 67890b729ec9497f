/// Softmax and log-sum-exp against the definition on the host, at the ends of the range too.
#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_softmax_test {

using diamond::index_t, diamond::infinity, numbers::at;

namespace {
/// log sum_i exp x_i in long double; also the softmax, if asked.
template <class Real>
long double exact_log_sum(const std::vector<Real>& x, std::vector<long double>* softmax = nullptr) {
    long double high = -std::numeric_limits<long double>::infinity(), sum = 0.0L;
    for (const Real value : x) high = std::max(high, static_cast<long double>(value));
    for (const Real value : x) sum += std::exp(value - high);
    if (softmax)
        for (const Real value : x) softmax->push_back(std::exp(value - high) / sum);
    return high + std::log(sum);
}
template <class Real>
struct softmax_result {
    std::vector<Real> x;
    std::vector<double> log_sums;
};
template <class Back>
softmax_result<typename Back::real> softmax(index_t rows, index_t columns,
                                            const std::vector<typename Back::real>& host) {
    const auto context = Back::make();
    auto x = diamond::from_host(context, rows, columns, host);
    auto log_sums = diamond::from_host(context, 1, columns,
                                       std::vector<double>(static_cast<std::size_t>(columns), 77.0));
    context.template softmax<typename Back::real>(x, log_sums.data());
    return {diamond::to_host(x), diamond::to_host(log_sums)};
}
template <class Back>
std::vector<double> log_sum_exp(index_t rows, index_t columns, const std::vector<double>& host) {
    const auto context = Back::make();
    const auto x = diamond::from_host(context, rows, columns, host);
    auto out = diamond::from_host(context, 1, columns,
                                  std::vector<double>(static_cast<std::size_t>(columns), 77.0));
    context.log_sum_exp(x, out.data());
    return diamond::to_host(out);
}
} // namespace

TEST_CASE_TEMPLATE("softmax and log-sum-exp of any shape", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    for (const auto& [rows, columns, spread] : {std::tuple<index_t, index_t, double>{1, 1, 1},
                                                {2, 9, 1},
                                                {3, 9, 10},
                                                {16, 3, 1},
                                                {17, 1000, 30},
                                                {100, 7, 1000},
                                                {5000, 3, 3}}) {
        CAPTURE(rows);
        CAPTURE(columns);
        auto host = numbers::normals<real>(rows * columns, 1);
        for (real& value : host) value *= static_cast<real>(spread);
        const auto result = softmax<back_end>(rows, columns, host);
        const auto log_sums = log_sum_exp<back_end>(rows, columns,
                                                    std::vector<double>(host.begin(), host.end()));
        for (index_t j = 0; j < columns; ++j) {
            const std::vector<real> column(host.begin() + j * rows, host.begin() + (j + 1) * rows);
            std::vector<long double> exact;
            const auto log_sum = static_cast<double>(exact_log_sum(column, &exact));
            REQUIRE(at(result.log_sums, j) == doctest::Approx(log_sum).epsilon(back_end::tolerance));
            REQUIRE(at(log_sums, j) == doctest::Approx(log_sum).epsilon(1e-14));
            double sum = 0.0;
            for (index_t i = 0; i < rows; ++i) {
                const double p = static_cast<double>(at(result.x, i + rows * j));
                sum += p;
                // The argument x - max is rounded, which exp turns into a relative error; what is below the
                // normal range may be 0.
                const auto wanted = static_cast<double>(at(exact, i));
                const auto depth = 4.0 + std::abs(static_cast<double>(at(column, i)) - log_sum);
                REQUIRE(std::abs(p - wanted) <=
                        4.0 * depth * back_end::epsilon * wanted + std::numeric_limits<real>::min() * 2.0);
            }
            REQUIRE(sum == doctest::Approx(1.0).epsilon(back_end::tolerance));
        }
    }
}

TEST_CASE_TEMPLATE("softmax of nothing", back_end, ALL_BACK_ENDS) {
    CHECK(softmax<back_end>(0, 3, {}).log_sums == std::vector<double>(3, -infinity));
    CHECK(softmax<back_end>(3, 0, {}).log_sums.empty());
    CHECK(log_sum_exp<back_end>(0, 3, {}) == std::vector<double>(3, -infinity));
    CHECK(log_sum_exp<back_end>(0, 0, {}).empty());
}

TEST_CASE_TEMPLATE("softmax at the ends of the range", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const real inf = std::numeric_limits<real>::infinity(), nan = std::numeric_limits<real>::quiet_NaN(),
               big = std::numeric_limits<real>::max() / 4;
    for (const index_t rows : {1, 2, 5, 16, 40}) {
        CAPTURE(rows);
        const auto with = [&](real value, real others, index_t where) {
            std::vector<real> host(static_cast<std::size_t>(rows), others);
            at(host, where) = value;
            return host;
        };
        const auto one = [&](index_t where) {
            std::vector<real> result(static_cast<std::size_t>(rows), real{0});
            at(result, where) = 1;
            return result;
        };
        const auto wide = [](const std::vector<real>& x) { return std::vector<double>(x.begin(), x.end()); };
        for (const index_t where : {index_t{0}, rows - 1}) {
            // Dead entries get exactly nothing.
            for (const real dead : {-inf, -big}) {
                const auto alive = softmax<back_end>(rows, 1, with(2, dead, where));
                CHECK(alive.x == one(where));
                CHECK(alive.log_sums.front() == 2.0);
                CHECK(log_sum_exp<back_end>(rows, 1, wide(with(2, dead, where))).front() == 2.0);
            }
            // Nothing overflows.
            const auto far = softmax<back_end>(rows, 1, with(big, -big, where));
            CHECK(far.x == one(where));
            CHECK(far.log_sums.front() == static_cast<double>(big));

            // All dead: no weight anywhere, and no NaN.
            const auto dead = softmax<back_end>(rows, 1, with(-inf, -inf, where));
            CHECK(dead.x == std::vector<real>(static_cast<std::size_t>(rows), real{0}));
            CHECK(dead.log_sums.front() == -infinity);
            CHECK(log_sum_exp<back_end>(rows, 1, wide(with(-inf, -inf, where))).front() == -infinity);

            // NaN and +inf are seen.
            for (const real others : {real{1}, -inf, inf}) {
                const auto spoilt = softmax<back_end>(rows, 1, with(nan, others, where));
                CHECK(std::isnan(spoilt.log_sums.front()));
                CHECK(std::isnan(at(spoilt.x, where)));
                CHECK(std::isnan(log_sum_exp<back_end>(rows, 1, wide(with(nan, others, where))).front()));
            }
            const auto infinite = softmax<back_end>(rows, 1, with(inf, 1, where));
            CHECK(infinite.log_sums.front() == infinity);
            CHECK(std::isnan(at(infinite.x, where)));
            CHECK(log_sum_exp<back_end>(rows, 1, wide(with(inf, 1, where))).front() == infinity);
        }
    }
}

TEST_CASE_TEMPLATE("a spoilt column does not touch its neighbours", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    auto host = numbers::normals<real>(3 * 5, 1);
    const auto clean = softmax<back_end>(3, 5, host);
    at(host, 3 * 2) = std::numeric_limits<real>::quiet_NaN();
    const auto spoilt = softmax<back_end>(3, 5, host);
    for (index_t j = 0; j < 5; ++j) CHECK(std::isnan(at(spoilt.log_sums, j)) == (j == 2));
    for (index_t k = 0; k < 15; ++k) CHECK((k / 3 == 2 || at(spoilt.x, k) == at(clean.x, k)));
}

} // namespace backend_softmax_test
