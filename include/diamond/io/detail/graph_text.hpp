/// This header writes the structure of a graph of layers as a text in JSON, and reads it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/detail/metadata.hpp>
#include <diamond/io/file_error.hpp>
#include <diamond/io/json.hpp>
#include <diamond/nn/layer_graph.hpp>

namespace diamond::io {

/// These limits are far beyond any network. A damaged file that states larger numbers is refused before
/// anything is allocated, and larger graphs are not written.
inline constexpr index_t max_graph_nodes = 1 << 13, max_graph_rows = index_t{1} << 31,
                         max_graph_number = 1 << 23;

/// Names the values of an enumeration in files: a `table` of pairs of value and name. A layer whose fields
/// are of an enumeration of one's own needs it specialised.
template <class Enum>
struct file_names;
/// The names of activations.
template <>
struct file_names<activation> {
    static constexpr auto table = detail::activation_names; ///< pairs of value and name
};
/// The names of normalisations.
template <>
struct file_names<normalisation> {
    static constexpr auto table = detail::norm_names; ///< pairs of value and name
};

namespace detail {

inline constexpr const char* graph_key = "graph"; ///< the entry of the metadata

/// Returns a value as errors show it: its first characters.
[[nodiscard]] inline std::string shown(const nlohmann::json& value) {
    constexpr std::size_t most = 60;
    const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return text.size() <= most ? text : text.substr(0, most) + "...";
}

template <class Enum>
concept has_file_names = requires { file_names<Enum>::table; };

/// Says what fields a file can hold.
template <class Field>
consteval bool diagnose_field() {
    static_assert(std::integral<Field> || std::floating_point<Field> || std::is_enum_v<Field>,
                  "a field of a layer is a number, a bool or an enumeration: visit others number by number");
    if constexpr (std::is_enum_v<Field>)
        static_assert(has_file_names<Field>,
                      "a field of a layer that is an enumeration needs its names in files: specialise "
                      "diamond::io::file_names for it, with a table of pairs of value and name");
    return true;
}
/// Returns the names of an enumeration, as errors list them.
template <class Enum>
[[nodiscard]] std::string all_names() {
    std::string result;
    for (const auto& entry : file_names<Enum>::table)
        result += (result.empty() ? "'" : ", '") + std::string(entry.second) + "'";
    return result;
}
/// Returns the largest whole number that a field of this type has in a file; the smallest is its negative.
template <class Field>
[[nodiscard]] constexpr index_t largest_number() {
    return std::cmp_less(std::numeric_limits<Field>::max(), max_graph_number)
             ? static_cast<index_t>(std::numeric_limits<Field>::max())
             : max_graph_number;
}

/// Writes the fields of a layer. @throws std::invalid_argument for one that would not be read again.
struct field_writer {
    std::string_view layer;
    nlohmann::ordered_json& to;

    template <class Field>
    void operator()(const char* name, const Field& field) const {
        static_assert(diagnose_field<Field>());
        const auto refuse = [&](const std::string& what) {
            throw std::invalid_argument("the field '" + std::string(name) + "' of a layer '" +
                                        std::string(layer) + "' is " + what +
                                        ": files hold finite numbers, whole ones up to " +
                                        digits_of(max_graph_number) + ", and values that have a name");
        };
        if constexpr (std::same_as<Field, bool>) {
            to[name] = field;
        } else if constexpr (std::is_enum_v<Field>) {
            const auto& table = file_names<Field>::table;
            const auto found = std::ranges::find_if(table, [&](const auto& at) { return at.first == field; });
            if (found == table.end()) refuse("a value without a name");
            to[name] = found->second;
        } else if constexpr (std::integral<Field>) {
            if (std::cmp_greater(field, max_graph_number) || std::cmp_less(field, -max_graph_number))
                refuse(digits_of(field));
            to[name] = field;
        } else {
            if (!std::isfinite(field)) refuse(digits_of(field));
            to[name] = static_cast<double>(field);
        }
    }
};

/// Reads the fields of a layer. @throws std::invalid_argument for one that is missing or of another type.
struct field_reader {
    std::string_view layer;
    const nlohmann::json& from;
    std::vector<std::string>& read; ///< the names of what was read

