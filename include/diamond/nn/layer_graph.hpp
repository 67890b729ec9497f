/// A layer_graph composes layers (nn/layers/) into one function of the columns of a batch: convolution
/// networks, transformers, and whatever a user's own layers make.
///
/// A graph is a list of nodes. Each is a layer and the nodes before it that it is made of, so that data can
/// describe it, and a file can hold it. A block of images runs through all nodes in one lane of a back end,
/// value and tangent together; going back, the nodes run in the reverse order, and each adds to the
/// cotangents of those that it is made of. The blocks are fixed, and so is the order in which their gradients
/// are added, so that no bit depends on the number of threads.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/nn/detail/add_groups.hpp>
#include <diamond/nn/layers/convolution.hpp>
#include <diamond/nn/layers/group_norm.hpp>
#include <diamond/nn/layers/input_rows.hpp>
#include <diamond/nn/layers/modulation.hpp>
#include <diamond/nn/layers/pixel_norm.hpp>
#include <diamond/nn/layers/pixel_shuffle.hpp>
#include <diamond/nn/layers/pointwise.hpp>
#include <diamond/nn/layers/position_embedding.hpp>
#include <diamond/nn/layers/resize.hpp>
#include <diamond/nn/layers/self_attention.hpp>
#include <diamond/random/draw.hpp>

namespace diamond {

/// Names the layers that a graph is made of: those of the library, and a user's own.
template <class... Own>
using any_layer = std::variant<input_rows, convolution, activation_layer, sum_layer, group_norm, pixel_norm,
                               modulation, gated_sum, concatenation, up_sampling, average_pooling,
                               self_attention, position_embedding, pixel_shuffle, Own...>;

/// Describes a graph of layers, of which a layer_graph is made: its nodes in the order in which they run.
template <class... Own>
struct layer_list {
    static_assert((diagnose_layer<Own>() && ...));
    /// Describes a layer and the nodes that it is made of.
    struct node {
        any_layer<Own...> layer;        ///< what makes the node's feature map
        std::vector<index_t> from = {}; ///< the places of what it is made of, all before its own
    };
    std::vector<node> nodes = {}; ///< in the order in which they run
    /// The nodes whose maps are the rows of the graph's output, one below the other, each with the channel as
    /// its outermost index, as in input_rows.
    std::vector<index_t> outputs = {};

    /// Appends a layer, made of the maps of these nodes. @return its place.
    // By reference: by value g++ 12 with AVX-512 passes the constant convolution{1, 1, 1, 0} as {1, 1, 1, 1}.
    template <class... Nodes>
    index_t add(const any_layer<Own...>& layer, Nodes... from) {
        nodes.push_back({layer, {static_cast<index_t>(from)...}});
        return static_cast<index_t>(nodes.size()) - 1;
    }
};

namespace detail {
/// Lays out feature maps that live for a while, each in a room that it has for itself while it lives.
struct room_plan {
    std::vector<std::size_t> room = {}; ///< of each node
    std::vector<index_t> largest = {};  ///< the size of the largest map in each room

    /// Takes the free room that fits a map best, or a new one.
    void take(std::size_t node, index_t size, std::vector<bool>& free) {
        std::size_t best = largest.size();
        const auto misfit = [&](std::size_t r) {
            return largest[r] < size ? size - largest[r] : largest[r] - size;
        };
        for (std::size_t r = 0; r < largest.size(); ++r)
            if (free[r] && (best == largest.size() || misfit(r) < misfit(best))) best = r;
        if (best == largest.size()) {
            largest.push_back(0);
            free.push_back(true);
        }
        free[best] = false;
        room[node] = best;
        largest[best] = std::max(largest[best], size);
    }
};
} // namespace detail

/// Runs a graph of layers, without their parameters: these are one vector theta in the back end's memory. It
/// is const and re-entrant; what a call needs is in its workspace. It is used as a dense_stack is.
template <class Batch, class... Own>
class layer_graph {
public:
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    /// What describes the graph.
    using list_type = layer_list<Own...>;

