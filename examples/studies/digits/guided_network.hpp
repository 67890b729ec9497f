/// This header defines classifier-free guidance of a Diamond network.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/combine.hpp>

namespace digits {

/// This network computes v = v_0 + w (v_c - v_0), where v_0 is the mean velocity of the network under
/// labels::unconditional; w = 1 is the network itself. On the diagonal it equals diamond::guided_field. Off
/// the diagonal it mixes the maps of two laws, and the result is the map of no law: chains work as before,
/// but what they sample is no tilt of anything. Models diamond_network. An evaluation costs two evaluations
/// of the network, and one where w = 1.
template <class Network>
class guided_network {
    static_assert(diamond::diagnose_diamond_network<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = diamond::labels;
    using context_type = diamond::backend_of_t<batch_type>;
    struct workspace {
        diamond::workspace_t<Network> network;
        diamond::scratch<typename batch_type::value_type, context_type> unconditional;
    };

    /// Guides a network with this weight.
    /// @throws std::invalid_argument unless the weight is finite.
    guided_network(Network network, double weight) : network_(std::move(network)), weight_(weight) {
        diamond::require(std::isfinite(weight), [&] {
            return "classifier-free guidance of weight " + std::to_string(weight) + ": it must be finite";
        });
    }

    [[nodiscard]] diamond::index_t evaluations() const { return weight_ == 1.0 ? 1 : 2; }
    [[nodiscard]] diamond::index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] auto schedule() const { return network_.schedule(); }
    [[nodiscard]] auto inner_schedule() const { return network_.inner_schedule(); }
    [[nodiscard]] workspace make_workspace(const context_type& context, diamond::index_t columns) const {
        return {network_.make_workspace(context, columns), {}};
    }

    void operator()(const diamond::diamond_arguments<batch_type>& at, const diamond::labels& label,
                    workspace& space, diamond::view_t<batch_type> out) const {
        if (weight_ == 1.0) return network_(at, label, space.network, out);
        space.unconditional.resize(out.context(), out.rows(), out.columns());
        network_(at, diamond::labels(), space.network, space.unconditional.mutable_view());
        network_(at, label, space.network, out);
        diamond::combine(diamond::coefficients<2>(diamond::numbers<2>{{1.0 - weight_, weight_}}), out,
                         space.unconditional.read(), out);
    }

private:
    Network network_;
    double weight_;
};

} // namespace digits
