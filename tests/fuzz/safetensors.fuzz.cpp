// Any bytes are a file_error, or tensors that are the same when written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

#include <diamond/io/safetensors.hpp>

namespace io = diamond::io;

namespace {

std::optional<io::tensor_file> parsed(std::span<const std::byte> bytes) {
    try {
        return io::parse_safetensors(bytes, "fuzz");
    } catch (const io::file_error&) { // what is refused is refused
        return std::nullopt;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = parsed(std::as_bytes(std::span{data, size}));
    if (!file) return 0;
    auto written = io::detail::safetensors_start(*file);
    for (const auto& [_, tensor] : file->tensors) {
        if (io::detail::byte_count(tensor.type, tensor.shape) != tensor.bytes.size()) std::abort();
        for (const auto byte : tensor.bytes) written += static_cast<char>(byte);
    }
    const auto again = parsed(io::bytes_of(written));
    if (!again || again->metadata != file->metadata || again->tensors != file->tensors) std::abort();
    return 0;
}
