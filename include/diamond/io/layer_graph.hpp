/// This header saves graphs of layers with their parameters as safetensors files, and reads parameters that
/// another framework wrote for a graph of the same structure.
///
/// The metadata of a graph's file are `format` layer_graph, `version` major.minor, and `graph`, the structure
/// in JSON: {"inputs": rows, "nodes": [{"layer": name, "fields": {...}, "from": [places]}, ...], "outputs":
/// [places]}, nodes in the order in which they run, counted from 0. The tensors are nodes.<k>.<name>, where
/// name and shape are those of the layer's tensors (layer_tensor): those of the PyTorch module of the same
/// kind. What is missing, of another type, out of range or superfluous is refused. A layer of a user's own is
/// found by its name among the types that the graph is read with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/checksum.hpp>
#include <diamond/io/detail/graph_text.hpp>
#include <diamond/io/detail/metadata.hpp>
#include <diamond/io/detail/numbers.hpp>
#include <diamond/io/precision.hpp>
#include <diamond/io/safetensors.hpp>
#include <diamond/nn/layer_graph.hpp>

namespace diamond::io {

/// This library writes this version of the files of graphs. It reads every minor version of this major one,
/// and refuses newer major ones.
inline constexpr int graph_major = 1, graph_minor = 0;

/// Holds a graph that was read, and its parameters in the memory of a context.
template <class Batch, class... Own>
struct stored_graph {
    layer_graph<Batch, Own...> graph; ///< the layers
    Batch theta;                      ///< graph.parameters() numbers
};

/// Names the tensors of a node in a file of another framework: each has the prefix before the name that the
/// layer gives it, or a name of its own. One whose own name is empty is not in the file: it is then what it
/// is before a training, 0 of a bias, 1 of a norm's gain.
struct node_names {
    std::string prefix = {};                       ///< "down.0.conv."
    std::map<std::string, std::string> names = {}; ///< whole names, by those of the layer
};
/// Names the tensors of a graph, by the places of its nodes.
using named_tensors = std::map<index_t, node_names>;

namespace detail {

/// Returns the tensors of a node. @throws std::invalid_argument if they do not describe its parameters, as
/// those of a layer of a user's own might not.
template <class Node>
[[nodiscard]] std::vector<layer_tensor> tensors_of(const Node& node) {
    return std::visit(
        [&]<class Layer>(const Layer& layer) {
            const std::vector<layer_tensor> tensors = layer.tensors(node.shapes);
            std::set<std::string> names;
            for (const layer_tensor& each : tensors) {
                index_t least = each.offset, most = each.offset;
                const bool whole = each.strides.size() == each.shape.size() &&
                                   std::ranges::all_of(each.shape, [](index_t rows) { return rows > 0; });
                for (std::size_t axis = 0; whole && axis < each.shape.size(); ++axis) {
                    const index_t reach = (each.shape[axis] - 1) * each.strides[axis];
                    (reach < 0 ? least : most) += reach;
                }
                require(whole && least >= 0 && most < node.parameters && names.insert(each.name).second, [&] {
                    return "the tensor '" + each.name + "' of a layer '" + std::string(Layer::name) +
                           "': it needs a name of its own, a stride for each axis, extents of 1 or more, and "
                           "places among the layer's " +
                           digits_of(node.parameters) + " parameters";
                });
            }
            return tensors;
        },
        node.layer);
}
/// Calls body(k, place) for the elements of a tensor, in the order in which a file has them, with their
/// places among the parameters of its layer.
template <class Body>
void for_each_element(const layer_tensor& of, const Body& body) {
    std::vector<index_t> at(of.shape.size(), 0);
    index_t place = of.offset;
    for (index_t k = 0, n = of.size(); k < n; ++k) {
        body(static_cast<std::size_t>(k), place);
        for (std::size_t axis = at.size(); axis-- > 0;) {
            place += of.strides[axis];
            if (++at[axis] < of.shape[axis]) break;
            place -= of.strides[axis] * std::exchange(at[axis], 0);
        }
    }
}
/// Returns the name of a node's tensor in a file of this library.
[[nodiscard]] inline std::string tensor_name(std::size_t node, const layer_tensor& tensor) {
    return "nodes." + digits_of(node) + "." + tensor.name;
}

/// Writes the structure of a graph into the metadata, and its parameters into tensors.
/// @throws std::invalid_argument if a field is out of range, a note has the name of an entry, or a parameter
/// is not finite or beyond the range of its precision.
template <class Batch, class... Own>
void put_graph(tensor_file& file, const layer_graph<Batch, Own...>& graph, const Batch& parameters,
               precision as) {
    using real = typename Batch::value_type;
    require(parameters.size() == graph.parameters(), [&] {
        return "a graph of " + digits_of(graph.parameters()) + " parameters was given " +
               digits_of(parameters.size());
    });
    put_entry(file, graph_key, graph_text(graph));
    const auto theta = to_host(parameters);
    require_finite_numbers("parameter", theta);
    for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
        const auto& node = graph.nodes()[i];
        for (const layer_tensor& each : tensors_of(node)) {
            std::vector<real> numbers(static_cast<std::size_t>(each.size()));
            for_each_element(each, [&](std::size_t k, index_t place) {
                numbers[k] = theta[static_cast<std::size_t>(node.offset + place)];
            });
            const std::string name = tensor_name(i, each);
            file.tensors[name] = in_precision(as, name, make_tensor(each.shape, numbers));
        }
    }
}
/// Checks that a file has the tensors of a graph. @return how many they are.
/// @throws file_error if one is missing or has another shape.
template <class File, class Batch, class... Own>
std::size_t expect_graph_tensors(const File& file, const layer_graph<Batch, Own...>& graph) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < graph.nodes().size(); ++i)
        for (const layer_tensor& each : tensors_of(graph.nodes()[i])) {
            expect_numbers(file, tensor_name(i, each), each.shape);
            ++count;
        }
    return count;
}
/// Returns the parameters of a graph; `numbers(i, tensor)` are those of a tensor of node i.
/// @throws std::invalid_argument if the tensors of a layer do not hold all of its parameters.
template <class Batch, class... Own, class Numbers>
[[nodiscard]] Batch graph_parameters(const backend_of_t<Batch>& context,
                                     const layer_graph<Batch, Own...>& graph, const Numbers& numbers) {
    using real = typename Batch::value_type;
    std::vector<real> theta(static_cast<std::size_t>(graph.parameters()),
                            std::numeric_limits<real>::quiet_NaN());
    for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
        const auto& node = graph.nodes()[i];
        for (const layer_tensor& each : tensors_of(node)) {
            const std::vector<real> from = numbers(i, each);
            for_each_element(each, [&](std::size_t k, index_t place) {
                theta[static_cast<std::size_t>(node.offset + place)] = from[k];
            });
        }
    }
    require(std::ranges::none_of(theta, [](real number) { return std::isnan(number); }),
            "the tensors of a layer do not hold all of its parameters");
    return from_host<real>(context, graph.parameters(), 1, theta);
}
/// Returns the numbers of a tensor of a file. @throws file_error if one is not finite.
template <class Real>
[[nodiscard]] std::vector<Real> finite_numbers(const tensor_file& file, const std::string& name,
                                               const std::vector<index_t>& shape) {
    std::vector<Real> numbers = numbers_of<Real>(file, name, shape);
    for (std::size_t i = 0; i < numbers.size(); ++i)
        if (!std::isfinite(numbers[i]))
            throw file_error{file.path, "number " + digits_of(i) + " of tensor '" + name + "' is " +
                                            digits_of(numbers[i])};
    return numbers;
}
/// Returns the parameters of a graph from a file of this library.
/// @throws file_error if a number is not finite.
template <class Batch, class... Own>
[[nodiscard]] Batch take_graph_parameters(const backend_of_t<Batch>& context, const tensor_file& file,
                                          const layer_graph<Batch, Own...>& graph) {
    return graph_parameters(context, graph, [&](std::size_t i, const layer_tensor& each) {
        return finite_numbers<typename Batch::value_type>(file, tensor_name(i, each), each.shape);
    });
}
/// Checks that a file has as many tensors as its metadata account for.
/// @throws file_error if it has others.
template <class File>
void expect_tensor_count(const File& file, std::size_t known) {
    if (known != file.tensors.size())
        throw file_error{file.path, digits_of(file.tensors.size()) +
                                        " tensors found, and the metadata account for " + digits_of(known)};
}
/// Returns the graph of a file of a graph, without its parameters, all else being checked.
/// @throws file_error if an entry or a tensor is missing, differs or is superfluous.
template <class Batch, class... Own, class File>
[[nodiscard]] layer_graph<Batch, Own...> checked_graph(const File& file) {
    expect_metadata(file, "format", "layer_graph");
    expect_version(file, graph_major);
    auto graph = described_graph<Batch, Own...>(file);
    try {
        expect_tensor_count(file, expect_graph_tensors(file, graph));
    } catch (const std::invalid_argument& error) {
        throw file_error{file.path, error.what()};
    }
    return graph;
}

