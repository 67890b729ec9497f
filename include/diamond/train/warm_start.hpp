/// The start of a network with divergence from a trained sampler of the same layers.
#pragma once

#include <string>
#include <type_traits>

#include <diamond/core/digits_of.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/rows.hpp>
#include <diamond/nn/trained_network.hpp>

namespace diamond {

namespace detail {
/// @throws std::invalid_argument where a network and the sampler that it starts from differ in what surrounds
/// their layers, or theta is too small.
template <class Network, class Sampler, class View>
void require_one_setting(const Network& network, const Sampler& sampler, const View& theta) {
    require(
        network.frame().numbers() == sampler.frame().numbers(),
        "warm start: the sampler has another Gaussian frame, in which its parameters mean something else");
    const auto &ours = network.vector_frame(), &theirs = sampler.vector_frame();
    require(ours.has_value() == theirs.has_value() && (!ours || ours->numbers() == theirs->numbers()),
            "warm start: the sampler has another frame of vector conditions, or one of the two has none");
    require(theta.size() >= network.parameters(), [&] {
        return "warm start: " + digits_of(theta.size()) + " parameters for a network of " +
               digits_of(network.parameters());
    });
}
} // namespace detail

/// Writes the sampler's parameters into the first of theta, those of `network`: all layers but the last as
/// they are, and of the last layer the velocity's rows. The divergence's row stays as it was: at a training's
/// start it is 0, which gives the Gaussian's own divergence. The schedule must be the sampler's, as its type
/// says.
/// @throws std::invalid_argument if the layers differ in anything but that row, or the frames, the classes
/// or the vectors' frames differ.
template <class Batch, class Schedule>
void warm_start(const diamond_mlp_with_divergence<Batch, Schedule>& network,
                const trained_network<diamond_mlp<Batch, Schedule>>& sampler, view_t<Batch> theta) {
    const auto &to = network.layers(), &from = sampler.architecture().layers();
    const index_t d = network.dimension();
    require(to.size() == from.size() && sampler.dimension() == d &&
                network.options().classes == sampler.architecture().options().classes,
            [&] {
                return "warm start of a network with divergence of dimension " + digits_of(d) + " and " +
                       digits_of(to.size()) + " layers from one of dimension " +
                       digits_of(sampler.dimension()) + " and " + digits_of(from.size()) +
                       ": they must agree, and so must the classes";
            });
    detail::require_one_setting(network, sampler.architecture(), theta);
    const auto same_norm = [](const column_norm& a, const column_norm& b) {
        return a.kind == b.kind && a.epsilon == b.epsilon;
    };
    for (std::size_t l = 0; l < to.size(); ++l)
        require(to[l].inputs == from[l].inputs &&
                    to[l].outputs == from[l].outputs + (l + 1 == to.size() ? 1 : 0) &&
                    to[l].kind == from[l].kind && same_norm(to[l].before, from[l].before),
                [&] {
                    return "warm start: layer " + digits_of(l) + " is " + digits_of(to[l].outputs) + " x " +
                           digits_of(to[l].inputs) + " in the network with divergence and " +
                           digits_of(from[l].outputs) + " x " + digits_of(from[l].inputs) +
                           " in the sampler, or of another activation or norm";
                });
    const auto& context = theta.context();
    const auto* const given = sampler.parameters().data();
    const index_t trunk = from.back().offset;
    context.copy(given, trunk, theta.data());
    const index_t columns = to.back().inputs + 1; // the bias is one more column of the last layer's weights
    detail::assign_rows(view_t<Batch>(theta.data() + to.back().offset, d + 1, columns, &context), 0, d,
                        const_view_t<Batch>(given + trunk, d, columns, &context));
    context.copy(given + from.back().norms(), from.back().end() - from.back().norms(),
                 theta.data() + to.back().norms());
}

/// Does the same for layers that are a graph, as those of unet_layers and dit_layers: the graph of `network`
/// must be the sampler's with more nodes behind its own, which make the divergence's row. Their parameters
/// stay as they were.
/// @throws std::invalid_argument if the sampler's graph is not the beginning of the network's, or the frames,
/// the classes or the vectors' frames differ.
template <class Network, class Sampler>
    requires requires(const Network& network, const Sampler& sampler) {
        network.stack().output_nodes();
        sampler.stack().output_nodes();
    }
void warm_start(const Network& network, const trained_network<Sampler>& sampler,
                view_t<typename Network::batch_type> theta) {
    const auto& from = sampler.architecture();
    static_assert(
        std::is_same_v<std::decay_t<decltype(network.schedule())>, std::decay_t<decltype(from.schedule())>>,
        "a network starts from a sampler of its own schedule");
    detail::require_one_setting(network, from, theta);
    const auto &ours = network.stack().nodes(), &theirs = from.stack().nodes();
    for (std::size_t k = 0; k < theirs.size(); ++k)
        require(k < ours.size() && detail::text_of_node(ours[k]) == detail::text_of_node(theirs[k]), [&] {
            return "warm start: node " + digits_of(k) + " of the sampler's graph of " +
                   digits_of(theirs.size()) + " is not that of the network's, of " + digits_of(ours.size());
        });
    theta.context().copy(sampler.parameters().data(), from.parameters(), theta.data());
}

} // namespace diamond
