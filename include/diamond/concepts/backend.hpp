/// A back end is where batches live and where the dozen operations run that the library computes with.
///
/// A context is the handle of a back end: its threads, or its device, stream and pool. Numerical work that is
/// none of these operations is a named DIAMOND_HD functor, or an expression, that is given to for_each and is
/// written once for all back ends. Operations happen in the order of their calls. On a device they may happen
/// later, and only to_host and the operations that return a number wait for them.
///
/// A type C models `backend` if, with pointers into its own memory,
///   1. c.allocate<T>(n) and c.deallocate(p, n) own memory, and c.to_host(p, n, host), c.from_host(host, n,
///      p) and c.copy(p, n, q) move n numbers; the constant bool C::host_memory says that the host may read
///      and write that memory itself, and that operations are done when they return;
///   2. c.for_each(n, f) calls f(j) for j < n, and c.for_each(d, n, f) calls f(i, j) for i < d and j < n, in
///      any order. A functor whose calls cost far more than the copy of a number may say how many times as
///      much, `static constexpr index_t relative_cost`, which helps to spread the work;
///   3. c.column_sums(d, n, f, out) writes out[j] = sum_i f(i, j) in double; c.sum(n, f, out) and c.max(n, f,
///      out) reduce f(j) to one double, and c.sum(n, f) and c.max(n, f) return it to the host. No result
///      depends on the number of threads, and a NaN is the largest number;
///   4. c.product(op, a, b, out) writes op(a) b, where op is the identity or the transpose;
///   5. c.softmax(x, log_sums) replaces each column by its softmax and writes the log of its sum of
///      exponentials; c.log_sum_exp(x, out) writes only that;
///   6. c.gather(x, ancestors, out) writes out(:, j) = x(:, ancestors[j]);
///   7. c.scan_sum(in, n, out) writes the inclusive sums of 64-bit integers, and c.scan_max(in, n, out) the
///      inclusive maxima of 32-bit ones;
///   8. c.fill_normal(stream, out) writes the normals of random/normal.hpp, of the words that
///      stream.words(column, block) has: those of a key a group where the stream has groups;
///   9. c.find_first(n, f) returns the least j for which f(j) holds, or n; c.forbid(n, f, why) throws what
///      `why`, a deferred_error, says of that j, if there is one: at once, or else when the host next waits,
///      and then of the first call that found one;
///  10. c.lanes(n, body) calls body(lane, task, worker) for task < n and worker < c.concurrency(), no two
///      calls at once with one worker. A lane does the work of dense layers on its own: affine(W, b, h, out,
///      outputs, columns, inputs, parts) writes W h + b, and behind it W h' of the tangent where there are
///      two parts; product(op_a, a, op_b, b, out, rows, columns, depth) adds op(a) op(b) to out; activate and
///      pull_back are the two directions of activations (nn/dense_stack.hpp); copy, fill and add_columns move
///      numbers; for_each(d, n, f) calls f(i, j). A lane may have convolve(window, weights, bias, map,
///      images, out, add, room, numbers) and correlate(window, k, map, images, gradient, room, numbers),
///      convolutions and the gradients of their weights (core/kernel_window.hpp), where it does these better
///      than by products of surroundings. c.dense_block_columns() is the number of columns that suits a lane
///      best, and c.prepare_product<T>(rows, columns, depth) makes room for a product. A context may have
///      c.working_set_bytes(), the bytes of a buffer that it works on together where a model has many parts;
///      without it a second-level cache for each worker is assumed;
///  11. c.symmetric_eigen(a, values) diagonalises a symmetric d x d matrix of double, for parameters: it may
///      allocate and wait. The columns of a become orthonormal eigenvectors of either sign, and values[k], in
///      ascending order, the eigenvalue of column k, each to rounding of the largest one.
/// Where the memory is the host's, several threads may call symmetric_eigen at once, and may allocate and
/// copy at once: they make models from one model. A back end need not be copyable, nor serve two threads at
/// once.
///
/// Models: eigen::context, thrust_cpu::context, thrust_omp::context, cuda::context. Used by: everything that
/// computes.
#pragma once