/// Returns a shape without the axes of extent 1, which do not tell a Linear from a Conv2d of one pixel.
[[nodiscard]] inline std::vector<index_t> squeezed(std::vector<index_t> shape) {
    std::erase(shape, index_t{1});
    return shape;
}
/// Returns the names of a node's tensors, each with a comma behind the one before.
[[nodiscard]] inline std::string names_of(const std::vector<layer_tensor>& tensors) {
    std::string result;
    for (const layer_tensor& each : tensors) result += (result.empty() ? "'" : ", '") + each.name + "'";
    return result;
}
/// @throws std::invalid_argument unless the nodes with tensors, and no others, have names, and all names are
/// of tensors that there are.
template <class Batch, class... Own>
void require_names(const layer_graph<Batch, Own...>& graph, const named_tensors& names) {
    const auto count = static_cast<index_t>(graph.nodes().size());
    for (const auto& [place, _] : names)
        require(place >= 0 && place < count, [&] {
            return "names of the tensors of node " + digits_of(place) + " of a graph of " + digits_of(count) +
                   " nodes";
        });
    for (index_t i = 0; i < count; ++i) {
        const auto tensors = tensors_of(graph.nodes()[static_cast<std::size_t>(i)]);
        const auto found = names.find(i);
        require(tensors.empty() == (found == names.end()), [&] {
            const std::string node = "node " + digits_of(i);
            return tensors.empty()
                     ? node + " of a graph has no tensors, and names for them"
                     : node + " of a graph has the tensors " + names_of(tensors) + ", and no names for them";
        });
        if (tensors.empty()) continue;
        for (const auto& [name, in_file] : found->second.names) {
            const auto named = std::ranges::find(tensors, name, &layer_tensor::name);
            require(named != tensors.end(), [&] {
                return "node " + digits_of(i) + " of a graph has no tensor '" + name +
                       "', which is named: it has " + names_of(tensors);
            });
            require(!in_file.empty() || named->deviation == 0.0, [&] {
                return "the tensor '" + name + "' of node " + digits_of(i) +
                       " of a graph begins as draws, and so must be in the file: give it a name";
            });
        }
    }
}

} // namespace detail

