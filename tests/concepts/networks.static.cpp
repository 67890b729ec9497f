// What models the concepts of networks, and what does not.
#include <diamond/backend/eigen.hpp>
#include <diamond/backend/thrust_cpu.hpp>
#include <diamond/diamond.hpp>

#include <support/archetypes.hpp>

using diamond::diamond_mlp, diamond::diamond_network, diamond::differentiable_diamond_network,
    diamond::linear_schedule, diamond::trainable_network, diamond::trained_network;

static_assert(diamond_network<archetypes::diamond_network> &&
              !differentiable_diamond_network<archetypes::diamond_network>);
static_assert(differentiable_diamond_network<archetypes::differentiable_diamond_network>);
static_assert(trainable_network<archetypes::trainable_network> &&
              !diamond_network<archetypes::trainable_network>);
static_assert(!trainable_network<archetypes::diamond_network> && !diamond_network<int> &&
              !trainable_network<int>);

template <class Batch>
constexpr bool ours = trainable_network<diamond_mlp<Batch, linear_schedule>> &&
                      differentiable_diamond_network<trained_network<diamond_mlp<Batch, linear_schedule>>>;
static_assert(ours<diamond::eigen::batch<float>> && ours<diamond::eigen::batch<double>> &&
              ours<diamond::thrust_cpu::batch<float>>);

template <class Network>
constexpr bool of_images = trainable_network<Network> &&
                           differentiable_diamond_network<trained_network<Network>>;
static_assert(
    of_images<diamond::diamond_unet<diamond::eigen::batch<float>, linear_schedule>> &&
    of_images<diamond::diamond_dit<diamond::thrust_cpu::batch<double>, linear_schedule>> &&
    diamond::trainable_network_with_divergence<
        diamond::diamond_unet<diamond::eigen::batch<float>, linear_schedule, diamond::divergence_head>>);

static_assert(diamond::trainable_network_with_divergence<archetypes::trainable_network_with_divergence> &&
              !diamond::trainable_network_with_divergence<archetypes::trainable_network>);
static_assert(!diamond::diamond_network_with_divergence<archetypes::diamond_network>);
template <class Batch>
constexpr bool ours_with_divergence = [] {
    using architecture = diamond::diamond_mlp_with_divergence<Batch, linear_schedule>;
    using network = diamond::trained_network<architecture>;
    return diamond::trainable_network_with_divergence<architecture> &&
           !diamond::trainable_network_with_divergence<diamond_mlp<Batch, linear_schedule>> &&
           differentiable_diamond_network<network> &&
           diamond::differentiable_diamond_network_with_divergence<network> &&
           diamond::differentiable_flow_map_with_divergence<diamond::network_flow_map<network>> &&
           diamond::flow_map<diamond::network_flow_map<network>>;
}();
static_assert(ours_with_divergence<diamond::eigen::batch<float>> &&
              ours_with_divergence<diamond::eigen::batch<double>> &&
              ours_with_divergence<diamond::thrust_cpu::batch<float>>);

using map =
    diamond::network_diamond_map<trained_network<diamond_mlp<diamond::eigen::batch<float>, linear_schedule>>>;
static_assert(diamond::differentiable_diamond_map<map> &&
              diamond::diamond_map<diamond::network_diamond_map<archetypes::diamond_network>>);
static_assert(
    !diamond::differentiable_diamond_map<diamond::network_diamond_map<archetypes::diamond_network>>);
