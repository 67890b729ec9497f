/// This header takes the numbers of networks from the tensors of a file, whatever floating point type they
/// have there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include <diamond/io/file_error.hpp>
#include <diamond/io/shape.hpp>
#include <diamond/io/tensor.hpp>

namespace diamond::io::detail {

// `File` is a tensor_file, or a safetensors_header when no data have been read yet.

/// Checks that a tensor of floating point numbers exists.
/// @throws file_error unless there is a tensor of this name and shape whose elements are read as float or
/// double.
template <class File>
void expect_numbers(const File& file, const std::string& name, const std::vector<index_t>& shape) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end()) throw file_error{file.path, missing_tensor(file.tensors, name)};
    const auto& [_, t] = *found;
    if ((as_read(t.type) != dtype::f32 && t.type != dtype::f64) || t.shape != shape)
        throw file_error{file.path, "tensor '" + name + "': " + to_string(t.type) + " of shape " +
                                        shape_text(t.shape) + " found, F32 or F64 of shape " +
                                        shape_text(shape) + " expected"};
}
/// Returns the elements of a floating point tensor of this shape.
/// @throws file_error if there is no such tensor.
template <class Real>
std::vector<Real> numbers_of(const tensor_file& file, const std::string& name,
                             const std::vector<index_t>& shape) {
    const auto found = file.tensors.find(name);
    const bool wide = found != file.tensors.end() && found->second.type == dtype::f64;
    const tensor& t = file.require(name, wide ? dtype::f64 : dtype::f32, shape);
    if (wide) {
        const auto values = t.values<double>();
        return {values.begin(), values.end()};
    }
    const auto values = t.values<float>();
    return {values.begin(), values.end()};
}
/// Returns the transpose of a column-major rows x columns matrix.
template <class T>
std::vector<T> transposed(const std::vector<T>& from, index_t rows, index_t columns) {
    std::vector<T> to(from.size());
    for (index_t j = 0; j < columns; ++j)
        for (index_t i = 0; i < rows; ++i)
            to[static_cast<std::size_t>(j + columns * i)] = from[static_cast<std::size_t>(i + rows * j)];
    return to;
}

/// Checks that each tensor of the file is named, or begins as one of `others` does. What is left out by
/// mistake, such as a bias, would give other numbers without a word.
inline void require_named(const tensor_file& file, const std::set<std::string>& named,
                          const std::vector<std::string>& others) {
    std::string left;
    for (const auto& [name, _] : file.tensors)
        if (!named.contains(name) &&
            std::ranges::none_of(others, [&](const auto& start) { return name.starts_with(start); }))
            left += (left.empty() ? "'" : ", '") + name + "'";
    if (!left.empty())
        throw file_error{file.path, "no layer names " + left +
                                        ": name them, or give what their names begin with as others"};
}

} // namespace diamond::io::detail
