/// This header saves Diamond networks and flow maps with divergence as safetensors files.
///
/// The metadata of a network file say everything that its numbers mean: `format` diamond_network, `version`
/// major.minor, `schedule`, `inner_schedule`, `parametrisation`, `time_direction`, `preconditioning`,
/// `architecture`, `width`, `blocks`, `nonlinearity`, `time_frequencies`, `classes` and, for a schedule that
/// a user wrote, `schedule_values`, which are alpha and sigma at 1/4, 1/2 and 3/4. A file in which an entry
/// is missing or differs is refused, because a network that is read with the wrong schedule runs and gives
/// wrong results. The tensors are frame.mean (d, the mean of the data), frame.basis (d x d, orthonormal, one
/// direction in a row; may be absent), frame.variance (d, the variances along the directions), for a network
/// that takes vectors condition.mean, condition.variance and condition.basis, their frame, and, for each
/// layer k, layers.<k>.weight (outputs x inputs, the layout of a PyTorch Linear) and layers.<k>.bias
/// (outputs). A network with norms says so by `normalisation`, layer or rms, and `normalisation_epsilon`;
/// each layer but the first then has the tensors layers.<k>.norm.weight and, in a LayerNorm,
/// layers.<k>.norm.bias (inputs).
///
/// A network of a graph of layers has `architecture` layer_graph in place of residual_mlp, in place of the
/// entries of an MLP `graph`, and the tensors nodes.<k>.<name>, as a file of a graph alone
/// (io/layer_graph.hpp).
///
/// The file of a flow map with divergence (a joint flow map) has in addition: `format` joint_network;
/// `divergence`, +div or -div, the sign of what its head returns; `divergence_divisor`, the factor by which
/// that is to be multiplied; `divergence_resolution`, h of nn/divergence_features.hpp; and `base_deviation`,
/// s0 of x_0 ~ N(0, s0^2 I). A file without them is refused, because densities from guessed values would be
/// wrong by a factor or reversed.
#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/checksum.hpp>
#include <diamond/io/detail/metadata.hpp>
#include <diamond/io/detail/numbers.hpp>
#include <diamond/io/layer_graph.hpp>
#include <diamond/io/precision.hpp>
#include <diamond/io/safetensors.hpp>
#include <diamond/io/schedule_name.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/layer_graph.hpp>
#include <diamond/nn/preconditioned_network.hpp>
#include <diamond/nn/trained_network.hpp>

