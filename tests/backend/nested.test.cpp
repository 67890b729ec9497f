/// A context's operations inside one another's functors: a column-parallel reward may use the context's
/// reductions and products, in threads of which none may touch the other's memory.
#include <diamond/reward/evaluate.hpp>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_nested_test {

using diamond::index_t, diamond::transpose;

namespace {
/// The sum of a column's numbers over itself and over a long list, and one entry of a product: by the
/// context.
template <class Back>
struct nested_reward {
    static constexpr bool column_parallel = true;
    using real = typename Back::real;

    const typename Back::context* context;
    const real* list;
    index_t length;
    double operator()(diamond::column_view<const real> z) const {
        const double of_list = context->sum(length,
                                            [x = list](index_t k) { return static_cast<double>(x[k]); });
        const double most = context->max(z.size(), [z](index_t i) { return static_cast<double>(z[i]); });
        typename Back::batch out(*context, 1, 1);
        const diamond::batch_view<const real, typename Back::context> column(z.begin(), z.size(), 1, context);
        context->template product<real>(transpose::yes, column, column, out);
        return of_list + most + static_cast<double>(out.data()[0]);
    }
};
} // namespace

TEST_CASE_TEMPLATE("a column-parallel reward that uses the context's reductions and products is right", back,
                   HOST_BACK_ENDS) {
    using real = typename back::real;
    const auto context = back::make(3);
    const index_t rows = 7, columns = 600, length = 20'000;
    const auto host = numbers::normals<real>(rows * columns, 1), list = numbers::normals<real>(length, 2);
    const auto z = diamond::from_host(context, rows, columns, host);
    nested_reward<back> reward{&context, list.data(), length};
    std::vector<double> alone, values(static_cast<std::size_t>(columns));
    for (index_t j = 0; j < columns; ++j) alone.push_back(reward(z.read().column(j)));
    for (int again = 0; again < 5; ++again) {
        diamond::evaluate_reward(reward, z.read(), diamond::no_condition{},
                                 diamond::row(context, columns, values.data()));
        CHECK(numbers::same_bits(values, alone));
    }
    // And a reduction inside a reduction.
    const double total = context.sum(columns, [&](index_t j) { return reward(z.read().column(j)); });
    double sum = 0.0;
    for (const double value : alone) sum += value;
    CHECK(total == doctest::Approx(sum).epsilon(1e-12));
}

} // namespace backend_nested_test
