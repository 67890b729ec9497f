/// This header reads a dense stack from a file of another framework: under the names that its tensors have
/// there, and in the layout of its weights.
///
/// A stack holds W as outputs x inputs, column-major: W(o, i) is number o + outputs i. A file holds an array
/// in C order. PyTorch's Linear has the array (out, in), whose number i + inputs o is W(o, i): it is
/// transposed. The kernels of Keras and flax are (in, out), whose number o + outputs i is W(o, i): it is
/// taken as it stands. Only the shapes of layers that are not square tell the two apart, and so a file has
/// one layout for all of its layers.
#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/dense.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/io/detail/numbers.hpp>
#include <diamond/io/safetensors.hpp>
#include <diamond/nn/dense_stack.hpp>

namespace diamond::io {

/// Names the array that a file holds of W: (out, in), as PyTorch's Linear, or (in, out), as the kernels of
/// Keras and flax.
enum class weight_layout { out_in, in_out };

/// Names the tensors of a norm of columns. One without a name is not in the file: the gain is then 1 and the
/// bias 0, as of a LayerNorm without its affine part.
struct named_norm {
    normalisation kind = normalisation::none; ///< LayerNorm or RMSNorm; none: there is no norm
    std::string weight = {};                  ///< the gain g, of one axis
    std::string bias = {};                    ///< b, of one axis; an RMSNorm has none
    /// As the other framework was given it, since no file has it: by default it is 1e-5 of PyTorch's
    /// LayerNorm, finfo.eps of its RMSNorm, 1e-6 of flax and 1e-3 of Keras. 0 is refused.
    double epsilon = 0.0;
};
/// Names the tensors of a layer h <- f(after(W before(h) + b)), plus h where it is residual, and says what
/// the file does not: f and the norms, see dense_layer.
struct named_layer {
    std::string weight;                     ///< W, of two axes
    std::string bias = {};                  ///< b, of one axis; without a name it is 0
    activation kind = activation::identity; ///< f
    bool residual = false;                  ///< whether h is added
    named_norm before = {};                 ///< the norm of h before it meets W
    named_norm after = {};                  ///< the norm of W h + b before it meets f
};

/// Holds a stack that was read, and its parameters in the memory of a context.
template <class Batch>
struct stored_stack {
    dense_stack<Batch> stack; ///< the layers
    Batch theta;              ///< stack.parameters() numbers
};

namespace detail {

/// Returns the numbers of a tensor of one axis, or as many of `otherwise` where it has no name.
template <class Real>
[[nodiscard]] std::vector<Real> named_numbers(const tensor_file& file, const std::string& name, index_t rows,
                                              Real otherwise) {
    return name.empty() ? std::vector<Real>(static_cast<std::size_t>(rows), otherwise)
                        : numbers_of<Real>(file, name, {rows});
}
/// Returns the layer whose tensors have these names, without checking any but W's shape, and that it takes
/// what the layer before gives.
[[nodiscard]] inline dense_layer layer_of(const tensor_file& file, weight_layout layout,
                                          const named_layer& named, const named_layer* before,
                                          index_t given) {
    const auto found = file.tensors.find(named.weight);
    if (found == file.tensors.end()) throw file_error{file.path, missing_tensor(file.tensors, named.weight)};
    const auto& shape = found->second.shape;
    const bool out_in = layout == weight_layout::out_in;
    const auto fail = [&](const std::string& reason) {
        throw file_error{file.path, "tensor '" + named.weight + "' of shape " + shape_text(shape) +
                                        ", read as " + (out_in ? "(out, in)" : "(in, out)") + ": " + reason};
    };
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) fail("weights have two axes, of 1 or more");
    const index_t inputs = shape[out_in ? 1 : 0], outputs = shape[out_in ? 0 : 1];
    if (before && inputs != given)
        fail("it takes " + digits_of(inputs) + " numbers, and the layer before, '" + before->weight +
             "', gives " + digits_of(given));
    if (named.residual && inputs != outputs) fail("a residual layer gives as many numbers as it takes");
    return {.inputs = inputs,
            .outputs = outputs,
            .kind = named.kind,
            .residual = named.residual,
            .before = {.kind = named.before.kind, .epsilon = named.before.epsilon},
            .after = {.kind = named.after.kind, .epsilon = named.after.epsilon}};
}
/// Checks what a norm says of itself: its epsilon, and that it has no bias where it adds none.
inline void require_norm(const named_layer& layer, const named_norm& norm) {
    if (norm.kind == normalisation::none) return;
    require(norm.epsilon > 0.0, [&] {
        return "a norm of layer '" + layer.weight + "' has the epsilon " + digits_of(norm.epsilon) +
               ": no file has it, so give that of the training, by default 1e-5 of PyTorch's LayerNorm, "
               "finfo.eps of its RMSNorm, 1e-6 of flax, 1e-3 of Keras";
    });
    require(norm.kind == normalisation::layer || norm.bias.empty(), [&] {
        return "an RMSNorm of layer '" + layer.weight + "' adds no bias, and '" + norm.bias + "' is named";
    });
}

} // namespace detail

