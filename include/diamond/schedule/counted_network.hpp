/// A network together with its workspace and its cost: what maps, kernels and estimators hold in place of the
/// bare network.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/cost.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

/// A network, its workspace, and the cost of its calls. It makes the workspace anew only when a batch grows
/// or comes from another context. A copy copies the network; it has no workspace at first and a cost of 0.
template <class Network>
class counted_network {
public:
    using batch_type = typename Network::batch_type;
    using workspace_type = workspace_t<Network>;

    /// Takes the network whose calls are counted; the cost begins at 0.
    explicit counted_network(Network network) : network_(std::move(network)) {}
    /// A copy has no workspace at first, and a cost of 0.
    counted_network(const counted_network& other) : network_(other.network_) {}
    /// A move takes workspace and cost along.
    counted_network(counted_network&&) noexcept = default;
    /// A copy has no workspace at first, and a cost of 0.
    counted_network& operator=(const counted_network& other) {
        if (this != &other) *this = counted_network(other);
        return *this;
    }
    /// A move takes workspace and cost along.
    counted_network& operator=(counted_network&&) noexcept = default;
    ~counted_network() = default;

    [[nodiscard]] const Network& network() const { return network_; }
    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(network_.dimension()); }
    /// The cost of all calls so far; the caller adds it up.
    [[nodiscard]] const cost& spent() const { return spent_; }
    /// The cost of all calls so far, to be added to.
    [[nodiscard]] cost& spent() { return spent_; }

    /// The workspace for batches of the shape and context of x. It allocates when x has more columns than any
    /// batch before, or another context. @throws std::invalid_argument with both numbers unless x has as many
    /// rows as the network.
    [[nodiscard]] workspace_type& workspace(const_view_t<batch_type> x) {
        require(x.rows() == dimension(), [&] {
            return "the network has dimension " + digits_of(dimension()) + ", the batch has " +
                   digits_of(x.rows()) + " rows";
        });
        if (!workspace_ || x.columns() > capacity_ || context_ != &x.context()) {
            workspace_.reset(); // frees its memory before new memory is allocated
            workspace_.emplace(network_.make_workspace(x.context(), x.columns()));
            capacity_ = x.columns();
            context_ = &x.context();
        }
        return *workspace_;
    }

private:
    Network network_;
    std::optional<workspace_type> workspace_;
    const backend_of_t<batch_type>* context_ = nullptr;
    index_t capacity_ = 0;
    cost spent_;
};

} // namespace diamond
