/// This header reads and writes safetensors files: 8 bytes of header length, a JSON header, and the bytes of
/// the tensors without gaps.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/checksum.hpp>
#include <diamond/io/file.hpp>
#include <diamond/io/half.hpp>
#include <diamond/io/safetensors_header.hpp>
#include <diamond/io/tensor.hpp>

namespace diamond::io {

static_assert(std::endian::native == std::endian::little,
              "diamond::io reads and writes little-endian files in place");

/// The format itself bounds the bytes of a header, padding included, by this number.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;

namespace detail {

/// The padding of the header makes the data begin at a multiple of this, which memory maps need.
inline constexpr std::size_t safetensors_alignment = 8;

/// Returns the bytes of the floats that equal these halves.
inline std::vector<std::byte> floats_of_halves(dtype type, std::span<const std::byte> halves) {
    std::vector<std::byte> floats(halves.size() / sizeof(std::uint16_t) * sizeof(float));
    for (std::size_t i = 0; i < halves.size() / sizeof(std::uint16_t); ++i) {
        std::uint16_t bits;
        std::memcpy(&bits, halves.data() + i * sizeof bits, sizeof bits);
        const float value = type == dtype::f16 ? float_of_half(bits) : float_of_bfloat16(bits);
        std::memcpy(floats.data() + i * sizeof value, &value, sizeof value);
    }
    return floats;
}

/// Reads the length and the header, and leaves the file at the beginning of its data.
/// @throws file_error if one of them is malformed or the file is of another kind.
inline safetensors_header read_safetensors_header(input_file& file) {
    const auto refuse_start = [&](const std::string& reason) {
        // Such files have a reason of their own.
        file.fail_as_other("not a safetensors file", reason, "a safetensors file");
    };
    std::array<unsigned char, 8> length_bytes{};
    const auto truncated = [&](std::uintmax_t bytes, const char* what) {
        return std::string{"truncated: "} + what + " takes " + digits_of(bytes) + " bytes, " +
               digits_of(file.remaining()) + " are left";
    };
    if (file.remaining() < length_bytes.size())
        refuse_start(truncated(length_bytes.size(), "the length of the safetensors header"));
    file.read(std::as_writable_bytes(std::span{length_bytes}), "the length of the safetensors header");
    const auto length = std::bit_cast<std::uint64_t>(length_bytes);
    if (length > file.remaining()) refuse_start(truncated(length, "the safetensors header"));
    if (length > max_safetensors_header)
        refuse_start("oversized safetensors header: " + digits_of(length) + " bytes, at most " +
                     digits_of(max_safetensors_header) + " are read");
    std::string text(static_cast<std::size_t>(length), '\0');
    file.read(std::as_writable_bytes(std::span{text}), "the safetensors header");
    if (!safetensors_header_parser::is_object(text))
        refuse_start("malformed safetensors header: no object: it does not start with '{'");
    return safetensors_header_parser{file.path(), text}.parse();
}

using named_entry = std::pair<const std::string, safetensors_entry>;

/// Returns the entries in the order of their bytes.
/// @throws file_error unless every byte of the data belongs to exactly one tensor.
inline std::vector<const named_entry*> entries_in_order(const input_file& file,
                                                        const safetensors_header& header) {
    std::vector<const named_entry*> entries;
    entries.reserve(header.tensors.size());
    for (const auto& entry : header.tensors) entries.push_back(&entry);
    std::ranges::sort(entries, {}, [](const named_entry* entry) {
        return std::pair{entry->second.begin, entry->second.end};
    });

    std::uint64_t at = 0;
    for (const auto* entry : entries) {
        const auto& [name, place] = *entry;
        const auto range = [&] {
            return "tensor '" + name + "' from byte " + digits_of(place.begin) + " to " +
                   digits_of(place.end);
        };
        if (place.end > file.remaining())
            file.fail("truncated: " + range() + " of the data, " + digits_of(file.remaining()) +
                      " follow the header");
        if (place.begin < at)
            file.fail("overlap: " + range() + " of the data, a tensor before it reaches to " + digits_of(at));
        if (place.begin > at)
            file.fail("a hole: " + range() + " of the data, the tensor before it reaches to " +
                      digits_of(at));
        at = place.end;
    }
    if (at != file.remaining())
        file.fail("trailing bytes: the tensors take " + digits_of(at) + " bytes, " +
                  digits_of(file.remaining()) + " follow the header");
    return entries;
}

} // namespace detail

namespace detail {
template <class Real>
[[nodiscard]] std::vector<std::byte> halves_of(dtype type, const std::string& name,
                                               std::span<const Real> numbers) {
    std::vector<std::byte> halves(numbers.size() * sizeof(std::uint16_t));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const double number = numbers[i];
        const std::uint16_t bits = type == dtype::f16 ? half_of(number) : bfloat16_of(number);
        const float back = type == dtype::f16 ? float_of_half(bits) : float_of_bfloat16(bits);
        if (std::isinf(back) && !std::isinf(number))
            throw std::invalid_argument{"tensor '" + name + "': number " + digits_of(i) + " is " +
                                        digits_of(numbers[i]) + ", beyond the range of " + to_string(type) +
                                        (type == dtype::f16 ? ": BF16 has that of F32" : ": write F64")};
        std::memcpy(halves.data() + i * sizeof bits, &bits, sizeof bits);
    }
    return halves;
}
} // namespace detail

