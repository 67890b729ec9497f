/// This header saves the state of a training as a file, from which it can be continued bit for bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/train/diamond_trainer.hpp>

namespace diamond::io {

namespace detail {
/// Returns the shape of the tensor `losses`: the diagonal and the off-diagonal loss, the windows, and the
/// numbers of each window.
inline std::vector<index_t> losses_shape() { return {2, loss_curve::windows, loss_curve::numbers}; }

inline constexpr index_t max_training_step = index_t{1} << 40; ///< years of training at any speed

/// Checks everything except the numbers.
/// @throws file_error if the file does not fit.
template <class File>
void expect_training(const File& file, const std::string& setting, index_t parameters) {
    expect_metadata(file, "format", "diamond_training");
    expect_version(file, 1);
    expect_metadata(file, "setting", setting);
    for (const char* name : {"theta", "average", "mean", "variance"})
        expect_numbers(file, name, {parameters});
    expect_numbers(file, "losses", losses_shape());
}
} // namespace detail

/// Writes the state of a training atomically. `setting` is a text that says what is trained and how;
/// `load_training` asks for the same text.
/// @throws std::invalid_argument where load_training would refuse the file, because a number is not finite or
/// the step is out of range; file_error if the file cannot be written.
template <class Batch>
void save_training(const std::filesystem::path& path, const training_state<Batch>& state,
                   const std::string& setting) {
    tensor_file file;
    file.metadata = {{"format", "diamond_training"},
                     {"version", "1.0"},
                     {"setting", setting},
                     {"step", digits_of(state.step)},
                     {"belongs_to", state.belongs_to}};
    require(state.step >= 0 && state.step <= detail::max_training_step,
            [&] { return "a training at step " + digits_of(state.step) + " is not saved"; });
    const auto put = [&](const char* name, const Batch& batch) {
        const auto numbers = to_host(batch);
        detail::require_finite_numbers((std::string("number of '") + name + "'").c_str(), numbers);
        file.tensors[name] = make_tensor({batch.size()}, numbers);
    };
    put("theta", state.theta);
    put("average", state.average);
    put("mean", state.mean);
    put("variance", state.variance);
    const auto losses = to_host(state.loss_sums);
    for (const double sum : losses)
        require(std::isfinite(sum) && sum >= 0.0, [&] {
            return "a sum of losses of " + digits_of(sum) + ": what is negative or not finite is not saved";
        });
    file.tensors["losses"] = make_tensor(detail::losses_shape(), losses);
    put_checksum(file);
    write_safetensors(path, file);
}

/// Returns the state of a training that a file holds, with its batches in the memory of `context`.
/// @throws file_error if the file belongs to another setting or to another number of parameters, or a number
/// in it is not finite.
template <class Batch>
[[nodiscard]] training_state<Batch> training_from(const backend_of_t<Batch>& context, const tensor_file& file,
                                                  const std::string& setting, index_t parameters) {
    using real = typename Batch::value_type;
    detail::expect_training(file, setting, parameters);
    training_state<Batch> state;
    // Files of version 0.1 have no such entry.
    if (const auto known = file.metadata.find("belongs_to"); known != file.metadata.end())
        state.belongs_to = known->second;
    state.step = detail::metadata_number(file, "step", detail::max_training_step);
    const auto get = [&](const char* name) {
        const auto values = file.require(name, dtype_of<real>(), {parameters}).template values<real>();
        for (const real value : values)
            if (!std::isfinite(value))
                throw file_error{file.path, std::string("a number of '") + name + "' is not finite"};
        return from_host<real>(context, parameters, 1, values);
    };
    state.theta = get("theta");
    state.average = get("average");
    state.mean = get("mean");
    state.variance = get("variance");
    const auto losses = file.require("losses", dtype::f64, detail::losses_shape()).template values<double>();
    for (const double sum : losses)
        if (!(std::isfinite(sum) && sum >= 0.0))
            throw file_error{file.path, "a number of 'losses' is negative or not finite"};
    state.loss_sums = from_host<double>(context, loss_curve::size, 1, losses);
    return state;
}
/// Reads the state of a training from a file. The setting is checked before any data are read.
/// @throws file_error as training_from does, and if the file cannot be read.
template <class Batch>
[[nodiscard]] training_state<Batch> load_training(const backend_of_t<Batch>& context,
                                                  const std::filesystem::path& path,
                                                  const std::string& setting, index_t parameters) {
    safetensors_reader reader{path};
    detail::expect_training(reader.header(), setting, parameters);
    return training_from<Batch>(context, reader.read_all(), setting, parameters);
}

} // namespace diamond::io