/// Returns the dense stack whose layers have these tensors in a file, from the input to the output, with all
/// weights in one layout. All tensors of the file must be named, but those whose names begin with one of
/// `others`.
/// @throws file_error if a tensor is missing, has another shape than its layer needs, or is not named;
/// std::invalid_argument if there is no layer, a norm has no epsilon or one out of range, or an RMSNorm has a
/// bias.
template <class Batch>
[[nodiscard]] stored_stack<Batch> dense_stack_from(const backend_of_t<Batch>& context,
                                                   const tensor_file& file, weight_layout layout,
                                                   const std::vector<named_layer>& layers,
                                                   const std::vector<std::string>& others = {}) {
    using real = typename Batch::value_type;
    std::vector<dense_layer> shapes;
    std::vector<real> theta;
    std::set<std::string> names;
    const auto append = [&](const std::vector<real>& numbers, const std::string& name) {
        for (std::size_t i = 0; i < numbers.size(); ++i)
            if (!std::isfinite(numbers[i]))
                throw file_error{file.path, "number " + digits_of(i) + " of tensor '" + name + "' is " +
                                                digits_of(numbers[i])};
        theta.insert(theta.end(), numbers.begin(), numbers.end());
        names.insert(name);
    };
    const auto append_norm = [&](const named_norm& norm, index_t rows) {
        if (norm.kind == normalisation::none) return;
        append(detail::named_numbers<real>(file, norm.weight, rows, real{1}), norm.weight);
        if (norm.kind == normalisation::layer)
            append(detail::named_numbers<real>(file, norm.bias, rows, real{0}), norm.bias);
    };
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const auto& named = layers[l];
        for (const auto* norm : {&named.before, &named.after}) detail::require_norm(named, *norm);
        const auto& layer = shapes.emplace_back(detail::layer_of(
            file, layout, named, l > 0 ? &layers[l - 1] : nullptr, l > 0 ? shapes[l - 1].outputs : 0));
        const index_t in = layer.inputs, out = layer.outputs;
        append(layout == weight_layout::out_in
                   ? detail::transposed(detail::numbers_of<real>(file, named.weight, {out, in}), in, out)
                   : detail::numbers_of<real>(file, named.weight, {in, out}),
               named.weight);
        append(detail::named_numbers<real>(file, named.bias, out, real{0}), named.bias);
        append_norm(named.before, in);
        append_norm(named.after, out);
    }
    detail::require_named(file, names, others);
    dense_stack<Batch> stack(std::move(shapes));
    return {std::move(stack), from_host<real>(context, static_cast<index_t>(theta.size()), 1, theta)};
}

/// Reads it from a safetensors file.
/// @throws as dense_stack_from, and file_error if the file cannot be read.
template <class Batch>
[[nodiscard]] stored_stack<Batch> read_dense_stack(const backend_of_t<Batch>& context,
                                                   const std::filesystem::path& path, weight_layout layout,
                                                   const std::vector<named_layer>& layers,
                                                   const std::vector<std::string>& others = {}) {
    return dense_stack_from<Batch>(context, read_safetensors(path), layout, layers, others);
}

} // namespace diamond::io