/// Writes a graph and its parameters atomically: if the process is killed, `path` holds either the old file
/// or the new one. `notes` are added to the metadata, for instance to say where the graph comes from. A
/// checksum (io/checksum.hpp) makes it possible to refuse a damaged file.
/// @throws std::invalid_argument where load_graph would refuse the file, because a field of a layer is out of
/// range, a parameter is not finite, or a note has the name of an entry of the format, and if a parameter is
/// beyond the range of the precision; file_error if the file cannot be written.
template <class Batch, class... Own>
void save_graph(const std::filesystem::path& path, const layer_graph<Batch, Own...>& graph,
                const Batch& theta, std::map<std::string, std::string> notes = {},
                precision as = precision::own) {
    tensor_file file;
    file.metadata = std::move(notes);
    detail::put_entry(file, "format", "layer_graph");
    detail::put_entry(file, "version", digits_of(graph_major) + "." + digits_of(graph_minor));
    detail::put_graph(file, graph, theta, as);
    put_checksum(file);
    write_safetensors(path, file);
}

/// Returns the graph that a file of save_graph holds, made of the library's layers and of these, with its
/// parameters in the memory of `context`.
/// @throws file_error if the file is damaged, has a layer of another name, or lacks a tensor or has one too
/// many.
template <class Batch, class... Own>
[[nodiscard]] stored_graph<Batch, Own...> graph_from(const backend_of_t<Batch>& context,
                                                     const tensor_file& file) {
    auto graph = detail::checked_graph<Batch, Own...>(file);
    try {
        Batch theta = detail::take_graph_parameters(context, file, graph);
        return {std::move(graph), std::move(theta)};
    } catch (const std::invalid_argument& error) {
        throw file_error{file.path, error.what()};
    }
}
/// Reads a graph from a file. Its structure, and the shapes of all tensors, are checked before any data are
/// read.
/// @throws file_error as graph_from does, and if the file cannot be read.
template <class Batch, class... Own>
[[nodiscard]] stored_graph<Batch, Own...> load_graph(const backend_of_t<Batch>& context,
                                                     const std::filesystem::path& path) {
    safetensors_reader reader{path};
    static_cast<void>(detail::checked_graph<Batch, Own...>(reader.header()));
    return graph_from<Batch, Own...>(context, reader.read_all());
}