#include <concepts>
#include <cstdint>

#include <diamond/core/batch.hpp>
#include <diamond/core/dense.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/row.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

/// Says whether op(a) in a product is a itself or its transpose.
enum class transpose : bool { no, yes };

/// Names the context type that a batch belongs to, `type`. It is the library's only customisation point.
template <class Batch>
struct backend_of {};
/// Names the context of a batch that says `context_type` itself, as every batch of the library does.
template <class Batch>
    requires requires { typename Batch::context_type; }
struct backend_of<Batch> {
    /// The type of the context that allocates the batch and works on it.
    using type = typename Batch::context_type;
};
/// Names the context type of a batch: the back end that owns its memory and runs operations on it.
template <class Batch>
using backend_of_t = typename backend_of<Batch>::type;

/// Names the view of a batch, d x N, that can be written to.
template <class Batch>
using view_t = batch_view<typename Batch::value_type, backend_of_t<Batch>>;
/// Names the read-only view of a batch, d x N.
template <class Batch>
using const_view_t = batch_view<const typename Batch::value_type, backend_of_t<Batch>>;
/// Names the row that can be written to beside a batch: one number a particle, in double whatever the
/// particles are, as rewards, values, divergences and log densities are.
template <class Batch>
using row_t = row_view<double, backend_of_t<Batch>>;
/// Names the read-only row beside a batch: N doubles, one a particle.
template <class Batch>
using const_row_t = row_view<const double, backend_of_t<Batch>>;
/// Names a batch of another number type in the memory of the same back end: log weights, values and times are
/// double whatever the particles are.
template <class Batch, class Value>
using rebind_t = owning_batch<Value, backend_of_t<Batch>>;

namespace detail {
/// The probes are functors of the kinds that a back end must take.
struct element_probe {
    DIAMOND_HD void operator()(index_t) const {}
    DIAMOND_HD void operator()(index_t, index_t) const {}
};
struct number_probe {
    DIAMOND_HD double operator()(index_t) const { return 0.0; }
    DIAMOND_HD double operator()(index_t, index_t) const { return 0.0; }
};
struct predicate_probe {
    DIAMOND_HD bool operator()(index_t) const { return true; }
};

struct lane_probe {
    const double* a;
    double* out;
    template <class Lane>
        requires requires(Lane& lane, const double* x, double* y, index_t n) {
            lane.product(transpose::no, x, transpose::yes, x, y, n, n, n);
            lane.activate(activation::silu, x, x, y, n, n);
            lane.pull_back(activation::silu, x, y, n, n);
            lane.copy(x, n, y);
            lane.fill(y, n, 0.0);
            lane.for_each(n, n, element_probe{});
            lane.affine(x, x, x, y, n, n, n, n);
            lane.add_columns(x, n, n, y);
        }
    void operator()(Lane&, index_t, index_t) const {}
};

template <class C>
concept backend_memory = requires(const C& c, double* p, const double* q, index_t n) {
    { C::host_memory } -> std::convertible_to<bool>;
    { c.template allocate<double>(n) } -> std::same_as<double*>;
    c.deallocate(p, n);
    c.to_host(q, n, p);
    c.from_host(q, n, p);
    c.copy(q, n, p);
};
template <class C>
concept backend_for_each = requires(const C& c, index_t n, element_probe f) {
    c.for_each(n, f);
    c.for_each(n, n, f);
};
template <class C>
concept backend_reductions = requires(const C& c, index_t n, number_probe f, double* out) {
    c.column_sums(n, n, f, out);
    c.sum(n, f, out);
    c.max(n, f, out);
    { c.sum(n, f) } -> std::same_as<double>;
    { c.max(n, f) } -> std::same_as<double>;
};
template <class C>
concept backend_product = requires(const C& c, batch_view<const double, C> a, batch_view<double, C> out) {
    c.product(transpose::yes, a, a, out);
};
template <class C>
concept backend_softmax = requires(const C& c, batch_view<double, C> x, double* out) {
    c.softmax(x, out);
    c.log_sum_exp(batch_view<const double, C>(x), out);
};
template <class C>
concept backend_gather = requires(const C& c, batch_view<const double, C> x, const std::int32_t* a,
                                  batch_view<double, C> out) { c.gather(x, a, out); };
template <class C>
concept backend_scan = requires(const C& c, const std::uint64_t* in, std::uint64_t* out,
                                const std::int32_t* in_32, std::int32_t* out_32, index_t n) {
    c.scan_sum(in, n, out);
    c.scan_max(in_32, n, out_32);
};
template <class C>
concept backend_normals = requires(const C& c, noise_stream stream, batch_view<double, C> out) {
    c.fill_normal(stream, out);
};
template <class C>
concept backend_lanes = requires(const C& c, index_t n, const double* a, double* out) {
    { c.concurrency() } -> std::convertible_to<index_t>;
    { c.dense_block_columns() } -> std::convertible_to<index_t>;
    c.template prepare_product<double>(n, n, n);
    c.lanes(n, lane_probe{a, out});
};
template <class C>
concept backend_symmetric_eigen = requires(const C& c, batch_view<double, C> a, double* values) {
    c.symmetric_eigen(a, values);
};
template <class C>
concept backend_search = requires(const C& c, index_t n, predicate_probe f, const deferred_error& why) {
    { c.find_first(n, f) } -> std::same_as<index_t>;
    c.forbid(n, f, why);
};
} // namespace detail

