/// A dense stack is dense layers that run one after another on blocks of columns, with a tangent beside the
/// value and the gradient through both.
///
/// Forward, layer by layer: a = W h + b and h <- f(a) (+ h); with a tangent also a' = W h' and h' <- f'(a) a'
/// (+ h'). Backward, given the cotangents k of h and k' of h': c = f'(a) k + f''(a) a' k' and c' = f'(a) k';
/// then W gets c h^T + c' h'^T, b gets c, h gets W^T c, and h' gets W^T c'. A tangent is therefore n more
/// columns of the same products. A norm before W, or between it and f, is a step of its own
/// (nn/column_norm.hpp). A block of columns runs through all layers in one lane and stays in its
/// cache. The blocks are fixed, and so is the order in which their gradients are added, so that no bit
/// depends on the number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/dense.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/nn/column_norm.hpp>
#include <diamond/nn/detail/add_groups.hpp>

namespace diamond {

/// Runs a stack of dense layers, without their parameters: these are one vector theta in the back end's
/// memory, and each layer says where its own begin. It is const and re-entrant; what a call needs is in its
/// workspace.
template <class Batch>
class dense_stack {
public:
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// Stands for the first layer in a call where some rows of the input are the same in all columns: W of
    /// the other rows alone, and b with what the equal rows add to it. Null weights mean the layer itself.
    struct first_layer {
        const real* weights = nullptr; ///< outputs x inputs, column-major in the back end's memory
        const real* bias = nullptr;    ///< outputs numbers
        index_t inputs = 0;            ///< the rows that change from column to column
    };
    /// Holds the working space of a call: the states of all layers for a recorded forward pass, two or three
    /// states a lane for others, and sums of gradients.
    struct workspace {
        /// The states of all layers, the lanes' own states, and the lanes' sums of gradients.
        scratch<real, context_type> states, lanes, gradients;
        index_t columns = 0;      ///< of the recorded pass; 0: none
        bool has_tangent = false; ///< says whether the recorded pass had a tangent
        first_layer first = {};   ///< of the recorded pass, which must live until `backward`
    };
    /// Points to a batch and its tangent, column-major in the back end's memory; a null tangent means that
    /// there is none.
    struct dual_in {
        const real* value;             ///< the input, inputs x n
        const real* tangent = nullptr; ///< its derivative along a direction, inputs x n; null: none
    };
    /// Points to where a batch and its tangent are written; a null tangent is not written.
    struct dual_out {
        real* value;             ///< where the output goes, outputs x n
        real* tangent = nullptr; ///< where its tangent goes, outputs x n; null: nowhere
    };

    /// @throws std::invalid_argument unless each layer has as many inputs as the layer before has outputs,
    /// residual layers are square, and the epsilons of norms are at least least_norm_epsilon and finite.
    explicit dense_stack(std::vector<dense_layer> layers) : layers_(std::move(layers)) {
        require(!layers_.empty(), "a dense stack needs at least one layer");
        index_t at = 0;
        for (std::size_t l = 0; l < layers_.size(); ++l) {
            auto& layer = layers_[l];
            require(layer.inputs > 0 && layer.outputs > 0 &&
                        (l == 0 || layer.inputs == layers_[l - 1].outputs) &&
                        (!layer.residual || layer.inputs == layer.outputs),
                    [&] {
                        return "layer " + digits_of(l) + " of a dense stack: " + digits_of(layer.outputs) +
                               " x " + digits_of(layer.inputs) + (layer.residual ? ", residual," : "") +
                               " does not fit what precedes it";
                    });
            for (const column_norm* norm : {&layer.before, &layer.after})
                require(!*norm || (norm->epsilon >= least_norm_epsilon && std::isfinite(norm->epsilon)), [&] {
                    return "layer " + digits_of(l) + " of a dense stack: a norm of epsilon " +
                           digits_of(norm->epsilon) + ", and a finite one of at least " +
                           digits_of(least_norm_epsilon) + " is needed";
                });
            layer.offset = at;
            layer.before.offset = layer.norms();
            layer.after.offset = layer.norms() + layer.before.parameters(layer.inputs);
            at = layer.end();
            widest_ = std::max({widest_, layer.inputs, layer.outputs});
            states_ += rows_of_states(l, {});
            if (layer.before) rooms_ = 3;
        }
    }