/// Returns the graph of this list, with parameters of another framework's file, in which its tensors have
/// these names. A tensor may lack, or have more, axes of extent 1: the weights of a PyTorch Linear are those
/// of a convolution of one pixel. All tensors of the file must be named, but those whose names begin with one
/// of `others`.
/// @throws file_error if a tensor is missing, has another shape, is not finite, or is not named;
/// std::invalid_argument where layer_graph refuses the list, a node that has tensors has no names or one that
/// has none does, or a tensor without a name begins as draws.
template <class Batch, class... Own>
[[nodiscard]] stored_graph<Batch, Own...> layer_graph_from(const backend_of_t<Batch>& context,
                                                           const tensor_file& file, index_t inputs,
                                                           layer_list<Own...> list,
                                                           const named_tensors& names,
                                                           const std::vector<std::string>& others = {}) {
    using real = typename Batch::value_type;
    layer_graph<Batch, Own...> graph(inputs, std::move(list));
    detail::require_names(graph, names);
    std::set<std::string> used;
    Batch theta = detail::graph_parameters(context, graph, [&](std::size_t i, const layer_tensor& each) {
        const node_names& of = names.at(static_cast<index_t>(i));
        const auto own = of.names.find(each.name);
        if (own != of.names.end() && own->second.empty())
            return std::vector<real>(static_cast<std::size_t>(each.size()), static_cast<real>(each.mean));
        const std::string name = own == of.names.end() ? of.prefix + each.name : own->second;
        used.insert(name);
        const auto found = file.tensors.find(name);
        const bool same = found != file.tensors.end() &&
                          detail::squeezed(found->second.shape) == detail::squeezed(each.shape);
        return detail::finite_numbers<real>(file, name, same ? found->second.shape : each.shape);
    });
    detail::require_named(file, used, others);
    return {std::move(graph), std::move(theta)};
}
/// Reads it from a safetensors file.
/// @throws as layer_graph_from, and file_error if the file cannot be read.
template <class Batch, class... Own>
[[nodiscard]] stored_graph<Batch, Own...> read_layer_graph(const backend_of_t<Batch>& context,
                                                           const std::filesystem::path& path, index_t inputs,
                                                           layer_list<Own...> list,
                                                           const named_tensors& names,
                                                           const std::vector<std::string>& others = {}) {
    return layer_graph_from<Batch>(context, read_safetensors(path), inputs, std::move(list), names, others);
}

} // namespace diamond::io