    /// Points to a batch and its tangent, column-major in the back end's memory; a null tangent means that
    /// there is none.
    struct dual_in {
        const real* value;             ///< inputs x n
        const real* tangent = nullptr; ///< its derivative along a direction; null: none
    };
    /// Points to where a batch and its tangent are written; a null tangent is not written.
    struct dual_out {
        real* value;             ///< outputs x n
        real* tangent = nullptr; ///< null: nowhere
        /// Returns where the value goes, and the tangent.
        [[nodiscard]] std::array<real*, 2> both() const { return {value, tangent}; }
    };
    /// Describes a node of the graph: a layer, what it is made of, and what it gives.
    struct node {
        any_layer<Own...> layer;           ///< what makes its map
        std::vector<index_t> from;         ///< the places of what it is made of
        std::vector<feature_shape> shapes; ///< of these
        feature_shape shape;               ///< of what it gives
        index_t offset = 0;                ///< the place of its parameters in theta
        index_t parameters = 0;            ///< how many they are
        /// Says of each of what it is made of whether a cotangent stands there already when the backward pass
        /// comes to the node.
        std::array<bool, most_layer_inputs> adds = {};
    };
    /// Holds the working space of a call: rooms for the maps of a lane, all maps of a recorded pass, and sums
    /// of gradients.
    struct workspace {
        /// The maps of a recorded pass, the lanes' rooms, and the sums of gradients of groups of blocks.
        scratch<real, context_type> states, lanes, gradients;
        std::vector<index_t> recorded; ///< where each node's map begins among those of a recorded block
        std::vector<index_t> begins;   ///< where each node's map begins among the rooms of a lane
        std::vector<index_t> rooms;    ///< the numbers of each room of a lane
        index_t columns = 0;           ///< of the recorded pass; 0: none
        bool has_tangent = false;      ///< of the recorded pass
    };

    /// Takes the rows of the input and the nodes. @throws std::invalid_argument, with the place of the node,
    /// where one is made of nodes that are not before it or of shapes that its layer does not take, an input
    /// is not among the rows, or there is no output.
    layer_graph(index_t inputs, list_type list) : inputs_(inputs), outputs_of_(std::move(list.outputs)) {
        require(inputs > 0, "a graph of layers needs rows of input");
        require(!outputs_of_.empty(), "a graph of layers needs an output: give the places of the nodes that "
                                      "are its outputs");
        for (auto& next : list.nodes) add(std::move(next.layer), std::move(next.from));
        for (const index_t at : outputs_of_) {
            require(at >= 0 && at < static_cast<index_t>(nodes_.size()), [&] {
                return "node " + digits_of(at) + " is an output of a graph of " + digits_of(nodes_.size()) +
                       " nodes";
            });
            require(std::ranges::count(outputs_of_, at) == 1, [&] {
                return "node " + digits_of(at) +
                       " is an output of a graph twice: give it once, or a second node of its own";
            });
            rows_ += nodes_[static_cast<std::size_t>(at)].shape.size();
        }
        plan();
    }

    /// Returns the nodes, in the order in which they run.
    [[nodiscard]] const std::vector<node>& nodes() const { return nodes_; }
    /// Returns the places of the nodes whose maps are the output.
    [[nodiscard]] const std::vector<index_t>& output_nodes() const { return outputs_of_; }
    /// Returns the number of rows of the input.
    [[nodiscard]] index_t inputs() const { return inputs_; }
    /// Returns the number of rows of the output.
    [[nodiscard]] index_t outputs() const { return rows_; }
    /// Returns how many numbers theta has.
    [[nodiscard]] index_t parameters() const { return parameters_; }
    /// Returns how many numbers of an image, and as many of its tangent, a recorded pass keeps.
    [[nodiscard]] index_t recorded_rows() const {
        index_t result = 0;
        for (const node& of : nodes_) result += of.shape.size();
        return result;
    }
    /// Returns the multiplications and additions of all products of one image, by which its work is measured.
    [[nodiscard]] double operations() const {
        double result = 0.0;
        for (const node& at : nodes_)
            std::visit([&](const auto& layer) { result += operations_of(layer, at); }, at.layer);
        return result;
    }

