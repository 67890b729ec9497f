#include <diamond/backend/eigen.hpp>
#include <diamond/backend/thrust_cpu.hpp>

#include <support/archetypes.hpp>

using diamond::backend;

static_assert(backend<archetypes::context> && diamond::diagnose_backend<archetypes::context>());
static_assert(backend<diamond::eigen::context> && diamond::diagnose_backend<diamond::eigen::context>());
static_assert(backend<diamond::thrust_cpu::context> &&
              diamond::diagnose_backend<diamond::thrust_cpu::context>());
static_assert(std::is_same_v<diamond::backend_of_t<diamond::eigen::batch<float>>, diamond::eigen::context>);
static_assert(
    std::is_same_v<diamond::rebind_t<diamond::eigen::batch<float>, double>, diamond::eigen::batch<double>>);

// backend_of is the one point of customisation: a batch may come from a library that knows nothing of us.
struct foreign_batch {
    using value_type = double;
};
template <>
struct diamond::backend_of<foreign_batch> {
    using type = archetypes::context;
};
static_assert(std::is_same_v<diamond::view_t<foreign_batch>, archetypes::view>);
static_assert(std::is_same_v<diamond::rebind_t<foreign_batch, double>, archetypes::batch>);

struct whole : archetypes::basic_context<whole> {};
struct without_memory : archetypes::basic_context<without_memory> {
    void allocate() const = delete;
};
struct without_for_each : archetypes::basic_context<without_for_each> {
    void for_each() const = delete;
};
struct one_dimensional : archetypes::basic_context<one_dimensional> {
    template <class F>
    void for_each(diamond::index_t, const F&) const; // hides the other
};
struct without_reductions : archetypes::basic_context<without_reductions> {
    void column_sums() const = delete;
};
struct float_sums : archetypes::basic_context<float_sums> {
    template <class F>
    float sum(diamond::index_t, const F&) const;
};
struct without_scan : archetypes::basic_context<without_scan> {
    void scan_sum() const = delete;
};
struct without_search : archetypes::basic_context<without_search> {
    void find_first() const = delete;
};
struct without_lanes : archetypes::basic_context<without_lanes> {
    void lanes() const = delete;
};
struct without_concurrency : archetypes::basic_context<without_concurrency> {
    void concurrency() const = delete;
};
struct lane_without_product : archetypes::lane {
    void product() = delete;
};
struct poor_lanes : archetypes::basic_context<poor_lanes> {
    template <class Body>
        requires std::invocable<const Body&, lane_without_product&, diamond::index_t, diamond::index_t>
    void lanes(diamond::index_t, const Body&) const;
};
static_assert(!backend<without_lanes> && !backend<without_concurrency> && !backend<poor_lanes>);
static_assert(backend<whole>);
static_assert(!backend<without_memory> && !backend<without_for_each> && !backend<one_dimensional> &&
              !backend<without_reductions>);
static_assert(!backend<float_sums> && !backend<without_scan> && !backend<without_search> && !backend<int>);
