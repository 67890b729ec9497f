/// A row of a batch stands in expressions for the numbers of that row.
#include <stdexcept>
#include <vector>

#include <diamond/core/expression.hpp>

#include "support/back_ends.hpp"

namespace core_row_of_batch_test {

TEST_CASE_TEMPLATE("a row of a batch is an operand of rows", back_end, BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    const auto x = diamond::from_host<real>(context, 2, 3, std::vector<real>{1, 2, 3, 4, 5, 6});
    diamond::owning_batch<double, typename back_end::context> out(context, 1, 3), total(context, 1, 1);
    assign(row(out), row_of(x, 1));
    CHECK(diamond::to_host(out) == std::vector<double>{2, 4, 6});
    assign(row(out), row(out) - 2.0 * row_of(x.read(), 0) * row_of(x, 1));
    CHECK(diamond::to_host(out) == std::vector<double>{-2, -20, -54});
    context.sum(3, row_of(x, 0), total.data()); // it is a functor of the column
    CHECK(diamond::to_host(total) == std::vector<double>{9});
    diamond::owning_batch<double, typename back_end::context> wide(context, 1, 4);
    CHECK_THROWS_AS(assign(row(wide), row_of(x, 0)), std::invalid_argument);
    CHECK_THROWS_AS(assign(row(out), row_of(x, 2)), std::invalid_argument);
    CHECK_THROWS_AS(assign(row(out), column_sums(row_of(x, 0))), std::invalid_argument);
    typename back_end::batch scaled(context, 2, 3);
    assign(scaled, x * row_of(x, 0)); // beside a batch it stands for the number of each column
    CHECK(diamond::to_host(scaled) == std::vector<real>{1, 2, 9, 12, 25, 30});
}

} // namespace core_row_of_batch_test