    /// Writes f(in), inputs() x columns to outputs() x columns, and its tangent, into out; nothing is kept
    /// for a backward pass.
    void forward(const context_type& context, const real* theta, dual_in in, index_t columns, dual_out out,
                 workspace& space) const {
        require_tangent(in.tangent, out.tangent);
        const index_t parts = in.tangent ? 2 : 1, width = block_images(context, columns, parts);
        const index_t rooms = place(forward_plan_, width, parts, space),
                      room = scratch_size(context, width, parts);
        space.lanes.resize(context, rooms + room, context.concurrency());
        prepare(context, columns, width, parts, room);
        context.lanes(blocks(columns, width), [&](auto& lane, index_t block, index_t worker) {
            const index_t first = block * width, n = std::min(width, columns - first);
            real* const base = space.lanes.data() + (rooms + room) * worker;
            const auto at = places(base, space.begins);
            run(lane, theta, in, first, n, parts, at, base + rooms, room);
            store(lane, at, out, first, n);
        });
    }
    /// Does what forward does, and records in `space` what one backward pass needs: all maps.
    void record(const context_type& context, const real* theta, dual_in in, index_t columns, dual_out out,
                workspace& space) const {
        require_tangent(in.tangent, out.tangent);
        const index_t parts = in.tangent ? 2 : 1, width = block_images(context, columns, parts);
        const index_t room = scratch_size(context, width, parts),
                      block_size = place_all(width, parts, space.recorded);
        space.columns = columns;
        space.has_tangent = parts == 2;
        space.states.resize(context, block_size, blocks(columns, width));
        space.lanes.resize(context, room, context.concurrency());
        prepare(context, columns, width, parts, room);
        context.lanes(blocks(columns, width), [&](auto& lane, index_t block, index_t worker) {
            const index_t first = block * width, n = std::min(width, columns - first);
            real* const base = space.states.data() + block_size * block;
            const auto at = places(base, space.recorded);
            run(lane, theta, in, first, n, parts, at, space.lanes.data() + room * worker, room);
            store(lane, at, out, first, n);
        });
    }
    /// Pulls the cotangents of value and tangent back through the pass that `space` recorded, whose inputs
    /// need not live any more. It writes the cotangents of the inputs to `in`, unless that is null, and adds
    /// the gradient of the parameters to `gradient`, unless that is null.
    void backward(const context_type& context, const real* theta, workspace& space, dual_in cotangent,
                  dual_out in, real* gradient) const {
        if (space.columns == 0) return;
        require_tangent(space.has_tangent, cotangent.tangent);
        require_tangent(space.has_tangent && in.value, in.tangent);
        const index_t columns = space.columns, parts = space.has_tangent ? 2 : 1,
                      width = block_images(context, columns, parts), count = blocks(columns, width),
                      groups = gradient ? std::min(count, most_groups) : count;
        const index_t rooms = place(backward_plan_, width, parts, space),
                      room = scratch_size(context, width, parts),
                      block_size = place_all(width, parts, space.recorded);
        space.lanes.resize(context, rooms + room, context.concurrency());
        prepare(context, columns, width, parts, room);
        if (gradient) space.gradients.resize(context, parameters(), groups);
        context.lanes(groups, [&](auto& lane, index_t group, index_t worker) {
            real* const sums = gradient ? space.gradients.data() + parameters() * group : nullptr;
            if (sums) lane.fill(sums, parameters(), real{0});
            real* const base = space.lanes.data() + (rooms + room) * worker;
            for (index_t block = group * count / groups; block < (group + 1) * count / groups; ++block) {
                const index_t first = block * width, n = std::min(width, columns - first);
                real* const recorded = space.states.data() + block_size * block;
                pull(lane, theta, cotangent, in, sums, first, n, parts, places(recorded, space.recorded),
                     places(base, space.begins), base + rooms, room);
            }
        });
        if (gradient)
            context.for_each(parameters(), detail::add_groups<const_view, view>{
                                               .groups = space.gradients.read(),
                                               .gradient = view(gradient, parameters(), 1, &context)});
    }

private:
    // The number of groups of blocks that add their gradients up; it is fixed, since the bits depend on it.
    static constexpr index_t most_groups = 8;
    // Far beyond any graph, and so small that sums and products of them are counted.
    static constexpr index_t most_map_numbers = index_t{1} << 31, most_parameters = index_t{1} << 40;
    // A lane works on as many images as keep the maps of one layer in the second-level cache, for each column
    // of a dense layer's block; and convolutions on as many pixels as keep their surroundings there. A device
    // takes all images at once, up to some of its memory.
    static constexpr index_t numbers_per_column = 1024, scratch_per_column = 256,
                             most_numbers = index_t{1} << 26;

