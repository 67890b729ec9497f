// Any bytes are JSON or a file_error; what was read is the same when copied, and when written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <diamond/io/json.hpp>

namespace io = diamond::io;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto file = std::filesystem::temp_directory_path() /
                             ("diamond-fuzz-json-" + diamond::digits_of(getpid()));
    std::ofstream{file, std::ios::binary}.write(reinterpret_cast<const char*>(data),
                                                static_cast<std::streamsize>(size));
    try {
        const auto value = io::read_json(file);
        const auto copy = value;
        if (copy != value) std::abort();
        // what was read is within the limits of writing, a file that grows by indentation aside
        io::write_json(file, value);
        if (io::read_json(file) != value) std::abort();
    } catch (const io::file_error&) { // what is refused is refused
    }
    return 0;
}
