// Any bytes are a Diamond network, the state of a training, or a file_error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/training_checkpoint.hpp>

namespace io = diamond::io;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const diamond::eigen::context context{.threads = 1};
    const auto bytes = std::as_bytes(std::span{data, size});
    using batch = diamond::eigen::batch<float>;
    try {
        const auto network = io::network_from<batch, diamond::linear_schedule>(
            context, io::parse_safetensors(bytes, "fuzz"));
        if (network.dimension() < 1 || network.parameters().size() != network.architecture().parameters())
            std::abort();
    } catch (const io::file_error&) { // what is refused is refused
    }
    try {
        const auto state = io::training_from<batch>(context, io::parse_safetensors(bytes, "fuzz"), "", 4);
        if (state.step < 0 || state.theta.size() != 4) std::abort();
    } catch (const io::file_error&) {
    }
    return 0;
}
