// Any bytes are a Diamond network or a file_error.
#include <diamond/backend/eigen.hpp>
#include <diamond/io/checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

namespace io = diamond::io;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const diamond::eigen::context context{.threads = 1};
    try {
        const auto file    = io::parse_safetensors(std::as_bytes(std::span{data, size}), "fuzz");
        const auto network = io::network_from<diamond::eigen::batch<float>, diamond::linear_schedule>(context, file);
        if (network.dimension() < 1 || network.parameters().size() != network.architecture().parameters()) std::abort();
    } catch (const io::file_error&) { // what is refused is refused
    }
    return 0;
}
