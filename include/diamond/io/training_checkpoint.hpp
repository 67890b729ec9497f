// The state of a training as a file, from which it goes on bit for bit.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/train/diamond_trainer.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace diamond::io {

namespace detail {
/// Diagonal and off it, windows, and what each of them keeps.
inline std::vector<index_t> losses_shape() { return {2, loss_curve::windows, loss_curve::numbers}; }
} // namespace detail

/// Writes the state atomically. `setting` is a text that says what is trained how; `load_training` asks for the same one.
template <class Batch>
void save_training(const std::filesystem::path& path, const training_state<Batch>& state, const std::string& setting) {
    tensor_file file;
    file.metadata = {{"format", "diamond_training"}, {"version", "1.0"}, {"setting", setting}, {"step", digits_of(state.step)}};
    const auto put = [&](const char* name, const Batch& batch) { file.tensors[name] = make_tensor({batch.size()}, to_host(batch)); };
    put("theta", state.theta);
    put("average", state.average);
    put("mean", state.mean);
    put("variance", state.variance);
    file.tensors["losses"] = make_tensor(detail::losses_shape(), to_host(state.loss_sums));
    write_safetensors(path, file);
}

/// @throws file_error where the file belongs to another setting or to a network of another size, or a number in it is not finite.
template <class Batch>
[[nodiscard]] training_state<Batch> training_from(const backend_of_t<Batch>& context, const tensor_file& file, const std::string& setting, index_t parameters) {
    using real = typename Batch::value_type;
    detail::expect_metadata(file, "format", "diamond_training");
    detail::expect_version(file, 1);
    detail::expect_metadata(file, "setting", setting);
    training_state<Batch> state;
    state.step     = detail::metadata_number(file, "step", index_t{1} << 40);
    const auto get = [&](const char* name) {
        const auto values = file.require(name, dtype_of<real>(), {parameters}).template values<real>();
        for (const real value : values)
            if (!std::isfinite(value)) throw file_error{file.path, std::string("a number of '") + name + "' is not finite"};
        return from_host<real>(context, parameters, 1, values);
    };
    state.theta    = get("theta");
    state.average  = get("average");
    state.mean     = get("mean");
    state.variance = get("variance");
    const auto losses = file.require("losses", dtype::f64, detail::losses_shape()).template values<double>();
    for (const double sum : losses)
        if (!(std::isfinite(sum) && sum >= 0.0)) throw file_error{file.path, "a number of 'losses' is negative or not finite"};
    state.loss_sums = from_host<double>(context, loss_curve::size, 1, losses);
    return state;
}
template <class Batch>
[[nodiscard]] training_state<Batch> load_training(const backend_of_t<Batch>& context, const std::filesystem::path& path, const std::string& setting, index_t parameters) {
    return training_from<Batch>(context, read_safetensors(path), setting, parameters);
}

} // namespace diamond::io