/// Returns a tensor of F32 or F64 with its elements rounded to F16 or BF16, to the nearest, ties to even;
/// those beneath half of the least number become 0. `name` stands for it in errors.
/// @throws std::invalid_argument if `type` is neither, the elements are of another type, or one is finite and
/// beyond the range of `type`: it is not written as infinity.
[[nodiscard]] inline tensor rounded_to(dtype type, const std::string& name, const tensor& from) {
    if (as_read(type) == type || (from.type != dtype::f32 && from.type != dtype::f64))
        throw std::invalid_argument{"tensor '" + name + "': " + to_string(from.type) + " to be rounded to " +
                                    to_string(type) + ", where F32 or F64 can be rounded to F16 or BF16"};
    return {type, from.shape,
            from.type == dtype::f32 ? detail::halves_of(type, name, from.values<float>())
                                    : detail::halves_of(type, name, from.values<double>())};
}

/// The default limit holds a network of a billion parameters in float. A file that claims more is more likely
/// damaged than wanted.
inline constexpr std::uintmax_t default_max_tensor_bytes = std::uintmax_t{1} << 32;

/// These options bound what is read and written.
struct safetensors_options {
    /// All tensors together may take this many bytes of memory. More are refused before anything is
    /// allocated, and not written either.
    std::uintmax_t max_bytes = default_max_tensor_bytes;
};

/// This reader holds a safetensors file open. The header is read at once, the bytes of a tensor when it is
/// asked for.
class safetensors_reader {
public:
    /// Opens a file and reads its header.
    /// @throws file_error with the reason if the file is of another kind (which the message names), is
    /// truncated, has surplus bytes, a malformed or oversized header, duplicate entries, a dtype that the
    /// format does not know, or tensors whose bytes do not match their shape, overlap or leave a hole.
    explicit safetensors_reader(const std::filesystem::path& path) : safetensors_reader{input_file{path}} {}

    /// Reads from the bytes of a file in memory, which must outlive this object; `name` stands for the path
    /// in errors.
    safetensors_reader(std::span<const std::byte> bytes, const std::filesystem::path& name)
        : safetensors_reader{input_file{name, bytes}} {}

    /// Returns the metadata and, for each tensor, its type as stored, its shape and its place.
    [[nodiscard]] const safetensors_header& header() const noexcept { return header_; }

    /// Reads the tensor of this name. F16 and BF16 become F32, exactly; elements without a C++ type are kept
    /// as bytes.
    /// @throws file_error if there is no tensor of this name, or no memory for it.
    [[nodiscard]] tensor read(const std::string& name) {
        auto stored = read_stored(name);
        convert_halves(stored);
        return stored;
    }

    /// Reads all tensors.
    /// @throws file_error as `read` does; if the file states another checksum than that of its contents; and,
    /// before anything is allocated, if the tensors take more bytes than `options` allow.
    [[nodiscard]] tensor_file read_all(const safetensors_options& options = {}) {
        std::uintmax_t bytes = 0;
        for (const auto& [_, place] : header_.tensors)
            bytes += (place.end - place.begin) *
                     (as_read(place.type) == place.type ? 1 : sizeof(float) / sizeof(std::uint16_t));
        if (bytes > options.max_bytes)
            file_.fail("oversized: its tensors take " + digits_of(bytes) + " bytes, at most " +
                       digits_of(options.max_bytes) + " are read");
        tensor_file result{.metadata = header_.metadata, .path = file_.path()};
        for (const auto* entry : in_order_) result.tensors.emplace(entry->first, read_stored(entry->first));
        check_checksum(result); // the checksum is that of the stored bytes
        for (auto& [_, tensor] : result.tensors) convert_halves(tensor);
        return result;
    }

private:
    tensor read_stored(const std::string& name) {
        const auto found = header_.tensors.find(name);
        if (found == header_.tensors.end()) file_.fail(detail::missing_tensor(header_.tensors, name));
        const auto& place = found->second;
        try {
            file_.seek(data_ + place.begin);
            std::vector<std::byte> bytes(static_cast<std::size_t>(place.end - place.begin));
            file_.read(bytes, "tensor '" + name + "'");
            return {place.type, place.shape, std::move(bytes)};
        } catch (const std::bad_alloc&) {
            file_.fail("tensor '" + name + "': no memory for its " + digits_of(place.end - place.begin) +
                       " bytes");
        } catch (const std::length_error&) {
            file_.fail("tensor '" + name + "': no memory for its " + digits_of(place.end - place.begin) +
                       " bytes");
        }
    }

    static void convert_halves(tensor& stored) {
        if (as_read(stored.type) == stored.type) return;
        stored.bytes = detail::floats_of_halves(stored.type, stored.bytes);
        stored.type = dtype::f32;
    }