    /// Returns where node i has its map, given where each begins behind `base`.
    static auto places(real* base, const std::vector<index_t>& begins) {
        return [base, &begins](index_t i) { return base + begins[static_cast<std::size_t>(i)]; };
    }
    static index_t index_of(std::size_t place) { return static_cast<index_t>(place); }
    const node& at(index_t place) const { return nodes_[static_cast<std::size_t>(place)]; }
    static const input_rows* as_input(const node& of) { return std::get_if<input_rows>(&of.layer); }

    void add(any_layer<Own...> layer, std::vector<index_t> from) {
        const std::string place = "node " + digits_of(nodes_.size()) + " of a graph: ";
        node next{.layer = std::move(layer), .from = std::move(from), .shapes = {}, .shape = {}};
        for (const index_t before : next.from) {
            require(before >= 0 && before < index_of(nodes_.size()), [&] {
                return place + "it is made of node " + digits_of(before) + ", which is not before it";
            });
            next.shapes.push_back(at(before).shape);
        }
        require(next.from.size() <= most_layer_inputs, [&] {
            return place + "a layer is made of at most " + digits_of(most_layer_inputs) + " feature maps";
        });
        try {
            std::visit(
                [&](const auto& of) {
                    next.shape = of.output(next.shapes);
                    require_countable_map(next.shape);
                    for (const layer_tensor& each : of.tensors(next.shapes)) {
                        require_countable_tensor(each);
                        next.parameters += each.size();
                    }
                },
                next.layer);
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument(place + error.what());
        }
        if (const input_rows* input = as_input(next))
            require(input->first <= inputs_ - next.shape.size(), [&] {
                return place + digits_of(next.shape.size()) + " rows from row " + digits_of(input->first) +
                       " on of an input of " + digits_of(inputs_) + " rows";
            });
        require(next.parameters <= most_parameters - parameters_, [&] {
            return place + "the graph has more than " + digits_of(most_parameters) + " parameters by then";
        });
        next.offset = parameters_;
        parameters_ += next.parameters;
        widest_ = std::max(widest_, next.shape.size());
        nodes_.push_back(std::move(next));
    }
    /// @throws std::invalid_argument for a map of no numbers, or of more than can be worked on.
    static void require_countable_map(const feature_shape& shape) {
        const bool positive = shape.channels > 0 && shape.height > 0 && shape.width > 0;
        require(positive && shape.height <= most_map_numbers / shape.width &&
                    shape.channels <= most_map_numbers / shape.width / shape.height,
                [&] {
                    return "a feature map of " + to_string(shape) +
                           ": it has 1 or more of each, and at most " + digits_of(most_map_numbers) +
                           " numbers";
                });
    }
    /// @throws std::invalid_argument for a tensor of no numbers, or of more than a graph may have, or that
    /// begins at none.
    static void require_countable_tensor(const layer_tensor& tensor) {
        index_t most = most_parameters;
        for (const index_t extent : tensor.shape) {
            require(extent > 0 && extent <= most, [&] {
                return "a tensor '" + tensor.name + "' of an axis of " + digits_of(extent) +
                       ": axes are 1 or more, and its numbers at most " + digits_of(most_parameters);
            });
            most /= extent;
        }
        require(std::isfinite(tensor.mean) && std::isfinite(tensor.deviation) && tensor.deviation >= 0.0,
                [&] {
                    return "a tensor '" + tensor.name + "' that begins at " + digits_of(tensor.mean) +
                           " with the deviation " + digits_of(tensor.deviation) +
                           ": both are finite, and the deviation 0 or more";
                });
    }
    /// Finds out how long each map lives, and lays out the rooms.
    void plan() {
        const std::size_t count = nodes_.size();
        std::vector<index_t> last(count, -1);
        for (std::size_t i = 0; i < count; ++i)
            for (const index_t from : nodes_[i].from) last[static_cast<std::size_t>(from)] = index_of(i);
        for (const index_t output : outputs_of_) last[static_cast<std::size_t>(output)] = index_of(count);
        forward_plan_.room.resize(count);
        backward_plan_.room.resize(count);
        std::vector<bool> free;
        for (std::size_t i = 0; i < count; ++i) {
            forward_plan_.take(i, nodes_[i].shape.size(), free);
            for (std::size_t j = 0; j <= i; ++j)
                if (last[j] == index_of(i) || (j == i && last[j] < 0)) free[forward_plan_.room[j]] = true;
        }
        // A cotangent lives from the last node that is made of its map down to the node itself.
        free.clear();
        std::vector<bool> lives(count, false);
        const auto begin = [&](index_t place) {
            const auto j = static_cast<std::size_t>(place);
            if (!lives[j]) backward_plan_.take(j, nodes_[j].shape.size(), free);
            lives[j] = true;
        };
        for (const index_t output : outputs_of_) begin(output);
        for (std::size_t i = count; i-- > 0;) {
            if (!lives[i]) continue; // nothing is made of it
            for (std::size_t k = 0; k < nodes_[i].from.size(); ++k) {
                const index_t from = nodes_[i].from[k];
                nodes_[i].adds[k] = lives[static_cast<std::size_t>(from)];
                begin(from);
            }
            free[backward_plan_.room[i]] = true;
        }
        needed_.resize(count);
        leads_to_input_.resize(count);
        for (std::size_t i = 0; i < count; ++i) {
            bool parameters = nodes_[i].parameters > 0, input = as_input(nodes_[i]) != nullptr;
            for (const index_t from : nodes_[i].from) {
                parameters = parameters || needed_[static_cast<std::size_t>(from)];
                input = input || leads_to_input_[static_cast<std::size_t>(from)];
            }
            needed_[i] = parameters;
            leads_to_input_[i] = input;
        }
        used_.assign(lives.begin(), lives.end());
    }

