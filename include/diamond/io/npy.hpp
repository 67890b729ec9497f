/// This header reads and writes the npy files of numpy. A C-ordered array of shape (N, d) is byte for byte a
/// d x N batch, with one particle a column.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file.hpp>
#include <diamond/io/half.hpp>
#include <diamond/io/npy_header.hpp>
#include <diamond/io/shape.hpp>

namespace diamond::io {

static_assert(std::endian::native == std::endian::little,
              "diamond::io reads and writes little-endian files in place");

/// npy files are read and written in these element types.
template <class T>
concept npy_scalar = std::same_as<T, std::uint8_t> || std::same_as<T, std::int32_t> ||
                     std::same_as<T, std::int64_t> || std::same_as<T, std::uint64_t> ||
                     std::same_as<T, float> || std::same_as<T, double>;

/// An array of any number of axes in C order, so that the last index is the fastest. An array without axes
/// holds one number.
template <class T>
struct npy_array {
    /// The extent of each axis, the last one the fastest; empty for one number.
    std::vector<std::size_t> shape = {};
    std::vector<T> data = {}; ///< the elements in C order, as many as the product of the extents
};

/// The default limit is one gibibyte, which holds four million 8 x 8 images in float. A file that claims more
/// is more likely damaged than wanted.
inline constexpr std::uintmax_t default_max_npy_bytes = std::uintmax_t{1} << 30;

/// These options bound what is read and written, and say what is expected.
struct npy_options {
    /// The data may take this many bytes. More are refused before anything is allocated, and not written
    /// either.
    std::uintmax_t max_bytes = default_max_npy_bytes;
    /// The file must have this shape, for instance {any_extent, 64}. An empty shape accepts every file.
    std::vector<std::size_t> shape = {};
};

namespace detail {

inline constexpr std::string_view npy_magic = "\x93NUMPY";
/// numpy refuses headers beyond 10,000 characters by default, and version 1.0 of the format cannot state more
/// than this.
inline constexpr std::size_t max_npy_header = 65535;
/// numpy pads its headers so that the data begin at a multiple of this, which memory maps need.
inline constexpr std::size_t npy_alignment = 64;

/// Returns how numpy spells the type T.
template <npy_scalar T>
constexpr std::string_view npy_dtype() {
    if constexpr (std::same_as<T, std::uint8_t>)
        return "|u1";
    else if constexpr (std::same_as<T, std::int32_t>)
        return "<i4";
    else if constexpr (std::same_as<T, std::int64_t>)
        return "<i8";
    else if constexpr (std::same_as<T, std::uint64_t>)
        return "<u8";
    else if constexpr (std::same_as<T, float>)
        return "<f4";
    else
        return "<f8";
}

/// Reads magic bytes, version, length and dictionary, and leaves the file at the beginning of its data.
/// @throws file_error if one of them is malformed.
inline npy_header read_npy_header(input_file& file) {
    std::string start(npy_magic.size() + 2, '\0'); // followed by the major and the minor version
    if (file.remaining() < start.size())
        file.fail_as_other("not an npy file",
                           "truncated: the start of an npy file takes " + digits_of(start.size()) +
                               " bytes, " + digits_of(file.remaining()) + " are left",
                           "a numpy array");
    file.read(std::as_writable_bytes(std::span{start}), "the start of an npy file");
    if (!start.starts_with(npy_magic))
        file.fail_as_other("not an npy file", "not an npy file: it does not start with \\x93NUMPY");
    const int major = static_cast<unsigned char>(start[npy_magic.size()]);
    const int minor = static_cast<unsigned char>(start[npy_magic.size() + 1]);
    if (major < 1 || major > 3 || minor != 0)
        file.fail("npy version " + digits_of(major) + "." + digits_of(minor) +
                  ", where 1.0, 2.0 and 3.0 are read");

    std::array<unsigned char, 4> length_bytes{};
    file.read(std::as_writable_bytes(std::span{length_bytes}.first(major == 1 ? 2 : 4)),
              "the length of the npy header");
    const auto length = std::bit_cast<std::uint32_t>(length_bytes);
    if (length > max_npy_header)
        file.fail("oversized npy header: " + digits_of(length) + " bytes, at most " +
                  digits_of(max_npy_header) + " are read");
    std::string text(length, '\0');
    file.read(std::as_writable_bytes(std::span{text}), "the npy header");
    return npy_header_parser{file.path(), text}.parse();
}

/// This type says how an element is stored in the file.
struct npy_element {
    char kind = 'f';      ///< b for bool, i for signed, u for unsigned, f for float
    std::size_t size = 4; ///< in bytes
    bool swapped = false;
};

/// Returns what the dtypes of numpy that are not read hold.
inline std::string_view other_npy_kind(char kind) {
    switch (kind) {
    case 'c':
        return "complex numbers";
    case 'O':
        return "Python objects, which are pickles";
    case 'S':
    case 'a':
    case 'U':
        return "texts";
    case 'M':
    case 'm':
        return "dates";
    case 'V':
        return "records";
    case 'f':
        return "floats of other than 2, 4 or 8 bytes";
    default:
        return "no numbers";
    }
}

/// Returns the element type for numpy's spelling, for instance "<f4".
/// @throws file_error if this type is not read as T.
template <npy_scalar T>
npy_element npy_element_of(const input_file& file, const std::string& dtype) {
    // "=" is the byte order of this machine, which is "<".
    const auto at = dtype.find_first_not_of("<>|=");
    const bool reads = at <= 1 && at < dtype.size();
    const char kind = reads ? dtype[at] : '\0';
    std::size_t size = 0;
    const auto* last = dtype.data() + dtype.size();
    const auto parsed = reads ? std::from_chars(dtype.data() + at + 1, last, size)
                              : std::from_chars_result{last, std::errc::invalid_argument};
    const bool integral = (kind == 'i' || kind == 'u') && (size == 1 || size == 2 || size == 4 || size == 8);
    const bool known = integral || (kind == 'b' && size == 1) ||
                       (kind == 'f' && (size == 2 || size == 4 || size == 8));
    if (parsed.ec != std::errc{} || parsed.ptr != last || !known)
        file.fail("wrong dtype: '" + dtype + "' found, '" + std::string{npy_dtype<T>()} +
                  "' expected: it holds " + std::string{other_npy_kind(kind)});
    if (kind == 'f' && std::integral<T>)
        file.fail("wrong dtype: '" + dtype + "' found, '" + std::string{npy_dtype<T>()} +
                  "' expected: floats are not rounded to integers");
    return {kind, size, dtype.starts_with('>') && size > 1};
}

/// Checks the shape of a file.
/// @throws file_error if it differs from the expected one.
inline void check_npy_shape(const input_file& file, std::span<const std::size_t> found,
                            std::span<const std::size_t> expected) {
    const auto fits = [](std::size_t wanted, std::size_t extent) {
        return wanted == any_extent || wanted == extent;
    };
    if (!expected.empty() && !std::ranges::equal(expected, found, fits))
        file.fail("misshapen: shape " + shape_text(found) + " found, " + shape_text(expected) + " expected");
}

/// This type is a half precision number as npy files hold it.
struct npy_half {
    std::uint16_t bits;
    explicit operator float() const noexcept { return float_of_half(bits); }
};

/// Returns the value as T: the same number, or the float nearest to it.
/// @throws file_error with the number if T has no such value.
template <npy_scalar T, class Stored>
T npy_number(const input_file& file, Stored stored, std::size_t index) {
    if constexpr (std::same_as<Stored, npy_half>) {
        return static_cast<T>(static_cast<float>(stored));
    } else {
        const auto refuse = [&](const char* why) {
            file.fail("element " + digits_of(index) + " of the data is " + digits_of(stored) + ", which " +
                      why + " '" + std::string{npy_dtype<T>()} + "'");
        };
        if constexpr (std::floating_point<Stored>) {
            const auto number = static_cast<T>(stored);
            if (std::isinf(number) && !std::isinf(stored)) refuse("is beyond the largest");
            return number;
        } else if constexpr (std::floating_point<T>) {
            const auto size = stored < 0 ? 0 - static_cast<std::uint64_t>(stored)
                                         : static_cast<std::uint64_t>(stored);
            if (size != 0 && (size >> std::countr_zero(size)) >> std::numeric_limits<T>::digits != 0)
                refuse("is not exact in");
            return static_cast<T>(stored);
        } else {
            if (!std::in_range<T>(stored)) refuse("is out of the range of");
            return static_cast<T>(stored);
        }
    }
}

/// This iterator gives, for the elements of a file in the order in which the file has them, their indices in
/// C order.
class npy_order {
public:
    npy_order(std::span<const std::size_t> shape, bool fortran)
        : shape_{fortran ? shape : std::span<const std::size_t>{}} {
        std::size_t stride = 1;
        for (std::size_t axis = shape_.size(); axis-- > 0; stride *= shape_[axis]) strides_[axis] = stride;
    }
    /// Returns the index of the next element.
    std::size_t next() {
        if (shape_.empty()) return at_++;
        const auto here = at_;
        for (std::size_t axis = 0; axis < shape_.size(); ++axis) { // the first axis is the fastest
            at_ += strides_[axis];
            if (++index_[axis] < shape_[axis]) break;
            at_ -= strides_[axis] * std::exchange(index_[axis], 0);
        }
        return here;
    }

private:
    std::span<const std::size_t> shape_;
    std::array<std::size_t, max_npy_axes> strides_{}, index_{};
    std::size_t at_ = 0;
};

/// Reads the elements as Stored and converts each to T.
/// @throws file_error if T cannot hold one of them.
template <class Stored, npy_scalar T>
void read_npy_elements(input_file& file, const npy_header& header, bool swapped, std::span<T> target) {
    constexpr std::size_t at_once = 8192; // elements that are converted between two reads
    npy_order order{header.shape, header.fortran_order && header.shape.size() > 1};
    std::vector<std::byte> bytes(std::min(at_once, target.size()) * sizeof(Stored));
    for (std::size_t done = 0; done < target.size();) {
        const auto count = std::min(at_once, target.size() - done);
        file.read(std::span{bytes}.first(count * sizeof(Stored)), "the data");
        for (std::size_t i = 0; i < count; ++i, ++done) {
            std::array<std::byte, sizeof(Stored)> element;
            std::memcpy(element.data(), bytes.data() + i * sizeof(Stored), sizeof(Stored));
            if (swapped) std::ranges::reverse(element);
            target[order.next()] = npy_number<T>(file, std::bit_cast<Stored>(element), done);
        }
    }
}

/// Reads an npy file that is open; the public functions below describe what is read.
template <npy_scalar T>
npy_array<T> read_npy(input_file& file, const npy_options& options) {
    auto header = read_npy_header(file);
    const auto element = npy_element_of<T>(file, header.dtype);
    check_npy_shape(file, header.shape, options.shape);

    const auto count = element_count(header.shape);
    const auto most = std::max(element.size, sizeof(T));
    if (!count || *count > options.max_bytes / most)
        file.fail("oversized: shape " + shape_text(header.shape) + " of " + digits_of(most) +
                  " bytes each, at most " + digits_of(options.max_bytes) + " bytes are read");
    const auto bytes = *count * element.size;
    if (file.remaining() != bytes)
        file.fail(std::string{file.remaining() < bytes ? "truncated" : "trailing bytes"} + ": shape " +
                  shape_text(header.shape) + " takes " + digits_of(bytes) + " bytes, " +
                  digits_of(file.remaining()) + " follow the header");

    npy_array<T> result{header.shape, std::vector<T>(*count)};
    const std::span<T> target{result.data};
    const bool as_it_is = !element.swapped && (!header.fortran_order || header.shape.size() < 2);
    if (as_it_is && npy_dtype<T>().substr(1) == element.kind + digits_of(element.size)) {
        file.read(std::as_writable_bytes(target), "the data");
        return result;
    }
    const auto read = [&]<class Stored>(Stored) {
        read_npy_elements<Stored>(file, header, element.swapped, target);
    };
    const auto read_integers = [&]<class... Stored>(Stored... of) {
        ((sizeof of == element.size ? read(of) : void()), ...);
    };
    switch (element.kind) {
    case 'i':
        read_integers(std::int8_t{}, std::int16_t{}, std::int32_t{}, std::int64_t{});
        break;
    case 'u':
        read_integers(std::uint8_t{}, std::uint16_t{}, std::uint32_t{}, std::uint64_t{});
        break;
    case 'b':
        read(std::uint8_t{});
        for (T& value : target) value = value != 0; // numpy takes every other byte for True, too
        break;
    default:
        if constexpr (std::floating_point<T>) // an integral T was refused above
            element.size == 2 ? read(npy_half{}) : element.size == 4 ? read(float{}) : read(double{});
    }
    return result;
}

} // namespace detail

/// Reads an npy file (version 1.0, 2.0 or 3.0) as T, in C order. The file may hold bool, integers or floats
/// of any size and byte order, in C or Fortran order. float16 is converted exactly, and a float64 becomes the
/// float nearest to it. An integer that T does not hold exactly, a finite float64 beyond the largest float,
/// and floats where T is an integer are refused.
/// @throws file_error with the reason, before anything is allocated for the data, if the file is of another
/// kind (which the message names), is truncated, has surplus bytes, a malformed header, another dtype or
/// shape, or too much data; and with the number if T cannot hold one.
template <npy_scalar T>
npy_array<T> read_npy(const std::filesystem::path& path, const npy_options& options = {}) {
    input_file file{path};
    return detail::read_npy<T>(file, options);
}

/// Reads an npy file from its bytes in memory; `name` stands for the path in errors. Everything else is as in
/// read_npy.
template <npy_scalar T>
npy_array<T> parse_npy(std::span<const std::byte> bytes, const std::filesystem::path& name,
                       const npy_options& options = {}) {
    input_file file{name, bytes};
    return detail::read_npy<T>(file, options);
}

/// Writes an npy file (version 1.0) of this shape in C order, whole or not at all.
/// @throws std::invalid_argument if `data` has another number of elements than `shape` says, the shape has
/// too many axes, or the data take more bytes than `options` allow to read again; file_error if writing
/// fails.
template <std::ranges::contiguous_range Data>
    requires npy_scalar<std::ranges::range_value_t<Data>>
void write_npy(const std::filesystem::path& path, const Data& data, std::span<const std::size_t> shape,
               const npy_options& options = {}) {
    using T = std::ranges::range_value_t<Data>;
    const std::span<const T> elements{std::ranges::data(data), std::ranges::size(data)};
    if (shape.size() > max_npy_axes)
        throw std::invalid_argument{"write_npy: " + digits_of(shape.size()) + " axes, at most " +
                                    digits_of(max_npy_axes) + " are written"};
    if (detail::element_count(shape) != elements.size())
        throw std::invalid_argument{"write_npy: " + digits_of(elements.size()) + " elements for shape " +
                                    detail::shape_text(shape)};
    if (elements.size_bytes() > options.max_bytes)
        throw std::invalid_argument{"write_npy: " + digits_of(elements.size_bytes()) + " bytes, at most " +
                                    digits_of(options.max_bytes) + " are written and read"};

    std::string text = "{'descr': '" + std::string{detail::npy_dtype<T>()} +
                       "', 'fortran_order': False, 'shape': " + detail::shape_text(shape) + ", }";
    const auto before = detail::npy_magic.size() + 4; // two bytes of version and two of length
    text.append(detail::npy_alignment - 1 - (before + text.size()) % detail::npy_alignment, ' ');
    text += '\n';
    std::string start{detail::npy_magic};
    start += {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
    write_atomically(path, {bytes_of(start), bytes_of(text), std::as_bytes(elements)});
}

/// Writes an npy file; everything else is as in the function that takes the shape as a span.
template <std::ranges::contiguous_range Data>
    requires npy_scalar<std::ranges::range_value_t<Data>>
void write_npy(const std::filesystem::path& path, const Data& data, std::initializer_list<std::size_t> shape,
               const npy_options& options = {}) {
    write_npy(path, data, std::span{shape.begin(), shape.size()}, options);
}

/// Writes an npy file of an array; everything else is as in the function that takes data and shape.
template <npy_scalar T>
void write_npy(const std::filesystem::path& path, const npy_array<T>& whole,
               const npy_options& options = {}) {
    write_npy(path, whole.data, whole.shape, options);
}

} // namespace diamond::io