/// The context of a back end, with the numbered operations.
template <class C>
concept backend = detail::backend_memory<C> && detail::backend_for_each<C> && detail::backend_reductions<C> &&
                  detail::backend_product<C> && detail::backend_softmax<C> && detail::backend_gather<C> &&
                  detail::backend_scan<C> && detail::backend_normals<C> && detail::backend_search<C> &&
                  detail::backend_lanes<C> && detail::backend_symmetric_eigen<C>;

/// The ladder of the concept: its static_asserts say what to write where C breaks a clause, the first one
/// first.
template <class C>
consteval bool diagnose_backend() {
    static_assert(detail::backend_memory<C>,
                  "a back end's context needs allocate<T>(n), deallocate(p, n), to_host, from_host and copy "
                  "(pointer, count, pointer), all const, and static constexpr bool host_memory");
    static_assert(detail::backend_for_each<C>,
                  "a back end's context needs for_each(n, f) and for_each(rows, columns, f), const");
    static_assert(detail::backend_reductions<C>,
                  "a back end's context needs column_sums(rows, columns, f, double* out), sum(n, f, out), "
                  "max(n, f, out), double sum(n, f) and double max(n, f), const");
    static_assert(detail::backend_product<C>,
                  "a back end's context needs product(diamond::transpose, a, b, out) on its views, const");
    static_assert(detail::backend_softmax<C>, "a back end's context needs softmax(view, double* log_sums) "
                                              "and log_sum_exp(const_view, double* out), const");
    static_assert(
        detail::backend_gather<C>,
        "a back end's context needs gather(const_view, const std::int32_t* ancestors, view), const");
    static_assert(detail::backend_scan<C>, "a back end's context needs scan_sum of std::uint64_t and "
                                           "scan_max of std::int32_t (in, n, out), const");
    static_assert(detail::backend_normals<C>,
                  "a back end's context needs fill_normal(diamond::noise_stream, view), const");
    static_assert(detail::backend_search<C>, "a back end's context needs index_t find_first(n, predicate) "
                                             "and forbid(n, predicate, diamond::deferred_error), const");
    static_assert(
        detail::backend_lanes<C>,
        "a back end's context needs lanes(n, body), concurrency(), dense_block_columns() and "
        "prepare_product<T>, const, and its lanes affine, product, activate, pull_back, copy, fill, "
        "for_each and add_columns");
    static_assert(detail::backend_symmetric_eigen<C>,
                  "a back end's context needs symmetric_eigen(batch_view<double> a, double* values), const");
    return true;
}

} // namespace diamond
