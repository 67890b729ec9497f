// expect: a condition of your own needs diamond::condition_store<your condition, Context>, with repeat and gather
#include <diamond/backend/eigen.hpp>
#include <diamond/map/diamond_posterior.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/schedule/linear.hpp>

struct prompt {};
struct network {
    using batch_type     = diamond::eigen::batch<float>;
    using condition_type = prompt;
    struct space {};
    static diamond::index_t dimension() { return 2; }
    static space make_workspace(const diamond::eigen::context&, diamond::index_t) { return {}; }
    void operator()(diamond::const_view_t<batch_type>, diamond::time_view, const prompt&, space&, diamond::view_t<batch_type>) const {}
};
using map = diamond::glass_diamond_map<diamond::linear_schedule, network, diamond::heun>;
static_assert(sizeof(diamond::diamond_posterior<map>) > 0);