    [[nodiscard]] static index_t budget(const context_type& context, index_t per_column) {
        return std::min(context.dense_block_columns(), most_numbers / per_column) * per_column;
    }
    /// Returns how many images are worked on together: never so many that there are fewer blocks than groups
    /// of gradients, where there are images enough.
    [[nodiscard]] index_t block_images(const context_type& context, index_t columns, index_t parts) const {
        const index_t most = std::max<index_t>(budget(context, numbers_per_column) / (widest_ * parts), 1),
                      share = context.dense_block_columns() > most_numbers
                                ? columns
                                : (columns + most_groups - 1) / most_groups;
        return std::max<index_t>(std::min(most, share), 1);
    }
    /// @throws std::invalid_argument where a tangent, or its cotangent, is given or asked of a pass that has
    /// none.
    static void require_tangent(bool has, const real* asked) {
        require(has || !asked, "a tangent is given or asked of a pass of a graph that has none");
    }
    static index_t blocks(index_t columns, index_t width) { return (columns + width - 1) / width; }

    [[nodiscard]] index_t scratch_size(const context_type& context, index_t images, index_t parts) const {
        index_t result = budget(context, scratch_per_column);
        for (const node& of : nodes_)
            std::visit(
                [&](const auto& layer) {
                    result = std::max(result, layer.scratch(of.shapes, images, parts));
                },
                of.layer);
        return result;
    }
    /// Writes where each node's map begins among the rooms of a lane. @return the numbers of all rooms.
    index_t place(const detail::room_plan& plan, index_t images, index_t parts, workspace& space) const {
        space.rooms.assign(plan.largest.size(), 0);
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            index_t& room = space.rooms[plan.room[i]];
            room = std::max(room, parts * nodes_[i].shape.part(images));
        }
        index_t total = 0;
        for (index_t& room : space.rooms) total += std::exchange(room, total); // where it begins
        space.begins.resize(nodes_.size());
        for (std::size_t i = 0; i < nodes_.size(); ++i) space.begins[i] = space.rooms[plan.room[i]];
        return total;
    }
    /// Writes where each node's map begins among those of a recorded block. @return the numbers of all maps.
    index_t place_all(index_t images, index_t parts, std::vector<index_t>& begins) const {
        begins.resize(nodes_.size());
        index_t total = 0;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            begins[i] = total;
            total += parts * nodes_[i].shape.part(images);
        }
        return total;
    }
    /// Makes the room that the products of a call need, on every lane.
    void prepare(const context_type& context, index_t columns, index_t width, index_t parts,
                 index_t room) const {
        for (const index_t images : {width, width > 0 ? columns % width : index_t{0}}) {
            if (images == 0) continue;
            for (const node& of : nodes_)
                std::visit(
                    [&](const auto& layer) {
                        layer.products(of.shapes, images, parts, room,
                                       [&](index_t rows, index_t n, index_t depth) {
                                           context.template prepare_product<real>(rows, n, depth);
                                       });
                    },
                    of.layer);
        }
    }
    template <class Layer>
    static double operations_of(const Layer& layer, const node& of) {
        if constexpr (requires { layer.operations(of.shapes); })
            return layer.operations(of.shapes);
        else
            return 0.0;
    }
    template <class Lane, class At>
    [[nodiscard]] layer_call<Lane, real> call_of(Lane& lane, const node& of, const real* theta, index_t n,
                                                 index_t parts, const At& map, real* room,
                                                 index_t room_size) const {
        layer_call<Lane, real> call{.lane = lane,
                                    .theta = theta + of.offset,
                                    .from = of.shapes,
                                    .shape = of.shape,
                                    .images = n,
                                    .parts = parts,
                                    .in = {},
                                    .scratch = room,
                                    .scratch_size = room_size};
        for (std::size_t i = 0; i < of.from.size(); ++i) call.in[i] = map(of.from[i]);
        return call;
    }
    /// Makes the maps of all nodes of n images, where `map(node)` says.
    template <class Lane, class At>
    void run(Lane& lane, const real* theta, dual_in in, index_t first, index_t n, index_t parts,
             const At& map, real* room, index_t room_size) const {
        for (index_t i = 0; i < index_of(nodes_.size()); ++i) {
            const node& of = at(i);
            if (const input_rows* input = as_input(of)) {
                take_rows(lane, in, inputs_, input->first, of.shape, first, n, parts, map(i));
                continue;
            }
            const layer_push<Lane, real> call{call_of(lane, of, theta, n, parts, map, room, room_size),
                                              map(i)};
            visit_layer(of, [&](const auto& layer) { layer.forward(call); });
        }
    }
    /// Pulls the cotangents of n images back. `map(node)` says where the node's map is, and `cotangent(node)`
    /// where its cotangent goes.
    template <class Lane, class At, class K>
    void pull(Lane& lane, const real* theta, dual_in of_output, dual_out to_input, real* gradient,
              index_t first, index_t n, index_t parts, const At& map, const K& cotangent, real* room,
              index_t room_size) const {
        index_t row = 0;
        const auto wanted = [&](index_t i) {
            const auto place = static_cast<std::size_t>(i);
            return (gradient && needed_[place]) || (to_input.value && leads_to_input_[place]);
        };
        for (std::size_t o = 0; o < outputs_of_.size(); ++o) {
            const index_t i = outputs_of_[o];
            take_rows(lane, of_output, rows_, row, at(i).shape, first, n, parts, cotangent(i));
            row += at(i).shape.size();
        }
        if (to_input.value)
            for (real* const to : to_input.both())
                if (to) lane.fill(to + inputs_ * first, inputs_ * n, real{0});
        for (index_t i = index_of(nodes_.size()); i-- > 0;) {
            const node& of = at(i);
            if (!used_[static_cast<std::size_t>(i)] || !wanted(i)) continue;
            if (const input_rows* input = as_input(of)) {
                give_rows(lane, cotangent(i), of.shape, inputs_, input->first, true, to_input, first, n);
                continue;
            }
            layer_pull<Lane, real> call{
                call_of(lane, of, theta, n, parts, map, room, room_size),      map(i), cotangent(i), {}, {},
                gradient && of.parameters > 0 ? gradient + of.offset : nullptr};
            for (std::size_t k = 0; k < of.from.size(); ++k) {
                call.to[k] = wanted(of.from[k]) ? cotangent(of.from[k]) : nullptr;
                call.adds[k] = of.adds[k];
            }
            visit_layer(of, [&](const auto& layer) { layer.backward(call); });
        }
    }
    template <class Visit>
    static void visit_layer(const node& of, const Visit& visit) {
        std::visit(
            [&]<class Layer>(const Layer& layer) {
                if constexpr (!std::is_same_v<Layer, input_rows>) visit(layer);
            },
            of.layer);
    }
    /// Copies rows of n columns of a batch, and of its tangent, to a feature map.
    template <class Lane>
    static void take_rows(Lane& lane, dual_in in, index_t rows, index_t row, const feature_shape& shape,
                          index_t first, index_t n, index_t parts, real* to) {
        for (index_t part = 0; part < parts; ++part, to += shape.part(n)) {
            const real* const from = part == 0 ? in.value : in.tangent;
            if (from)
                lane.for_each(shape.channels, shape.columns(n),
                              detail::rows_to_map<real>{.shape = shape,
                                                        .rows = rows,
                                                        .first = row,
                                                        .images = n,
                                                        .from = from + rows * first,
                                                        .to = to});
            else
                lane.fill(to, shape.part(n), real{0});
        }
    }
    template <class Lane>
    static void give_rows(Lane& lane, const real* from, const feature_shape& shape, index_t rows, index_t row,
                          bool add, dual_out out, index_t first, index_t n) {
        for (real* const to : out.both()) {
            if (to)
                lane.for_each(shape.channels, shape.pixels() * n,
                              detail::map_to_rows<real>{.shape = shape,
                                                        .rows = rows,
                                                        .first = row,
                                                        .add = add,
                                                        .from = from,
                                                        .to = to + rows * first});
            from += shape.part(n);
        }
    }
    template <class Lane, class At>
    void store(Lane& lane, const At& map, dual_out out, index_t first, index_t n) const {
        index_t row = 0;
        for (const index_t i : outputs_of_) {
            give_rows(lane, map(i), at(i).shape, rows_, row, false, out, first, n);
            row += at(i).shape.size();
        }
    }

    std::vector<node> nodes_;
    index_t inputs_, rows_ = 0, parameters_ = 0, widest_ = 1;
    std::vector<index_t> outputs_of_;
    detail::room_plan forward_plan_, backward_plan_;
    // Whether a node's map depends on parameters, or on the input; and whether the output depends on it.
    std::vector<bool> needed_, leads_to_input_, used_;
};

/// Writes a graph's first parameters: normal draws of each tensor's own mean and deviation. theta has
/// graph.parameters() numbers.
template <class Batch, class... Own>
void initialise(const layer_graph<Batch, Own...>& graph, philox rng, view_t<Batch> theta) {
    set_to_zero(theta);
    index_t draws = 0;
    for (const auto& node : graph.nodes())
        std::visit(
            [&](const auto& layer) {
                for (const layer_tensor& each : layer.tensors(node.shapes)) {
                    const view_t<Batch> to(theta.data() + node.offset + each.offset, each.size(), 1,
                                           &theta.context());
                    if (each.deviation > 0.0) {
                        draw_normal(rng.stream(purpose::user, draws), to);
                        assign(to, constant_number{each.mean} + each.deviation * to);
                    } else if (each.mean != 0.0) {
                        assign(to, constant_number{each.mean});
                    }
                    ++draws;
                }
            },
            node.layer);
}

} // namespace diamond
