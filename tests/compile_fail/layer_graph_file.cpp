// What is refused of layers and networks in files, and in which words: see CMakeLists.txt.
#include <string>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/checkpoint.hpp>

using batch = diamond::eigen::batch<float>;

enum class edge { zeros, repeated };

/// A layer without parameters, with one field.
template <class Field>
struct with_field {
    static constexpr std::string_view name = "with_field";
    Field field = {};

    template <class Visit>
    void fields(const Visit& visit) {
        visit("field", field);
    }
    diamond::feature_shape output(std::span<const diamond::feature_shape> from) const { return from[0]; }
    std::vector<diamond::layer_tensor> tensors(std::span<const diamond::feature_shape>) const { return {}; }
    diamond::index_t scratch(std::span<const diamond::feature_shape>, diamond::index_t,
                             diamond::index_t) const {
        return 0;
    }
    template <class Visit>
    void products(std::span<const diamond::feature_shape>, diamond::index_t, diamond::index_t,
                  diamond::index_t, const Visit&) const {}
};
template <class... Own>
void load() {
    static_cast<void>(diamond::io::load_graph<batch, Own...>(diamond::eigen::context{}, "file"));
}
inline void taken() { load<with_field<int>>(); }

#if CASE == 1 // layer_graph_file_two_of_one_name
// expect: two layers of a graph have one name, by which a file would tell them apart
inline void refused() { load<with_field<int>, with_field<bool>>(); }
#endif

#if CASE == 2 // layer_graph_file_field
// expect: a field of a layer is a number, a bool or an enumeration: visit others number by number
inline void refused() { load<with_field<std::string>>(); }
#endif

#if CASE == 3 // layer_graph_file_enumeration
// expect: a field of a layer that is an enumeration needs its names in files: specialise
// diamond::io::file_names for it, with a table of pairs of value and name
inline void refused() { load<with_field<edge>>(); }
#endif

#if CASE == 4 // layer_graph_file_network_with_divergence
// expect: a network with divergence is saved by save_flow_map
inline void refused(
    const diamond::trained_network<diamond::diamond_mlp_with_divergence<batch, diamond::linear_schedule>>&
        network) {
    diamond::io::save_network("file", network);
}
#endif

#if CASE == 5 // layer_graph_file_map_without_divergence
// expect: a flow map without divergence is saved by save_network
inline void refused(const diamond::network_flow_map<
                    diamond::trained_network<diamond::diamond_mlp<batch, diamond::linear_schedule>>>& map) {
    diamond::io::save_flow_map("file", map);
}
#endif
