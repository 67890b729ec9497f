/// Parameters of the stock rewards: vectors that are checked on the host, kept in the memory of the back end
/// and shared by the copies of a reward. The context of the batch that a reward is called with reads them
/// (owning_batch::read_on).
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond::detail {

/// A rows x columns batch of the host's numbers, which all copies of a reward share.
template <class Real, class Context>
[[nodiscard]] std::shared_ptr<const owning_batch<Real, Context>> share(const Context& context, index_t rows,
                                                                       index_t columns,
                                                                       const std::vector<Real>& host) {
    return std::make_shared<const owning_batch<Real, Context>>(from_host<Real>(context, rows, columns, host));
}

/// The size of a vector as an index_t.
template <class Value>
[[nodiscard]] index_t count_of(const std::vector<Value>& numbers) {
    return static_cast<index_t>(numbers.size());
}

/// Checks each number of a vector. @throws std::invalid_argument that names the first one for which `allowed`
/// is false: `what`[i] = x must be `rule`.
template <class Real, class Allowed>
void require_each(const std::string& what, const std::vector<Real>& numbers, const char* rule,
                  Allowed allowed) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
        require(allowed(numbers[i]), [&] {
            return what + "[" + digits_of(i) + "] = " + digits_of(numbers[i]) + " must be " + rule;
        });
}
/// Checks a vector. @throws std::invalid_argument that names the first number that is NaN or infinite.
template <class Real>
void require_finite(const std::string& what, const std::vector<Real>& numbers) {
    require_each(what, numbers, "finite", [](Real x) { return std::isfinite(x); });
}

/// Checks a batch. @throws std::invalid_argument with both numbers unless it has `rows` rows.
template <class View>
void require_rows(const char* where, index_t rows, const View& z) {
    require(z.rows() == rows, [&] {
        return std::string(where) + ": made for " + digits_of(rows) + " rows, the batch has " +
               digits_of(z.rows());
    });
}
/// Checks what a map reads and what it writes. @throws std::invalid_argument with both shapes unless `in` has
/// rows_in rows, `out` has rows_out, and both have as many columns.
template <class In, class Out>
void require_map(const char* where, index_t rows_in, index_t rows_out, const In& in, const Out& out) {
    require(in.rows() == rows_in && out.rows() == rows_out && in.columns() == out.columns(), [&] {
        return std::string(where) + ": maps " + digits_of(rows_in) + " rows to " + digits_of(rows_out) +
               ", given " + digits_of(in.rows()) + " x " + digits_of(in.columns()) + " and " +
               digits_of(out.rows()) + " x " + digits_of(out.columns());
    });
}

} // namespace diamond::detail