    /// Returns the layers from the input to the output, each with the place of its parameters in theta.
    [[nodiscard]] const std::vector<dense_layer>& layers() const { return layers_; }
    /// Returns the number of rows of the input: that of the first layer.
    [[nodiscard]] index_t inputs() const { return layers_.front().inputs; }
    /// Returns the number of rows of the output: that of the last layer.
    [[nodiscard]] index_t outputs() const { return layers_.back().outputs; }
    /// Returns how many numbers theta has.
    [[nodiscard]] index_t parameters() const { return layers_.back().end(); }
    /// Returns how many numbers of a column, and as many of its tangent, a recorded pass keeps.
    [[nodiscard]] index_t recorded_rows() const { return states_ + outputs(); }

    /// Writes f(in), inputs() x columns to outputs() x columns, and its tangent into out; nothing is kept for
    /// a backward pass.
    void forward(const context_type& context, const real* theta, dual_in in, index_t columns, dual_out out,
                 workspace& space) const {
        const index_t parts = in.tangent ? 2 : 1;
        forward(context, theta, columns, parts, load_from{in, inputs(), parts},
                store_to{out, outputs(), parts}, space);
    }
    /// Does the same for inputs that are computed as they are needed, while a block of columns is in a lane's
    /// cache. `load(lane, first, n, to)` writes n columns of the input, from column `first` on, to `to`, and
    /// their tangents behind padded(n) columns where parts = 2; `store(lane, from, first, n)` takes n columns
    /// of the output in the same way. `load.in_place(first)` may point to the inputs where they stand
    /// already, and `store.in_place(first)` to where the outputs go; null means that there is no such place.
    template <class Load, class Store>
    void forward(const context_type& context, const real* theta, index_t columns, index_t parts,
                 const Load& load, const Store& store, workspace& space,
                 const first_layer& start = {}) const {
        require_first(start);
        const index_t width = block_columns(context, columns, parts);
        const index_t block_size = rooms_ * widest_ * width * parts;
        space.lanes.resize(context, block_size, context.concurrency());
        prepare(context, columns, width, parts, start, false);
        context.lanes(blocks(columns, width), [&](auto& lane, index_t block, index_t worker) {
            const index_t first = block * width, n = std::min(width, columns - first), m = padded(n);
            // A layer reads one of the lane's states and writes another, and its norm a third.
            real* const states = space.lanes.data() + block_size * worker;
            index_t next = 0;
            const auto room = [&] { return states + widest_ * width * parts * (next++ % rooms_); };
            // One layer alone would write over inputs that it still reads, where they are the outputs' place.
            const real* h = n == m && layers_.size() > 1 ? inputs_in_place(load, first) : nullptr;
            real* const out = n == m ? outputs_in_place(store, first) : nullptr;
            if (!h) {
                real* to = room();
                pad_with_zeros(lane, inputs_of(0, start), n, parts, to);
                load(lane, first, n, to);
                h = to;
            }
            for (std::size_t l = 0; l < layers_.size(); ++l) {
                const dense_layer& layer = layers_[l];
                const real* normal = h;
                if (layer.before) {
                    real* const to = room();
                    detail::normalise(lane, layer.before, theta, h, to, layer.inputs, m, parts);
                    normal = to;
                }
                real* a = out && l + 1 == layers_.size() ? out : room();
                apply(lane, l, theta, start, normal, a, m, parts);
                if (layer.after)
                    detail::normalise(lane, layer.after, theta, static_cast<const real*>(a), a, layer.outputs,
                                      m, parts);
                if (layer.residual || layer.kind != activation::identity)
                    lane.activate(layer.kind, a, layer.residual ? h : nullptr, a, layer.outputs * m, parts);
                h = a;
            }
            if (!out) store(lane, h, first, n);
        });
    }