    explicit safetensors_reader(input_file file)
        : file_{std::move(file)},
          header_{detail::read_safetensors_header(file_)},
          data_{file_.size() - file_.remaining()},
          in_order_{detail::entries_in_order(file_, header_)} {}

    input_file file_;
    safetensors_header header_;
    std::uintmax_t data_; ///< where the data begin
    std::vector<const detail::named_entry*> in_order_;
};

namespace detail {

/// Checks that a tensor can be read again once it is written.
/// @throws std::invalid_argument if it cannot.
inline void check_tensor(const std::string& name, const tensor& tensor) {
    const auto fail = [&](const std::string& reason) {
        throw std::invalid_argument{"write_safetensors: tensor '" + name + "': " + reason};
    };
    if (name == "__metadata__") fail("the name is the format's own");
    if (static_cast<std::size_t>(tensor.type) >= dtypes.size()) fail("a type that is none");
    if (tensor.shape.size() > max_tensor_axes)
        fail(digits_of(tensor.shape.size()) + " axes, at most " + digits_of(max_tensor_axes) +
             " are written");
    if (byte_count(tensor.type, tensor.shape) != tensor.bytes.size())
        fail(digits_of(tensor.bytes.size()) + " bytes for shape " + shape_text(tensor.shape) + " of " +
             to_string(tensor.type));
}

/// Returns what stands before the data: the length and the header.
inline std::string safetensors_start(const tensor_file& file) {
    nlohmann::ordered_json::object_t header;
    auto metadata = file.metadata;
    // The checksum covers what is written now, which may differ from what was read.
    if (has_checksum(metadata)) metadata[checksum_key] = checksum_of(file);
    if (!metadata.empty()) header.emplace_back("__metadata__", std::move(metadata));
    std::uint64_t at = 0;
    for (const auto& [name, tensor] : file.tensors) {
        check_tensor(name, tensor);
        const auto begin = std::exchange(at, at + tensor.bytes.size());
        nlohmann::ordered_json entry{
            {"dtype", to_string(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {begin, at}}};
        header.emplace_back(name, std::move(entry)); // unlike operator[], this does not search
    }
    std::string text;
    try {
        text = nlohmann::ordered_json(std::move(header)).dump();
    } catch (const nlohmann::json::exception& error) {
        throw std::invalid_argument{std::string{"write_safetensors: "} + error.what()};
    }
    text.resize((text.size() + safetensors_alignment - 1) / safetensors_alignment * safetensors_alignment,
                ' ');
    if (text.size() > max_safetensors_header)
        throw std::invalid_argument{"write_safetensors: a header of " + digits_of(text.size()) +
                                    " bytes, at most " + digits_of(max_safetensors_header) + " are written"};
    const auto length = std::bit_cast<std::array<char, 8>>(std::uint64_t{text.size()});
    return std::string{length.begin(), length.end()} + text;
}

} // namespace detail

/// Reads a whole safetensors file; `safetensors_reader` reads single tensors. F16 and BF16 become F32,
/// exactly. Tensors of types without a C++ type here (BOOL, I8, I16, U16, U32, C64, F8 and smaller) are kept
/// as bytes.
/// @throws file_error as safetensors_reader does, and if the tensors take more bytes than `options` allow.
inline tensor_file read_safetensors(const std::filesystem::path& path,
                                    const safetensors_options& options = {}) {
    return safetensors_reader{path}.read_all(options);
}

/// Reads a safetensors file from its bytes in memory; `name` stands for the path in errors. Everything else
/// is as in read_safetensors.
inline tensor_file parse_safetensors(std::span<const std::byte> bytes, const std::filesystem::path& name,
                                     const safetensors_options& options = {}) {
    return safetensors_reader{bytes, name}.read_all(options);
}

/// Writes a safetensors file, whole or not at all. Equal tensors give equal bytes, since they stand in the
/// order of their names.
/// @throws std::invalid_argument if the bytes of a tensor do not match its shape, its name is "__metadata__",
/// a name or a text is not UTF-8, or the header is too long or the data take more bytes than `options` allow,
/// so that they would not be read again; file_error if writing fails.
inline void write_safetensors(const std::filesystem::path& path, const tensor_file& file,
                              const safetensors_options& options = {}) {
    const auto start = detail::safetensors_start(file);
    std::uintmax_t bytes = 0;
    std::vector<std::span<const std::byte>> parts{bytes_of(start)};
    for (const auto& [_, tensor] : file.tensors) {
        parts.emplace_back(tensor.bytes);
        bytes += tensor.bytes.size() *
                 (as_read(tensor.type) == tensor.type ? 1 : sizeof(float) / sizeof(std::uint16_t));
    }
    if (bytes > options.max_bytes)
        throw std::invalid_argument{"write_safetensors: " + digits_of(bytes) + " bytes of tensors, at most " +
                                    digits_of(options.max_bytes) + " are written and read"};
    write_atomically(path, parts);
}

} // namespace diamond::io
