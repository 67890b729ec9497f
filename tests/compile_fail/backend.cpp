// What is refused of a backend, and in which words: see CMakeLists.txt.
#include <diamond/reward/linear_reward.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // backend_for_each
// expect: a back end's context needs for_each(n, f) and for_each(rows, columns, f), const
struct broken : archetypes::basic_context<broken> {
    void for_each() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 2 // backend_gather
// expect: a back end's context needs gather(const_view, const std::int32_t* ancestors, view), const
struct broken : archetypes::basic_context<broken> {
    void gather() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 3 // backend_lanes
// expect: a back end's context needs lanes(n, body), concurrency(), dense_block_columns() and
// prepare_product<T>, const
struct broken : archetypes::basic_context<broken> {
    void lanes() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 4 // backend_memory
// expect: a back end's context needs allocate<T>(n), deallocate(p, n), to_host, from_host and copy (pointer,
// count, pointer), all const, and static constexpr bool host_memory
struct broken : archetypes::basic_context<broken> {
    void from_host() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 5 // backend_normals
// expect: a back end's context needs fill_normal(diamond::noise_stream, view), const
struct broken : archetypes::basic_context<broken> {
    void fill_normal() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 6 // backend_product
// expect: a back end's context needs product(diamond::transpose, a, b, out) on its views, const
struct broken : archetypes::basic_context<broken> {
    void product() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 7 // backend_reductions
// expect: a back end's context needs column_sums(rows, columns, f, double* out), sum(n, f, out), max(n, f,
// out), double sum(n, f) and double max(n, f), const
struct broken : archetypes::basic_context<broken> {
    float max(diamond::index_t, const diamond::detail::number_probe&) const; // not in double
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 8 // backend_scan
// expect: a back end's context needs scan_sum of std::uint64_t and scan_max of std::int32_t (in, n, out),
// const
struct broken : archetypes::basic_context<broken> {
    void scan_max() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 9 // backend_search
// expect: a back end's context needs index_t find_first(n, predicate) and forbid(n, predicate,
// diamond::deferred_error), const
struct broken : archetypes::basic_context<broken> {
    void find_first() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 10 // backend_softmax
// expect: a back end's context needs softmax(view, double* log_sums) and log_sum_exp(const_view, double*
// out), const
struct broken : archetypes::basic_context<broken> {
    void log_sum_exp() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif

#if CASE == 11 // backend_symmetric_eigen
// expect: a back end's context needs symmetric_eigen(batch_view<double> a, double* values), const
struct broken : archetypes::basic_context<broken> {
    void symmetric_eigen() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
#endif
