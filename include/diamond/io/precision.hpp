/// This header names the precisions in which the parameters of networks are saved.
#pragma once

#include <string>
#include <utility>

#include <diamond/io/safetensors.hpp>

namespace diamond::io {

/// Names the precision in which a network's parameters are saved: their own; or half of float's bytes, F16
/// (11 significant bits, up to 65504) or BF16 (8 significant bits, the range of float). They are rounded to
/// the nearest; frames keep their doubles.
enum class precision { own, f16, bf16 };

namespace detail {
/// Returns a tensor in a precision. @throws std::invalid_argument for numbers beyond its range.
[[nodiscard]] inline tensor in_precision(precision as, const std::string& name, tensor numbers) {
    if (as == precision::own) return numbers;
    return rounded_to(as == precision::f16 ? dtype::f16 : dtype::bf16, name, numbers);
}
} // namespace detail

} // namespace diamond::io
