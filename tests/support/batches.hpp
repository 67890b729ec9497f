/// This header moves host numbers into and out of batches of any back end. On the host they are always
/// double.
#pragma once

#include <vector>

#include <diamond/concepts/backend.hpp>

#include "numbers.hpp"

namespace batches {

using diamond::index_t;

/// Returns a d x n batch with these numbers, column by column.
template <class Batch>
[[nodiscard]] Batch make(const diamond::backend_of_t<Batch>& context, index_t d, index_t n,
                         const std::vector<double>& numbers) {
    using real = typename Batch::value_type;
    return diamond::from_host(context, d, n, std::vector<real>(numbers.begin(), numbers.end()));
}
/// Returns n columns that all equal `column`.
template <class Batch>
[[nodiscard]] Batch repeat(const diamond::backend_of_t<Batch>& context, index_t n,
                           const std::vector<double>& column) {
    std::vector<double> numbers;
    for (index_t j = 0; j < n; ++j) numbers.insert(numbers.end(), column.begin(), column.end());
    return make<Batch>(context, static_cast<index_t>(column.size()), n, numbers);
}
/// Returns standard normals times `spread`, from a stream that no other test uses.
template <class Batch>
[[nodiscard]] Batch normal(const diamond::backend_of_t<Batch>& context, index_t d, index_t n,
                           std::uint64_t seed, double spread = 1.0) {
    diamond::owning_batch<double, diamond::backend_of_t<Batch>> drawn(context, d, n);
    context.fill_normal(diamond::philox{seed}.stream(diamond::purpose::user), drawn.mutable_view());
    std::vector<double> numbers = diamond::to_host(drawn);
    for (double& x : numbers) x *= spread;
    return make<Batch>(context, d, n, numbers);
}
template <class Batch>
[[nodiscard]] std::vector<double> host(const Batch& batch) {
    const auto numbers = diamond::to_host(batch);
    return {numbers.begin(), numbers.end()};
}
/// This functor writes all numbers, or one of them, into the memory of any back end.
template <class Batch>
void put(Batch& batch, const std::vector<double>& numbers) {
    const std::vector<typename Batch::value_type> host(numbers.begin(), numbers.end());
    batch.context().from_host(host.data(), static_cast<index_t>(host.size()), batch.data());
}
template <class Batch>
void put(Batch& batch, index_t element, double number) {
    const auto value = static_cast<typename Batch::value_type>(number);
    batch.context().from_host(&value, 1, batch.data() + element);
}
/// Adds `by` times standard normals to all numbers.
template <class Batch>
void perturb(Batch& batch, double by) {
    put(batch, numbers::moved(host(batch), by, numbers::normals<double>(batch.size(), 3)));
}
/// Returns the central difference of f() with respect to one number of a batch, which is restored.
template <class Batch, class F>
[[nodiscard]] double slope(Batch& batch, index_t element, double number, double step, const F& f) {
    put(batch, element, number + step);
    const double high = f();
    put(batch, element, number - step);
    const double low = f();
    put(batch, element, number);
    return (high - low) / (2.0 * step);
}

} // namespace batches
