/// A diamond_mlp is a Diamond network made of an MLP that is preconditioned by the data's Gaussian. It is a
/// function of its parameters, which it does not own.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include <diamond/nn/mlp.hpp>
#include <diamond/nn/preconditioned_network.hpp>

namespace diamond {

/// Describes the shape of a diamond_mlp.
struct diamond_mlp_options {
    mlp_options mlp = {}; ///< width, blocks and activation of the layers between features and velocity
    /// The number of labels 0 ... classes - 1, beside labels::unconditional; with 0 the network takes no
    /// labels.
    index_t classes = 0;
};

/// A diamond_mlp is a preconditioned_network whose layers are an MLP. Where the parameters of the last layer
/// are 0, as a training begins, it is exactly the Diamond map, with its divergence, of its frame's Gaussian.
/// Cost: one evaluation a column; a tangent is one jvp.
template <class Batch, class Schedule, class Head = no_head>
class diamond_mlp : public preconditioned_network<dense_stack<Batch>, Schedule, Head> {
    using base = preconditioned_network<dense_stack<Batch>, Schedule, Head>;

public:
    /// A network without a vector condition. @throws std::invalid_argument where an option is out of range,
    /// or schedule or head are none.
    diamond_mlp(Schedule schedule, gaussian_frame<Batch> frame, diamond_mlp_options options = {},
                Head head = {})
        : diamond_mlp(std::move(schedule), std::move(frame), std::nullopt, options, head) {}
    /// A network that takes a vector of of_vectors->dimension() numbers, which it reads in the coordinates
    /// of that frame and in units of its deviations; or none where there is no such frame. @throws as above.
    diamond_mlp(Schedule schedule, const gaussian_frame<Batch>& frame,
                const std::optional<gaussian_frame<Batch>>& of_vectors, diamond_mlp_options options = {},
                Head head = {})
        : base(std::move(schedule), frame, of_vectors, options.classes,
               dense_stack<Batch>(
                   mlp_layers(inputs(frame.dimension(), options, of_vectors ? of_vectors->dimension() : 0),
                              frame.dimension() + Head::rows, options.mlp)),
               head),
          options_(options) {}

    /// Returns the layers' shape and the number of classes, as the constructor was given them.
    [[nodiscard]] const diamond_mlp_options& options() const { return options_; }
    /// Returns the layers from the features to the outputs, with the places of their parameters.
    [[nodiscard]] const std::vector<dense_layer>& layers() const { return this->stack().layers(); }

    /// Returns the number of rows of the first layer's inputs in dimension d, given the numbers of a vector
    /// condition. @throws std::invalid_argument for less than 0 classes.
    [[nodiscard]] static index_t inputs(index_t d, const diamond_mlp_options& options,
                                        index_t vector_size = 0) {
        return network_rows{.dimension = d, .classes = options.classes, .vector_size = vector_size}.total();
    }

private:
    diamond_mlp_options options_;
};

/// Names a network with divergence: it has velocity and divergence heads on a shared trunk.
template <class Batch, class Schedule>
using diamond_mlp_with_divergence = diamond_mlp<Batch, Schedule, divergence_head>;

} // namespace diamond