namespace diamond::io {

/// This library writes this version of the file format. It reads every minor version of this major one, and
/// refuses newer major ones.
inline constexpr int network_major = 1, network_minor = 0;

/// These limits are far beyond any network of this kind. A damaged file that states larger sizes is refused
/// before anything is allocated, and larger networks are not written.
inline constexpr index_t max_network_width = 1 << 16, max_network_blocks = 1024,
                         max_network_classes = 1 << 16;

namespace detail {

/// Writes a frame into the tensors name.mean, name.variance and, where it has one, name.basis.
inline void put_frame(tensor_file& file, const std::string& name, const gaussian_frame_numbers& frame) {
    const auto d = static_cast<index_t>(frame.mean.size());
    file.tensors[name + ".mean"] = make_tensor({d}, frame.mean);
    file.tensors[name + ".variance"] = make_tensor({d}, frame.variance);
    if (!frame.basis.empty()) file.tensors[name + ".basis"] = make_tensor({d, d}, frame.basis);
}
/// What a file's tensors say about a frame: its dimension, 0 where there is none, and whether it has a basis.
struct frame_shape {
    index_t dimension = 0;
    bool has_basis = false;
    /// The number of tensors that it has.
    [[nodiscard]] std::size_t tensors() const { return dimension == 0 ? 0 : has_basis ? 3 : 2; }
};
/// Checks the tensors of a frame. @throws file_error if one is missing or has another shape.
template <class File>
[[nodiscard]] frame_shape frame_shape_of(const File& file, const std::string& name) {
    const auto mean = file.tensors.find(name + ".mean");
    if (mean == file.tensors.end() || mean->second.shape.size() != 1)
        throw file_error{file.path, "no tensor '" + name + ".mean' of one axis"};
    const index_t d = mean->second.shape[0];
    const frame_shape shape{.dimension = d, .has_basis = file.tensors.contains(name + ".basis")};
    expect_numbers(file, name + ".mean", {d});
    expect_numbers(file, name + ".variance", {d});
    if (shape.has_basis) expect_numbers(file, name + ".basis", {d, d});
    return shape;
}
/// Returns the numbers of a frame.
[[nodiscard]] inline gaussian_frame_numbers take_frame(const tensor_file& file, const std::string& name,
                                                       const frame_shape& shape) {
    const index_t d = shape.dimension;
    gaussian_frame_numbers frame{
        numbers_of<double>(file, name + ".mean", {d}), numbers_of<double>(file, name + ".variance", {d}), {}};
    if (shape.has_basis) frame.basis = numbers_of<double>(file, name + ".basis", {d, d});
    return frame;
}

/// Describes the tensors of one axis that a layer has: the name behind the layer's own, the extent, and the
/// place among the parameters.
struct layer_vector {
    const char* name;
    index_t rows, offset;
};
/// Returns b and the parameters of the norm before it, in the order of theta.
[[nodiscard]] inline std::vector<layer_vector> vectors_of(const dense_layer& layer) {
    std::vector<layer_vector> result{{".bias", layer.outputs, layer.bias()}};
    if (layer.before) result.push_back({".norm.weight", layer.inputs, layer.before.offset});
    if (layer.before.kind == normalisation::layer)
        result.push_back({".norm.bias", layer.inputs, layer.before.offset + layer.inputs});
    return result;
}

/// @throws std::invalid_argument for a size that is beyond the limits of a file.
inline void require_bounded(const char* name, index_t number, index_t most) {
    require(number <= most, [&] {
        return "a network of " + std::string(name) + " " + digits_of(number) + ": files hold at most " +
               digits_of(most);
    });
}

/// Says what a file holds of the layers of a network: `name` of its architecture; put(), which writes their
/// shape and their parameters; `shape`, what the metadata say of them; shape_of(), which reads that, checks
/// the tensors, and returns their number, too; make(), the network; and parameters().
template <class Network>
struct saved_layers;

/// Of a diamond_mlp: width, blocks, activation and norm, and the tensors of each dense layer.
template <class Batch, class Schedule, class Head>
struct saved_layers<diamond_mlp<Batch, Schedule, Head>> {
    using network = diamond_mlp<Batch, Schedule, Head>;
    using shape = mlp_options;
    static constexpr const char* name = "residual_mlp";

