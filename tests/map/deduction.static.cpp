/// What maps by ODE are deduced to be, of a velocity field, of an exact divergence and of one that draws;
/// with and without a stream and an inner schedule.
#include <type_traits>

#include <diamond/backend/eigen.hpp>
#include <diamond/density/divergence.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>

namespace {

using diamond::cosine_schedule, diamond::euler, diamond::glass_diamond_map, diamond::linear_schedule,
    diamond::noise_stream, diamond::ode_flow_map;
using field = diamond::gaussian_mixture<diamond::eigen::batch<double>, linear_schedule>;
using exact = diamond::exact_divergence<field>;
using random = diamond::hutchinson_divergence<field>;

template <class Map, class... Parts>
concept deduces = std::is_same_v<Map, decltype(ode_flow_map{std::declval<Parts>()...})>;
static_assert(deduces<ode_flow_map<field, euler>, field, euler>);
static_assert(deduces<ode_flow_map<exact, euler>, exact, euler>);
static_assert(deduces<ode_flow_map<exact, euler>, exact, euler, noise_stream>);
static_assert(deduces<ode_flow_map<random, euler>, random, euler, noise_stream>);

template <class Map, class... Parts>
concept deduces_inner = std::is_same_v<Map, decltype(glass_diamond_map{linear_schedule{},
                                                                       std::declval<Parts>()...})>;
template <class Part, class Inner = linear_schedule>
using glass = glass_diamond_map<linear_schedule, Part, euler, Inner>;
static_assert(deduces_inner<glass<field>, field, euler>);
static_assert(deduces_inner<glass<field, cosine_schedule>, field, euler, cosine_schedule>);
static_assert(deduces_inner<glass<exact>, exact, euler, noise_stream>);
static_assert(deduces_inner<glass<exact, cosine_schedule>, exact, euler, cosine_schedule>);
static_assert(deduces_inner<glass<random>, random, euler, noise_stream>);
static_assert(deduces_inner<glass<random, cosine_schedule>, random, euler, noise_stream, cosine_schedule>);

} // namespace
