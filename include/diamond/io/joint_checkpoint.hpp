// Joint flow maps as safetensors files. A file says beside what io/checkpoint.hpp lists: `format` joint_network, `divergence` +div or -div, the
// sign of what its head gives; `divergence_divisor`, what that is to be multiplied by; `divergence_resolution`, h of nn/divergence_features.hpp;
// and `base_deviation`, s0 of x_0 ~ N(0, s0^2 I). One that does not is refused: an evaluator that guesses them is wrong by a factor, or reversed.
#pragma once

#include <diamond/io/checkpoint.hpp>
#include <diamond/io/text.hpp>
#include <diamond/likelihood/network_joint_flow_map.hpp>
#include <diamond/nn/trained_joint_network.hpp>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

namespace diamond::io {

/// The map of a network that the library ships.
template <class Batch, class Schedule = linear_schedule>
using joint_mlp_map = network_joint_flow_map<trained_joint_network<joint_mlp<Batch, Schedule>>>;

namespace detail {
/// A positive finite number.
template <class File>
double metadata_positive(const File& file, const std::string& key) {
    const auto& text = metadata_of(file, key);
    double value     = 0.0;
    const auto end   = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc{} || end.ptr != text.data() + text.size() || !(value > 0.0) || !std::isfinite(value))
        throw file_error{file.path, "the metadata say " + key + " '" + text + "': a positive number is expected"};
    return value;
}
} // namespace detail

/// Writes a map atomically. `notes` joins the metadata.
template <class Batch, class Schedule>
void save_joint_flow_map(const std::filesystem::path& path, const joint_mlp_map<Batch, Schedule>& map, std::map<std::string, std::string> notes = {}) {
    tensor_file file;
    file.metadata    = std::move(notes);
    const auto& net  = map.network().architecture();
    const auto& head = net.head();
    detail::put_network(file, "joint_network", net, map.network().parameters());
    const auto positive = [](double number) { return number > 0.0 && std::isfinite(number); };
    require(positive(head.divisor) && positive(head.resolution) && positive(map.base_deviation()), [&] {
        return "a joint flow map of divisor " + digits_of(head.divisor) + ", resolution " + digits_of(head.resolution) + " and base deviation " +
               digits_of(map.base_deviation()) + ": positive finite ones are saved";
    });
    file.metadata["divergence"]            = head.sign > 0.0 ? "+div" : "-div";
    file.metadata["divergence_divisor"]    = detail::exact_text(head.divisor);
    file.metadata["divergence_resolution"] = detail::exact_text(head.resolution);
    file.metadata["base_deviation"]        = detail::exact_text(map.base_deviation());
    put_checksum(file);
    write_safetensors(path, file);
}

/// The map that a file holds; map.base_deviation() belongs into likelihood_options.
/// @throws file_error as io/checkpoint.hpp's, and where sign, divisor, resolution or base deviation are not said.
template <class Batch, class Schedule = linear_schedule>
[[nodiscard]] joint_mlp_map<Batch, Schedule> joint_flow_map_from(const backend_of_t<Batch>& context, const tensor_file& file, Schedule schedule = {}) {
    detail::expect_metadata(file, "format", "joint_network");
    const auto& sign = detail::metadata_of(file, "divergence");
    if (sign != "+div" && sign != "-div") throw file_error{file.path, "the metadata say divergence '" + sign + "': '+div' or '-div' is expected"};
    const divergence_head head{detail::metadata_positive(file, "divergence_divisor"), detail::metadata_positive(file, "divergence_resolution"), sign == "+div" ? 1.0 : -1.0};
    const double base_deviation = detail::metadata_positive(file, "base_deviation");
    auto [net, theta]           = detail::take_network<Batch>(context, file, "joint_network", std::move(schedule), head);
    return joint_mlp_map<Batch, Schedule>(trained_joint_network(std::move(net), std::move(theta)), {.base_deviation = base_deviation});
}
template <class Batch, class Schedule = linear_schedule>
[[nodiscard]] joint_mlp_map<Batch, Schedule> load_joint_flow_map(const backend_of_t<Batch>& context, const std::filesystem::path& path, Schedule schedule = {}) {
    safetensors_reader reader{path};
    static_cast<void>(detail::network_shape_of<Batch, Schedule, divergence_head>(reader.header(), "joint_network", schedule)); // before any data is read
    return joint_flow_map_from<Batch, Schedule>(context, reader.read_all(), std::move(schedule));
}

} // namespace diamond::io