    static void put(tensor_file& file, const network& net, const Batch& parameters, precision as) {
        const mlp_options& mlp = net.options().mlp;
        require_bounded("width", mlp.width, max_network_width);
        require_bounded("blocks", mlp.blocks, max_network_blocks);
        put_entry(file, "width", digits_of(mlp.width));
        put_entry(file, "blocks", digits_of(mlp.blocks));
        put_entry(file, "nonlinearity", activation_names[static_cast<std::size_t>(mlp.nonlinearity)].second);
        put_entry(file, "normalisation", norm_names[static_cast<std::size_t>(mlp.norm)].second);
        put_entry(file, "normalisation_epsilon", digits_of(mlp.norm_epsilon));
        if (mlp.norm == normalisation::none) // as in the files of before
            for (const char* key : {"normalisation", "normalisation_epsilon"}) file.metadata.erase(key);
        const auto theta = to_host(parameters);
        require_finite_numbers("parameter", theta);
        const auto put_tensor = [&](const std::string& called, tensor numbers) {
            file.tensors[called] = in_precision(as, called, std::move(numbers));
        };
        for (std::size_t l = 0; l < net.layers().size(); ++l) {
            const auto& layer = net.layers()[l];
            const auto at = [&](index_t offset) { return theta.begin() + offset; };
            const std::vector weight(at(layer.offset), at(layer.bias()));
            put_tensor(
                layer_name(l) + ".weight",
                make_tensor({layer.outputs, layer.inputs}, transposed(weight, layer.outputs, layer.inputs)));
            for (const auto& [part, rows, place] : vectors_of(layer))
                put_tensor(layer_name(l) + part,
                           make_tensor({rows}, std::vector(at(place), at(place + rows))));
        }
    }
    template <class File>
    [[nodiscard]] static std::pair<shape, std::size_t> shape_of(const File& file, const network_rows& rows) {
        mlp_options mlp;
        mlp.width = metadata_number(file, "width", max_network_width);
        mlp.blocks = metadata_number(file, "blocks", max_network_blocks);
        mlp.nonlinearity = named_in(activation_names, file, "nonlinearity");
        if (file.metadata.contains("normalisation")) { // which files without one do not say
            mlp.norm = named_in(norm_names, file, "normalisation");
            mlp.norm_epsilon = metadata_positive(file, "normalisation_epsilon");
        }
        if (mlp.width < 1) throw file_error{file.path, "the metadata say width '0': 1 or more is expected"};
        std::size_t count = 0;
        const auto expect = [&](const std::string& called, const std::vector<index_t>& extents) {
            expect_numbers(file, called, extents);
            ++count;
        };
        const auto layers = mlp_layers(rows.total(), rows.dimension + Head::rows, mlp);
        for (std::size_t l = 0; l < layers.size(); ++l) {
            expect(layer_name(l) + ".weight", {layers[l].outputs, layers[l].inputs});
            for (const auto& [part, extent, _] : vectors_of(layers[l]))
                expect(layer_name(l) + part, {extent});
        }
        return {mlp, count};
    }
    [[nodiscard]] static network make(Schedule schedule, const gaussian_frame<Batch>& frame,
                                      const std::optional<gaussian_frame<Batch>>& of_vectors, index_t classes,
                                      shape mlp, Head head) {
        return {std::move(schedule), frame, of_vectors, {.mlp = mlp, .classes = classes}, head};
    }
    [[nodiscard]] static Batch parameters(const backend_of_t<Batch>& context, const tensor_file& file,
                                          const network& net) {
        using real = typename Batch::value_type;
        std::vector<real> theta;
        for (std::size_t l = 0; l < net.layers().size(); ++l) {
            const auto& layer = net.layers()[l];
            const auto weight = transposed(
                numbers_of<real>(file, layer_name(l) + ".weight", {layer.outputs, layer.inputs}),
                layer.inputs, layer.outputs);
            theta.insert(theta.end(), weight.begin(), weight.end());
            for (const auto& [part, rows, _] : vectors_of(layer)) {
                const auto numbers = numbers_of<real>(file, layer_name(l) + part, {rows});
                theta.insert(theta.end(), numbers.begin(), numbers.end());
            }
        }
        for (const real value : theta)
            if (!std::isfinite(value)) throw file_error{file.path, "a parameter is not finite"};
        return from_host<real>(context, static_cast<index_t>(theta.size()), 1, theta);
    }

private:
    static std::string layer_name(std::size_t l) { return "layers." + digits_of(l); }
};

/// Of a network of a graph of layers: the graph, as in a file of its own (io/layer_graph.hpp).
template <class Batch, class... Own, class Schedule, class Head>
struct saved_layers<preconditioned_network<layer_graph<Batch, Own...>, Schedule, Head>> {
    using network = preconditioned_network<layer_graph<Batch, Own...>, Schedule, Head>;
    using shape = layer_graph<Batch, Own...>;
    static constexpr const char* name = "layer_graph";