    template <class Field>
    void operator()(const char* name, Field& field) const {
        static_assert(diagnose_field<Field>());
        const auto found = from.find(name);
        const auto refuse = [&](const std::string& what) {
            throw std::invalid_argument("the field '" + std::string(name) + "' of a layer '" +
                                        std::string(layer) + "' is " + what);
        };
        if (found == from.end()) refuse("missing");
        const nlohmann::json& value = *found;
        read.emplace_back(name);
        if constexpr (std::same_as<Field, bool>) {
            if (!value.is_boolean()) refuse(shown(value) + ": true or false is expected");
            field = value.get<bool>();
        } else if constexpr (std::is_enum_v<Field>) {
            const auto& table = file_names<Field>::table;
            const auto entry = std::ranges::find_if(table,
                                                    [&](const auto& at) { return value == at.second; });
            if (entry == table.end())
                refuse(shown(value) + ": one of " + all_names<Field>() + " is expected");
            field = entry->first;
        } else if constexpr (std::integral<Field>) {
            constexpr index_t most = largest_number<Field>(),
                              least = std::unsigned_integral<Field> ? 0 : -most;
            const index_t number = whole_number(value, least, most, refuse);
            field = static_cast<Field>(number);
        } else {
            constexpr auto most = static_cast<double>(std::numeric_limits<Field>::max());
            const double number = value.is_number() ? value.get<double>() : 2.0 * most;
            if (!(std::abs(number) <= most)) refuse(shown(value) + ": a finite number is expected");
            field = static_cast<Field>(number);
        }
    }
    /// Returns a whole number, or calls `refuse`, which throws.
    template <class Refuse>
    static index_t whole_number(const nlohmann::json& value, index_t least, index_t most,
                                const Refuse& refuse) {
        const auto between = [&](auto number) {
            return std::cmp_greater_equal(number, least) && std::cmp_less_equal(number, most);
        };
        const bool fits = value.is_number_unsigned()
                            ? between(value.get<std::uint64_t>())
                            : value.is_number_integer() && between(value.get<std::int64_t>());
        if (!fits)
            refuse(shown(value) + ": a whole number from " + digits_of(least) + " to " + digits_of(most) +
                   " is expected");
        return value.get<index_t>();
    }
};

/// Says whether no two of these layers have one name.
template <class... Layers>
consteval bool names_differ() {
    const std::array<std::string_view, sizeof...(Layers)> names{Layers::name...};
    for (std::size_t i = 0; i < names.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (names[i] == names[j]) return false;
    return true;
}
/// Makes the layer of this name. @return whether there is one.
template <class... Layers>
[[nodiscard]] bool make_layer(std::string_view name, std::variant<Layers...>& to) {
    static_assert(names_differ<Layers...>(),
                  "two layers of a graph have one name, by which a file would tell them apart");
    return ((name == Layers::name && (static_cast<void>(to.template emplace<Layers>()), true)) || ...);
}

/// @throws std::invalid_argument unless the value is an object with exactly these entries.
inline void expect_entries(const nlohmann::json& value, std::initializer_list<const char*> names) {
    bool fits = value.is_object() && value.size() == names.size();
    std::string all;
    for (const char* name : names) {
        fits = fits && value.contains(name);
        all += (all.empty() ? "'" : ", '") + std::string(name) + "'";
    }
    require(fits, [&] { return "an object of " + all + " is expected, and " + shown(value) + " found"; });
}
/// Returns the places of nodes that an entry lists. @throws std::invalid_argument if it is no list of them.
[[nodiscard]] inline std::vector<index_t> places_of(const nlohmann::json& value, const char* name) {
    require(value.is_array() && std::cmp_less_equal(value.size(), max_graph_nodes), [&] {
        return "'" + std::string(name) + "' is " + shown(value) +
               ": a list of the places of nodes is expected";
    });
    std::vector<index_t> result;
    for (const nlohmann::json& place : value)
        result.push_back(field_reader::whole_number(place, 0, max_graph_nodes, [&](const std::string& what) {
            throw std::invalid_argument("a place in '" + std::string(name) + "' is " + what);
        }));
    return result;
}
/// Returns a node. @throws std::invalid_argument if the value describes none.
template <class... Own>
[[nodiscard]] typename layer_list<Own...>::node node_of(const nlohmann::json& value) {
    expect_entries(value, {"layer", "fields", "from"});
    const nlohmann::json &name = value["layer"], &fields = value["fields"];
    require(fields.is_object(), [&] { return "'fields' is " + shown(fields) + ": an object is expected"; });
    typename layer_list<Own...>::node node;
    require(name.is_string() && make_layer(name.get_ref<const std::string&>(), node.layer), [&] {
        return "there is no layer " + shown(name) +
               ": name your own where it is read, behind all other types";
    });
    std::visit(
        [&]<class Layer>(Layer& layer) {
            std::vector<std::string> read;
            layer.fields(field_reader{.layer = Layer::name, .from = fields, .read = read});
            for (const auto& [key, _] : fields.items())
                require(std::ranges::find(read, key) != read.end(), [&] {
                    return "a layer '" + std::string(Layer::name) + "' has no field " + shown(key);
                });
        },
        node.layer);
    node.from = places_of(value["from"], "from");
    return node;
}

/// Returns the structure of a graph as a text. @throws std::invalid_argument, with the node, for what would
/// not be read again.
template <class Batch, class... Own>
[[nodiscard]] std::string graph_text(const layer_graph<Batch, Own...>& graph) {
    nlohmann::ordered_json root;
    require(graph.inputs() <= max_graph_rows && std::cmp_less_equal(graph.nodes().size(), max_graph_nodes) &&
                std::cmp_less_equal(graph.output_nodes().size(), max_graph_nodes),
            [&] {
                return "a graph of " + digits_of(graph.nodes().size()) + " nodes, " +
                       digits_of(graph.inputs()) + " rows of input and " +
                       digits_of(graph.output_nodes().size()) + " outputs: files hold at most " +
                       digits_of(max_graph_nodes) + " nodes and outputs, and " + digits_of(max_graph_rows) +
                       " rows";
            });
    root["inputs"] = graph.inputs();
    auto& nodes = root["nodes"] = nlohmann::ordered_json::array();
    for (const auto& node : graph.nodes()) {
        auto fields = nlohmann::ordered_json::object();
        auto layer = node.layer; // whose fields may be visited
        std::string name;
        try {
            std::visit(
                [&]<class Layer>(Layer& of) {
                    name = Layer::name;
                    of.fields(field_writer{.layer = Layer::name, .to = fields});
                },
                layer);
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument("node " + digits_of(nodes.size()) + " of a graph: " + error.what());
        }
        nlohmann::ordered_json to;
        to["layer"] = name;
        to["fields"] = std::move(fields);
        to["from"] = node.from;
        nodes.push_back(std::move(to));
    }
    root["outputs"] = graph.output_nodes();
    return root.dump();
}

/// Returns the graph that the metadata of a file describe. `File` is a tensor_file, or a safetensors_header
/// when no data have been read yet.
/// @throws file_error if they describe none of these layers.
template <class Batch, class... Own, class File>
[[nodiscard]] layer_graph<Batch, Own...> described_graph(const File& file) {
    constexpr int max_depth = 5; // root, nodes, node, fields, and a value to be refused
    const auto refuse = [&](const std::string& why) -> file_error {
        return {file.path, "the metadata's graph: " + why};
    };
    const auto root = [&] {
        try {
            return parse_json(file.path, metadata_of(file, graph_key), max_depth);
        } catch (const file_error& error) {
            throw refuse(error.reason());
        }
    };
    std::string where; // the node that is being read
    try {
        const nlohmann::json read = root();
        expect_entries(read, {"inputs", "nodes", "outputs"});
        const nlohmann::json& nodes = read["nodes"];
        const index_t inputs = field_reader::whole_number(
            read["inputs"], 1, max_graph_rows,
            [](const std::string& what) { throw std::invalid_argument("'inputs' is " + what); });
        require(nodes.is_array() && std::cmp_less_equal(nodes.size(), max_graph_nodes), [&] {
            return "'nodes' is " + shown(nodes) + ": a list of at most " + digits_of(max_graph_nodes) +
                   " nodes is expected";
        });
        layer_list<Own...> list;
        for (const nlohmann::json& node : nodes) {
            where = "node " + digits_of(list.nodes.size()) + ": ";
            list.nodes.push_back(node_of<Own...>(node));
        }
        where.clear();
        list.outputs = places_of(read["outputs"], "outputs");
        return {inputs, std::move(list)};
    } catch (const std::invalid_argument& error) {
        throw refuse(where + error.what());
    }
}

} // namespace detail

} // namespace diamond::io
