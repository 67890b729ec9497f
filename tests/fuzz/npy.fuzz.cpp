// Any bytes are an array or a file_error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include <diamond/io/npy.hpp>

namespace io = diamond::io;

namespace {

template <class T>
void parse_as(std::span<const std::byte> bytes) {
    try {
        const auto array = io::parse_npy<T>(bytes, "fuzz");
        if (io::detail::element_count(array.shape) != array.data.size()) std::abort();
        if (array.data.size() * sizeof(T) > bytes.size()) std::abort();
    } catch (const io::file_error&) { // what is refused is refused
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span{data, size});
    parse_as<std::uint8_t>(bytes);
    parse_as<std::int32_t>(bytes);
    parse_as<std::int64_t>(bytes);
    parse_as<std::uint64_t>(bytes);
    parse_as<float>(bytes);
    parse_as<double>(bytes);
    return 0;
}
