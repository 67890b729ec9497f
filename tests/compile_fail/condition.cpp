// What is refused of a condition, and in which words: see CMakeLists.txt.
#include <diamond/core/condition.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/schedule/linear.hpp>

#if CASE == 1 // condition_store_gather
// expect: a condition_store needs gather(context, condition, const std::int32_t* ancestors, columns)
#include <diamond/backend/eigen.hpp>

struct prompt {};
template <class Context>
class diamond::condition_store<prompt, Context> {
public:
    prompt repeat(const Context&, const prompt& from, diamond::index_t, diamond::index_t) { return from; }
};
static_assert(diamond::diagnose_condition<prompt, diamond::eigen::context>());
#endif

#if CASE == 2 // condition_store_missing
// expect: a condition of your own needs diamond::condition_store<your condition, Context>, with repeat and
// gather
#include <diamond/backend/eigen.hpp>

struct prompt {};
struct network {
    using batch_type = diamond::eigen::batch<float>;
    using condition_type = prompt;
    struct space {};
    static diamond::index_t dimension() { return 2; }
    static space make_workspace(const diamond::eigen::context&, diamond::index_t) { return {}; }
    void operator()(diamond::const_view_t<batch_type>, diamond::time_view, const prompt&, space&,
                    diamond::view_t<batch_type>) const {}
};
using map = diamond::glass_diamond_map<diamond::linear_schedule, network, diamond::heun>;
static_assert(sizeof(diamond::diamond_map_posterior<map>) > 0);
#endif

#if CASE == 3 // condition_of_columns
// expect: rewards by group take the condition of their columns alone: a condition of your own needs
// columns(first, count) const
#include <diamond/backend/eigen.hpp>
#include <diamond/reward/grouped_reward.hpp>

struct places {
    const int* each;
};
template <class Context>
class diamond::condition_store<places, Context> {
public:
    places repeat(const Context&, const places& from, diamond::index_t, diamond::index_t) { return from; }
    places gather(const Context&, const places& from, const std::int32_t*, diamond::index_t) { return from; }
};
using batch = diamond::eigen::batch<float>;
struct nearness {
    void operator()(diamond::const_view_t<batch>, const places&, diamond::row_t<batch>) const {}
};
void call(diamond::grouped_reward<nearness> rewards, diamond::const_view_t<batch> z,
          diamond::row_t<batch> values) {
    rewards(z, places{}, values);
}
#endif