    /// Does what forward does, and records in `space` what one backward pass needs.
    void record(const context_type& context, const real* theta, dual_in in, index_t columns, dual_out out,
                workspace& space) const {
        const index_t parts = in.tangent ? 2 : 1;
        record(context, theta, columns, parts, load_from{in, inputs(), parts},
               store_to{out, outputs(), parts}, space);
    }
    /// Does the same for inputs that are computed as they are needed, see forward. `start` must live until
    /// `backward`, which then gives no gradient of the parameters.
    template <class Load, class Store>
    void record(const context_type& context, const real* theta, index_t columns, index_t parts,
                const Load& load, const Store& store, workspace& space, const first_layer& start = {}) const {
        require_first(start);
        const index_t width = block_columns(context, columns, parts),
                      block_size = (states_ + outputs()) * width * parts;
        space.columns = columns;
        space.has_tangent = parts == 2;
        space.first = start;
        space.states.resize(context, block_size, blocks(columns, width));
        prepare(context, columns, width, parts, start, false);
        context.lanes(blocks(columns, width), [&](auto& lane, index_t block, index_t) {
            const index_t first = block * width, n = std::min(width, columns - first), m = padded(n);
            real* h = space.states.data() + block_size * block;
            pad_with_zeros(lane, inputs_of(0, start), n, parts, h);
            load(lane, first, n, h);
            for (std::size_t l = 0; l < layers_.size(); ++l) {
                const dense_layer& layer = layers_[l];
                const recorded at = recorded_at(l, start, h, m * parts);
                if (layer.before)
                    detail::normalise(lane, layer.before, theta, static_cast<const real*>(h), at.normal,
                                      layer.inputs, m, parts);
                apply(lane, l, theta, start, at.normal, at.product, m, parts);
                if (layer.after)
                    detail::normalise(lane, layer.after, theta, static_cast<const real*>(at.product), at.a,
                                      layer.outputs, m, parts);
                lane.activate(layer.kind, static_cast<const real*>(at.a), layer.residual ? h : nullptr,
                              at.end, layer.outputs * m, parts);
                h = at.end;
            }
            store(lane, static_cast<const real*>(h), first, n);
        });
    }

    /// Pulls the cotangents of value and tangent back through the pass that `space` recorded, which it uses
    /// up. It writes the cotangents of the inputs to `in`, unless that is null, and adds the gradient of the
    /// parameters to `gradient`, unless that is null.
    void backward(const context_type& context, const real* theta, workspace& space, dual_in cotangent,
                  dual_out in, real* gradient) const {
        const load_from load{cotangent, outputs(), space.has_tangent ? 2 : 1};
        if (in.value)
            backward(context, theta, space, load, store_to{in, inputs(), load.parts}, gradient);
        else
            backward(context, theta, space, load, nothing_to_store{}, gradient);
    }
    /// Does the same for cotangents that are computed as they are needed: `load` writes those of the output,
    /// and `store` takes those of the input, see forward; Store::takes_any says whether it wants them.
    /// @throws std::invalid_argument for a gradient of a pass that was recorded with another first layer.
    template <class Load, class Store>
    void backward(const context_type& context, const real* theta, workspace& space, const Load& load,
                  const Store& store, real* gradient) const {
        if (space.columns == 0) return;
        const first_layer start = space.first;
        require(!gradient || !start.weights, "dense_stack::backward: a pass that was recorded with another "
                                             "first layer has no gradient of the parameters");
        const index_t columns = space.columns, parts = space.has_tangent ? 2 : 1,
                      width = block_columns(context, columns, parts);
        const index_t block_size = (states_ + outputs()) * width * parts,
                      lane_size = 2 * widest_ * width * parts;
        const index_t count = blocks(columns, width),
                      groups = gradient ? std::min(count, most_groups) : count;
        space.lanes.resize(context, lane_size, context.concurrency());
        prepare(context, columns, width, parts, start, true);
        if (gradient) space.gradients.resize(context, parameters(), groups);
        context.lanes(groups, [&](auto& lane, index_t group, index_t worker) {
            real* sums = gradient ? space.gradients.data() + parameters() * group : nullptr;
            if (sums) lane.fill(sums, parameters(), real{0});
            for (index_t block = group * count / groups; block < (group + 1) * count / groups; ++block) {
                const index_t first = block * width, n = std::min(width, columns - first), m = padded(n);
                real* k = space.lanes.data() + lane_size * worker;
                real* other = k + widest_ * width * parts;
                pad_with_zeros(lane, outputs(), n, parts, k);
                load(lane, first, n, k);
                real* end = space.states.data() + block_size * block +
                            (states_ - rows_of_states(0, {}) + rows_of_states(0, start)) * m * parts;
                for (std::size_t l = layers_.size(); l-- > 0;) {
                    const dense_layer& layer = layers_[l];
                    const index_t rows = inputs_of(l, start);
                    end -= rows_of_states(l, start) * m * parts;
                    const recorded at = recorded_at(l, start, end, m * parts);
                    // What the pass recorded becomes its cotangent.
                    lane.pull_back(layer.kind, k, at.a, layer.outputs * m, parts);
                    if (layer.after)
                        detail::pull_back_norm(lane, layer.after, theta, at.product, at.a, at.product, false,
                                               layer.outputs, m, parts, sums);
                    real* const a = at.product;
                    if (sums) {
                        lane.product(transpose::no, a, transpose::yes, at.normal, sums + layer.offset,
                                     layer.outputs, layer.inputs, m * parts);
                        lane.add_columns(a, layer.outputs, m, sums + layer.bias());
                    }
                    if (l == 0 && !Store::takes_any && !layer.before) break;
                    const bool adds = layer.residual && !layer.before; // W^T c to what h has already
                    real* const to = adds ? k : other;
                    if (!adds) lane.fill(to, rows * m * parts, real{0});
                    lane.product(transpose::yes, weights_of(l, theta, start), transpose::no, a, to, rows,
                                 m * parts, layer.outputs);
                    if (layer.before)
                        detail::pull_back_norm(lane, layer.before, theta, at.h, other, k, layer.residual,
                                               rows, m, parts, sums);
                    else if (!adds)
                        std::swap(k, other);
                }
                store(lane, static_cast<const real*>(k), first, n);
            }
        });
        if (gradient)
            context.for_each(parameters(), detail::add_groups<const_view, view>{
                                               .groups = space.gradients.read(),
                                               .gradient = view(gradient, parameters(), 1, &context)});
    }