    static void put(tensor_file& file, const network& net, const Batch& parameters, precision as) {
        require(!net.left_basis(), "a network that left its frame's basis, as for a training, is not saved: "
                                   "save the one with the basis, which has the same parameters");
        put_graph(file, net.stack(), parameters, as);
    }
    template <class File>
    [[nodiscard]] static std::pair<shape, std::size_t> shape_of(const File& file, const network_rows&) {
        auto graph = described_graph<Batch, Own...>(file);
        const std::size_t count = expect_graph_tensors(file, graph);
        return {std::move(graph), count};
    }
    [[nodiscard]] static network make(Schedule schedule, const gaussian_frame<Batch>& frame,
                                      const std::optional<gaussian_frame<Batch>>& of_vectors, index_t classes,
                                      shape graph, Head head) {
        return {std::move(schedule), frame, of_vectors, classes, std::move(graph), head};
    }
    [[nodiscard]] static Batch parameters(const backend_of_t<Batch>& context, const tensor_file& file,
                                          const network& net) {
        return take_graph_parameters(context, file, net.stack());
    }
};

template <class Batch, class Schedule, class Head>
saved_layers<diamond_mlp<Batch, Schedule, Head>> layers_in_file(const diamond_mlp<Batch, Schedule, Head>&);
template <class Batch, class... Own, class Schedule, class Head>
saved_layers<preconditioned_network<layer_graph<Batch, Own...>, Schedule, Head>> layers_in_file(
    const preconditioned_network<layer_graph<Batch, Own...>, Schedule, Head>&);
/// What a file holds of the layers of a network, or of the network that it derives from.
template <class Network>
using layers_in_file_t = decltype(layers_in_file(std::declval<const Network&>()));

/// A network whose layers a file can hold.
template <class Network>
concept saved_network = requires { typename layers_in_file_t<Network>; };

/// Writes the meaning of a network's numbers into the metadata, and the numbers into tensors.
/// @throws std::invalid_argument if a size is beyond the limits, a note has the name of an entry of the
/// format, or a parameter is not finite or beyond the range of its precision.
template <saved_network Network>
void put_network(tensor_file& file, const char* format, const Network& net,
                 const typename Network::batch_type& parameters, precision as = precision::own) {
    using layers = layers_in_file_t<Network>;
    require_bounded("classes", net.classes(), max_network_classes);
    for (const auto& [key, value] : std::initializer_list<std::pair<const char*, std::string>>{
             {"format", format},
             {"version", digits_of(network_major) + "." + digits_of(network_minor)},
             {"schedule", schedule_name(net.schedule())},
             {"inner_schedule", "linear"},
             {"parametrisation", "mean_velocity"},
             {"time_direction", "noise_to_data"},
             {"preconditioning", "gaussian_frame"},
             {"architecture", layers::name},
             {"time_frequencies", digits_of(diamond::detail::time_frequencies)},
             {"classes", digits_of(net.classes())}})
        put_entry(file, key, value);
    if constexpr (names_itself<std::remove_cvref_t<decltype(net.schedule())>>)
        put_entry(file, "schedule_values", exact_list(schedule_values(net.schedule())));
    put_frame(file, "frame", net.frame().numbers());
    if (net.vector_frame()) put_frame(file, "condition", net.vector_frame()->numbers());
    layers::put(file, net, parameters, as);
}

/// This type holds what the metadata of a file say about a network, before any number is read.
template <class Network>
struct network_shape {
    index_t classes;
    frame_shape frame, vector_frame;
    typename layers_in_file_t<Network>::shape layers;
};

/// Checks all metadata, and that the tensors are exactly those that the metadata account for, each with its
/// shape.
/// @throws file_error if an entry or a tensor is missing, differs or is superfluous.
template <saved_network Network, class Schedule, class File>
[[nodiscard]] network_shape<Network> network_shape_of(const File& file, const char* format,
                                                      const Schedule& schedule) {
    using layers = layers_in_file_t<Network>;
    expect_metadata(file, "format", format);
    expect_version(file, network_major);
    const auto said = schedule_said(metadata_of(file, "schedule")), wanted = schedule_name(schedule);
    if (said != wanted)
        throw file_error{file.path,
                         "the metadata say schedule '" + said + "', and '" + wanted + "' is expected"};
    if (const auto values = schedule_values(schedule);
        names_itself<Schedule> && file.metadata.contains("schedule_values"))
        if (const auto& text = metadata_of(file, "schedule_values"); !says_values(text, values))
            throw file_error{file.path, "written for a schedule '" + said +
                                            "' with alpha and sigma at t = 0.25, 0.5, 0.75 of " + text +
                                            ", and this one's are " + exact_list(values) +
                                            ": give it the same parameters"};
    for (const auto& [key, value] : std::initializer_list<std::pair<const char*, std::string>>{
             {"inner_schedule", "linear"},
             {"parametrisation", "mean_velocity"},
             {"time_direction", "noise_to_data"},
             {"preconditioning", "gaussian_frame"},
             {"architecture", layers::name},
             {"time_frequencies", digits_of(diamond::detail::time_frequencies)}})
        expect_metadata(file, key, value);
    const index_t classes = metadata_number(file, "classes", max_network_classes);
    const frame_shape frame = frame_shape_of(file, "frame"),
                      vector_frame = file.tensors.contains("condition.mean")
                                       ? frame_shape_of(file, "condition")
                                       : frame_shape{};
    const network_rows rows{
        .dimension = frame.dimension, .classes = classes, .vector_size = vector_frame.dimension};
    try {
        auto [of_layers, count] = layers::shape_of(file, rows);
        expect_tensor_count(file, frame.tensors() + vector_frame.tensors() + count);
        return {classes, frame, vector_frame, std::move(of_layers)};
    } catch (const std::invalid_argument& error) {
        throw file_error{file.path, error.what()};
    }
}

/// Returns a network and its parameters, which lie in the memory of `context`.
/// @throws file_error if the file is damaged, describes another network than this type, or lacks a tensor or
/// has one too many.
template <saved_network Network, class Schedule, class Head>
[[nodiscard]] trained_network<Network> take_network(const backend_of_t<typename Network::batch_type>& context,
                                                    const tensor_file& file, const char* format,
                                                    Schedule schedule, Head head) {
    using batch = typename Network::batch_type;
    using layers = layers_in_file_t<Network>;
    auto shape = network_shape_of<Network>(file, format, schedule);
    const auto frame_on = [&](const char* name, const frame_shape& of) {
        return gaussian_frame<batch>(context, take_frame(file, name, of));
    };
    try {
        std::optional<gaussian_frame<batch>> of_vectors;
        if (shape.vector_frame.dimension > 0) of_vectors = frame_on("condition", shape.vector_frame);
        Network net = layers::make(std::move(schedule), frame_on("frame", shape.frame), of_vectors,
                                   shape.classes, std::move(shape.layers), head);
        batch theta = layers::parameters(context, file, net);
        return {std::move(net), std::move(theta)};
    } catch (const std::invalid_argument& error) {
        throw file_error{file.path, error.what()};
    }
}

/// Reads a network from a file. All metadata are checked before any data are read.
template <saved_network Network, class Schedule, class Head>
[[nodiscard]] trained_network<Network> read_network(const backend_of_t<typename Network::batch_type>& context,
                                                    const std::filesystem::path& path, const char* format,
                                                    Schedule schedule, Head head) {
    safetensors_reader reader{path};
    static_cast<void>(network_shape_of<Network>(reader.header(), format, schedule));
    return take_network<Network>(context, reader.read_all(), format, std::move(schedule), head);
}

} // namespace detail

/// Names a network of a graph of layers, of the library's and a user's own, with its parameters.
template <class Batch, class Schedule = linear_schedule, class... Own>
using trained_graph_network = trained_network<preconditioned_network<layer_graph<Batch, Own...>, Schedule>>;

/// Writes a network, a diamond_mlp or a preconditioned_network of a graph of layers, or what derives from
/// it, atomically: if the process is killed, `path` holds either the old file or the new one. `notes` are
/// added to the metadata, for instance to say where the network comes from. A checksum (io/checksum.hpp)
/// makes it possible to refuse a damaged file.
/// @throws std::invalid_argument where load_network or load_graph_network would refuse the file, because a
/// parameter is not finite, a size is beyond the limits or a note has the name of an entry of the format, and
/// if a parameter is beyond the range of the precision; file_error if the file cannot be written.
template <detail::saved_network Network>
void save_network(const std::filesystem::path& path, const trained_network<Network>& network,
                  std::map<std::string, std::string> notes = {}, precision as = precision::own) {
    static_assert(!diamond::detail::has_divergence_row<Network>,
                  "a network with divergence is saved by save_flow_map");
    tensor_file file;
    file.metadata = std::move(notes);
    detail::put_network(file, "diamond_network", network.architecture(), network.parameters(), as);
    put_checksum(file);
    write_safetensors(path, file);
}

/// Returns the network that a file holds, with its parameters in the memory of `context`. The schedule of the
/// file must agree with `schedule`.
/// @throws file_error if the file is damaged, describes another network than this type, or lacks a tensor or
/// has one too many.
template <class Batch, class Schedule>
[[nodiscard]] trained_network<diamond_mlp<Batch, Schedule>> network_from(const backend_of_t<Batch>& context,
                                                                         const tensor_file& file,
                                                                         Schedule schedule = {}) {
    return detail::take_network<diamond_mlp<Batch, Schedule>>(context, file, "diamond_network",
                                                              std::move(schedule), no_head{});
}
/// Reads a network from a file. All metadata are checked before any data are read.
/// @throws file_error as network_from does, and if the file cannot be read.
template <class Batch, class Schedule = linear_schedule>
[[nodiscard]] trained_network<diamond_mlp<Batch, Schedule>> load_network(const backend_of_t<Batch>& context,
                                                                         const std::filesystem::path& path,
                                                                         Schedule schedule = {}) {
    return detail::read_network<diamond_mlp<Batch, Schedule>>(context, path, "diamond_network",
                                                              std::move(schedule), no_head{});
}
/// Returns the network of a graph of layers that a file holds, in which layers of a user's own are found by
/// their names.
/// @throws file_error as network_from does, and if a layer has another name.
template <class Batch, class Schedule = linear_schedule, class... Own>
[[nodiscard]] trained_graph_network<Batch, Schedule, Own...> graph_network_from(
    const backend_of_t<Batch>& context, const tensor_file& file, Schedule schedule = {}) {
    return detail::take_network<preconditioned_network<layer_graph<Batch, Own...>, Schedule>>(
        context, file, "diamond_network", std::move(schedule), no_head{});
}
/// Reads a network of a graph of layers from a file. All metadata are checked before any data are read.
/// @throws file_error as graph_network_from does, and if the file cannot be read.
template <class Batch, class Schedule = linear_schedule, class... Own>
[[nodiscard]] trained_graph_network<Batch, Schedule, Own...> load_graph_network(
    const backend_of_t<Batch>& context, const std::filesystem::path& path, Schedule schedule = {}) {
    return detail::read_network<preconditioned_network<layer_graph<Batch, Own...>, Schedule>>(
        context, path, "diamond_network", std::move(schedule), no_head{});
}

/// This flow map with divergence consists of a network of this library and its parameters.
template <class Batch, class Schedule = linear_schedule>
using mlp_flow_map = network_flow_map<trained_network<diamond_mlp_with_divergence<Batch, Schedule>>>;
/// This one's network is of a graph of layers.
template <class Batch, class Schedule = linear_schedule, class... Own>
using graph_flow_map = network_flow_map<
    trained_network<preconditioned_network<layer_graph<Batch, Own...>, Schedule, divergence_head>>>;

/// Writes a flow map with divergence in the way in which save_network writes a network.
/// @throws std::invalid_argument where load_flow_map would refuse the file, because of the network or because
/// divisor, resolution or base deviation are not positive and finite; file_error if the file cannot be
/// written.
template <detail::saved_network Network>
void save_flow_map(const std::filesystem::path& path, const network_flow_map<trained_network<Network>>& map,
                   std::map<std::string, std::string> notes = {}, precision as = precision::own) {
    static_assert(diamond::detail::has_divergence_row<Network>,
                  "a flow map without divergence is saved by save_network");
    tensor_file file;
    file.metadata = std::move(notes);
    const auto& net = map.network().architecture();
    const auto& head = net.head();
    detail::put_network(file, "joint_network", net, map.network().parameters(), as);
    const auto positive = [](double number) { return number > 0.0 && std::isfinite(number); };
    require(positive(head.divisor) && positive(head.resolution) && positive(map.base_deviation()), [&] {
        return "a flow map with divergence of divisor " + digits_of(head.divisor) + ", resolution " +
               digits_of(head.resolution) + " and base deviation " + digits_of(map.base_deviation()) +
               ": positive finite ones are saved";
    });
    file.metadata["divergence"] = head.sign > 0.0 ? "+div" : "-div";
    file.metadata["divergence_divisor"] = digits_of(head.divisor);
    file.metadata["divergence_resolution"] = digits_of(head.resolution);
    file.metadata["base_deviation"] = digits_of(map.base_deviation());
    put_checksum(file);
    write_safetensors(path, file);
}

namespace detail {
/// Returns a flow map with divergence of a network of this type.
/// @throws file_error as take_network does, and if the file does not state sign, divisor, resolution or base
/// deviation.
template <saved_network Network, class Schedule>
[[nodiscard]] network_flow_map<trained_network<Network>> take_flow_map(
    const backend_of_t<typename Network::batch_type>& context, const tensor_file& file, Schedule schedule) {
    expect_metadata(file, "format", "joint_network");
    const auto& sign = metadata_of(file, "divergence");
    if (sign != "+div" && sign != "-div")
        throw file_error{file.path,
                         "the metadata say divergence '" + sign + "': '+div' or '-div' is expected"};
    const divergence_head head{metadata_positive(file, "divergence_divisor"),
                               metadata_positive(file, "divergence_resolution"), sign == "+div" ? 1.0 : -1.0};
    const double base_deviation = metadata_positive(file, "base_deviation");
    return network_flow_map<trained_network<Network>>(
        take_network<Network>(context, file, "joint_network", std::move(schedule), head),
        {.base_deviation = base_deviation});
}
/// Reads it from a file. All metadata of the network are checked before any data are read.
template <saved_network Network, class Schedule>
[[nodiscard]] network_flow_map<trained_network<Network>> read_flow_map(
    const backend_of_t<typename Network::batch_type>& context, const std::filesystem::path& path,
    Schedule schedule) {
    safetensors_reader reader{path};
    static_cast<void>(network_shape_of<Network>(reader.header(), "joint_network", schedule));
    return take_flow_map<Network>(context, reader.read_all(), std::move(schedule));
}
} // namespace detail

/// Returns the flow map with divergence that a file holds. Its base_deviation() is to be given to
/// likelihood_options.
/// @throws file_error as network_from does, and if the file does not state sign, divisor, resolution or base
/// deviation.
template <class Batch, class Schedule = linear_schedule>
[[nodiscard]] mlp_flow_map<Batch, Schedule> flow_map_from(const backend_of_t<Batch>& context,
                                                          const tensor_file& file, Schedule schedule = {}) {
    return detail::take_flow_map<diamond_mlp_with_divergence<Batch, Schedule>>(context, file,
                                                                               std::move(schedule));
}
/// Reads a flow map with divergence from a file. All metadata of the network are checked before any data are
/// read.
/// @throws file_error as flow_map_from does, and if the file cannot be read.
template <class Batch, class Schedule = linear_schedule>
[[nodiscard]] mlp_flow_map<Batch, Schedule> load_flow_map(const backend_of_t<Batch>& context,
                                                          const std::filesystem::path& path,
                                                          Schedule schedule = {}) {
    return detail::read_flow_map<diamond_mlp_with_divergence<Batch, Schedule>>(context, path,
                                                                               std::move(schedule));
}
/// Returns the flow map with divergence that a file holds of a network of a graph of layers.
/// @throws file_error as graph_network_from and flow_map_from do.
template <class Batch, class Schedule = linear_schedule, class... Own>
[[nodiscard]] graph_flow_map<Batch, Schedule, Own...> graph_flow_map_from(const backend_of_t<Batch>& context,
                                                                          const tensor_file& file,
                                                                          Schedule schedule = {}) {
    return detail::take_flow_map<
        preconditioned_network<layer_graph<Batch, Own...>, Schedule, divergence_head>>(context, file,
                                                                                       std::move(schedule));
}
/// Reads it from a file. All metadata of the network are checked before any data are read.
/// @throws file_error as graph_flow_map_from does, and if the file cannot be read.
template <class Batch, class Schedule = linear_schedule, class... Own>
[[nodiscard]] graph_flow_map<Batch, Schedule, Own...> load_graph_flow_map(const backend_of_t<Batch>& context,
                                                                          const std::filesystem::path& path,
                                                                          Schedule schedule = {}) {
    return detail::read_flow_map<
        preconditioned_network<layer_graph<Batch, Own...>, Schedule, divergence_head>>(context, path,
                                                                                       std::move(schedule));
}

} // namespace diamond::io