    /// Returns n, padded: the columns of a lane's block, so that those of a tail take the same path as those
    /// of a whole block.
    [[nodiscard]] static DIAMOND_HD index_t padded(index_t n) { return (n + pad - 1) / pad * pad; }

private:
    static constexpr index_t pad = 4; // columns, which Eigen's kernel takes at once
    // The number of groups of blocks that add their gradients up; it is fixed, since the bits depend on it.
    static constexpr index_t most_groups = 8;

    static index_t block_columns(const context_type& context, index_t columns, index_t parts) {
        return std::min(padded(columns), std::max<index_t>(context.dense_block_columns() / parts, pad));
    }
    static index_t blocks(index_t columns, index_t width) {
        return width == 0 ? 0 : (columns + width - 1) / width;
    }

    /// Makes the room that the products of a pass need, on every lane.
    void prepare(const context_type& context, index_t columns, index_t width, index_t parts,
                 const first_layer& start, bool backward) const {
        for (const index_t n : {width * parts, padded(columns % std::max<index_t>(width, 1)) * parts})
            for (std::size_t l = 0; l < layers_.size(); ++l) {
                if (n == 0) continue;
                const index_t rows = layers_[l].outputs, depth = inputs_of(l, start);
                if (backward) {
                    context.template prepare_product<real>(rows, depth, n);
                    context.template prepare_product<real>(depth, n, rows);
                } else {
                    context.template prepare_product<real>(rows, n, depth);
                }
            }
    }
    void require_first(const first_layer& start) const {
        require(!start.weights || (start.inputs > 0 && start.inputs <= inputs() &&
                                   !layers_.front().residual && !layers_.front().before),
                [&] {
                    return "a first layer of " + digits_of(start.inputs) +
                           " inputs in place of that of a dense stack, of " + digits_of(inputs()) +
                           ": 1 to as many are needed, no residual, and no norm before it";
                });
    }
    /// Points to what a pass records of a layer: h, before(h), W before(h) + b, and what f is given. Where
    /// there is no norm, two of them are the same. `end` is where f writes, the next layer's h.
    struct recorded {
        real *h, *normal, *product, *a, *end;
    };
    recorded recorded_at(std::size_t l, const first_layer& start, real* h, index_t columns) const {
        const dense_layer& layer = layers_[l];
        const index_t in = inputs_of(l, start) * columns, out = layer.outputs * columns;
        real* const normal = layer.before ? h + in : h;
        real* const product = normal + in;
        real* const a = layer.after ? product + out : product;
        return {h, normal, product, a, a + out};
    }
    /// Returns the rows of all that a pass records of a layer.
    index_t rows_of_states(std::size_t l, const first_layer& start) const {
        const dense_layer& layer = layers_[l];
        return inputs_of(l, start) * (layer.before ? 2 : 1) + layer.outputs * (layer.after ? 2 : 1);
    }
    index_t inputs_of(std::size_t l, const first_layer& start) const {
        return l == 0 && start.weights ? start.inputs : layers_[l].inputs;
    }
    const real* weights_of(std::size_t l, const real* theta, const first_layer& start) const {
        return l == 0 && start.weights ? start.weights : theta + layers_[l].offset;
    }
    /// Writes a = W h + b, and W h' of the tangent where there are two parts.
    template <class Lane>
    void apply(Lane& lane, std::size_t l, const real* theta, const first_layer& start, const real* h, real* a,
               index_t m, index_t parts) const {
        const real* bias = l == 0 && start.weights ? start.bias : theta + layers_[l].bias();
        lane.affine(weights_of(l, theta, start), bias, h, a, layers_[l].outputs, m, inputs_of(l, start),
                    parts);
    }
    /// Writes zeros to the columns of a lane's block that are not there, behind the n of each part.
    template <class Lane>
    static void pad_with_zeros(Lane& lane, index_t rows, index_t n, index_t parts, real* to) {
        if (n == padded(n)) return;
        for (index_t part = 0; part < parts; ++part)
            lane.fill(to + rows * (part * padded(n) + n), rows * (padded(n) - n), real{0});
    }
    /// Returns where the inputs of the columns from `first` on stand already; null where they do not.
    template <class Load>
    static const real* inputs_in_place(const Load& load, index_t first) {
        if constexpr (requires { load.in_place(first); })
            return load.in_place(first);
        else
            return nullptr;
    }
    /// Returns where the outputs of the columns from `first` on go as they are; null where they do not.
    template <class Store>
    static real* outputs_in_place(const Store& store, index_t first) {
        if constexpr (requires { store.in_place(first); })
            return store.in_place(first);
        else
            return nullptr;
    }
    /// Copies columns of a batch and its tangent to a lane's block. The tangent of a pass that has one may be
    /// null: it is then zero.
    struct load_from {
        dual_in from;
        index_t rows, parts;
        const real* in_place(index_t first) const { return parts == 1 ? from.value + rows * first : nullptr; }
        template <class Lane>
        void operator()(Lane& lane, index_t first, index_t n, real* to) const {
            lane.copy(from.value + rows * first, rows * n, to);
            to += rows * padded(n);
            if (from.tangent)
                lane.copy(from.tangent + rows * first, rows * n, to);
            else if (parts == 2)
                lane.fill(to, rows * n, real{0});
        }
    };
    /// Copies a lane's block, without its padding, to columns of a batch and its tangent.
    struct store_to {
        static constexpr bool takes_any = true;
        dual_out to;
        index_t rows, parts;
        real* in_place(index_t first) const { return parts == 1 ? to.value + rows * first : nullptr; }
        template <class Lane>
        void operator()(Lane& lane, const real* from, index_t first, index_t n) const {
            lane.copy(from, rows * n, to.value + rows * first);
            if (to.tangent) lane.copy(from + rows * padded(n), rows * n, to.tangent + rows * first);
        }
    };
    struct nothing_to_store {
        static constexpr bool takes_any = false;
        template <class Lane>
        void operator()(Lane&, const real*, index_t, index_t) const {}
    };

    std::vector<dense_layer> layers_;
    index_t widest_ = 0; // rows of the widest state
    index_t rooms_ = 2;  // states of a lane in a pass that is not recorded
    index_t states_ = 0; // rows of all states that a recorded pass keeps, but the last
};

} // namespace diamond
