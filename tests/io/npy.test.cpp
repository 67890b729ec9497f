#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/io/npy.hpp>

#include "data.hpp"
#include "scratch.hpp"

namespace io_npy_test {

namespace io = diamond::io;
using diamond_test::contents;
using diamond_test::data;
using diamond_test::overwrite;
using diamond_test::reason;
using diamond_test::scratch;
using doctest::Contains;

namespace {

template <class T>
struct scalar; // the name of numpy's file of this type
template <>
struct scalar<std::uint8_t> {
    static constexpr auto name = "uint8_3x4.npy";
};
template <>
struct scalar<std::int32_t> {
    static constexpr auto name = "int32_3x4.npy";
};
template <>
struct scalar<std::int64_t> {
    static constexpr auto name = "int64_3x4.npy";
};
template <>
struct scalar<std::uint64_t> {
    static constexpr auto name = "uint64_3x4.npy";
};
template <>
struct scalar<float> {
    static constexpr auto name = "float_3x4.npy";
};
template <>
struct scalar<double> {
    static constexpr auto name = "double_3x4.npy";
};

/// A file of version 1.0 with this dictionary, padded by nothing, and these bytes of data.
std::string npy_file(const std::string& dictionary, std::size_t data_bytes) {
    const auto length = dictionary.size();
    return std::string{"\x93NUMPY\x01", 7} + '\0' + static_cast<char>(length & 0xff) +
           static_cast<char>(length >> 8) + dictionary + std::string(data_bytes, '\0');
}

/// Why a file with this dictionary and data is refused as an array of float.
doctest::String refusal(const std::string& dictionary, std::size_t data_bytes = 48,
                        const io::npy_options& options = {}) {
    const scratch folder;
    overwrite(folder / "a.npy", npy_file(dictionary, data_bytes));
    return reason([&] { io::read_npy<float>(folder / "a.npy", options); });
}

std::string with_shape(const std::string& shape) {
    return "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n";
}

} // namespace

TEST_CASE_TEMPLATE("numpy's arrays are read, and written as numpy writes them", T, std::uint8_t, std::int32_t,
                   std::int64_t, std::uint64_t, float, double) {
    const auto array = io::read_npy<T>(data(scalar<T>::name));
    REQUIRE(array.shape == std::vector<std::size_t>{3, 4});
    const long shift = std::is_unsigned_v<T> ? 0 : 7;
    for (std::size_t i = 0; i < 12; ++i)
        CHECK(array.data[i] == static_cast<T>(static_cast<long>(i) * 3 - shift));

    const scratch folder;
    io::write_npy(folder / "again.npy", array);
    CHECK(contents(folder / "again.npy") == contents(data(scalar<T>::name)));
}

TEST_CASE("a round trip keeps shapes and every bit") {
    const scratch folder;
    const std::vector<double> values{
        0.0,    -0.0, 1e-310, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::max(),
        1.0 / 3};
    for (const std::vector<std::size_t>& shape :
         {std::vector<std::size_t>{6}, {2, 3}, {3, 1, 2}, {1, 1, 1, 6}}) {
        io::write_npy(folder / "a.npy", values, shape);
        const auto array = io::read_npy<double>(folder / "a.npy");
        CHECK(array.shape == shape);
        CHECK(std::memcmp(array.data.data(), values.data(), values.size() * sizeof(double)) == 0);
    }
    io::write_npy(folder / "one.npy", std::vector<float>{2.5f}, {});
    CHECK(io::read_npy<float>(folder / "one.npy").shape.empty());
    io::write_npy(folder / "none.npy", std::vector<float>{}, {0, 64});
    CHECK(io::read_npy<float>(folder / "none.npy").shape == std::vector<std::size_t>{0, 64});
    CHECK(contents(folder / "none.npy") == contents(data("float_0x64.npy")));
}

TEST_CASE("a long shape still has its data aligned") {
    const scratch folder;
    for (std::size_t axes = 1; axes <= io::max_npy_axes; ++axes) {
        io::write_npy(folder / "a.npy", std::vector<float>{1}, std::vector<std::size_t>(axes, 1));
        CHECK(io::read_npy<float>(folder / "a.npy").shape.size() == axes);
        CHECK((std::filesystem::file_size(folder / "a.npy") - sizeof(float)) % 64 == 0);
    }
}

TEST_CASE("versions 2.0 and 3.0, no axes, Fortran order on one axis are read") {
    const auto expected = io::read_npy<float>(data("float_3x4.npy"));
    for (const auto* name : {"float_3x4_version_2.npy", "float_3x4_version_3.npy"}) {
        const auto array = io::read_npy<float>(data(name));
        CHECK(array.shape == expected.shape);
        CHECK(array.data == expected.data);
    }
    const auto number = io::read_npy<float>(data("float_no_axes.npy"));
    CHECK(number.shape.empty());
    CHECK(number.data == std::vector<float>{2.5f});
    CHECK(io::read_npy<float>(data("fortran_5.npy")).data == std::vector<float>{0, 1, 2, 3, 4});
    CHECK(io::read_npy<float>(data("float_2x3x2.npy")).data[11] == 11.0f / 8);
}

TEST_CASE("a dictionary may be written otherwise than numpy does") {
    CHECK(refusal("{\"shape\":(3,4),\"fortran_order\":False,\"descr\":\"<f4\"}") == "nothing thrown");
    CHECK(refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4L)}  \n") == "nothing thrown");
    CHECK(refusal(with_shape("(12,)")) == "nothing thrown");
    CHECK(refusal(with_shape("()"), 4) == "nothing thrown");
}

TEST_CASE("what is no npy file is refused") {
    const scratch folder;
    const auto why = [&](std::string_view bytes) {
        overwrite(folder / "a.npy", bytes);
        return reason([&] { io::read_npy<float>(folder / "a.npy"); });
    };
    CHECK(why("") == "not an npy file but an empty file");
    CHECK(why("\x93NUM") == "truncated: the start of an npy file takes 8 bytes, 4 are left");
    CHECK(why("\1\2\3\4\5\6\7\x08") == "not an npy file: it does not start with \\x93NUMPY");
    CHECK(why("hello, world") == Contains("not an npy file"));
    CHECK(why(std::string{"\x93NUMPY\x04\x00 ", 9}) == Contains("npy version 4.0"));
    CHECK(why(std::string{"\x93NUMPY\x01\x01 ", 9}) == Contains("npy version 1.1"));
    CHECK(why(std::string{"\x93NUMPY\x01\x00\x76", 9}) ==
          Contains("truncated: the length of the npy header"));
    CHECK(why(std::string{"\x93NUMPY\x01\x00\x76\x00{'descr'", 18}) ==
          Contains("truncated: the npy header takes 118"));
    CHECK(why(std::string{"\x93NUMPY\x02\x00\xff\xff\xff\xff{", 13}) ==
          Contains("oversized npy header: 4294967295"));

    CHECK(reason([&] { io::read_npy<float>(folder / "nowhere.npy"); }) == "no such file");
    CHECK(reason([&] { io::read_npy<float>(folder.folder()); }) == "not a regular file");
    CHECK(diamond_test::message<io::file_error>([&] { io::read_npy<float>(folder / "nowhere.npy"); }) ==
          Contains("nowhere.npy: no such file"));
}

TEST_CASE("another element type, order or shape is refused, with what was found and what expected") {
    CHECK(reason([] { io::read_npy<std::int64_t>(data("float_3x4.npy")); }) ==
          "wrong dtype: '<f4' found, '<i8' expected: floats are not rounded to integers");
    CHECK(reason([] { io::read_npy<float>(data("structured_2.npy")); }) == Contains("structured dtype"));
    const auto dtype = [](const std::string& descr, std::size_t bytes) {
        return refusal("{'descr': '" + descr + "', 'fortran_order': False, 'shape': (1,), }", bytes);
    };
    CHECK(dtype("<c8", 8) == "wrong dtype: '<c8' found, '<f4' expected: it holds complex numbers");
    CHECK(dtype("|O", 8) == Contains("expected: it holds Python objects, which are pickles"));
    CHECK(dtype("<U3", 12) == Contains("it holds texts"));
    CHECK(dtype("|S3", 3) == Contains("it holds texts"));
    CHECK(dtype("<M8[ns]", 8) == Contains("it holds dates"));
    CHECK(dtype("|V4", 4) == Contains("it holds records"));
    CHECK(dtype("<f16", 16) == Contains("it holds floats of other than 2, 4 or 8 bytes"));
    for (const auto* none :
         {"", "<", "f", "<>f4", "<f", "<f4 ", "<x4", "<i3", "<f99999999999999999999", "|b8"})
        CHECK(dtype(none, 4) == Contains("wrong dtype: '"));
    for (const auto* same : {"<f4", "=f4", "f4", "|f4", "<i4", "<u2", "|b1", "|i1", "?1"}) {
        const std::size_t bytes = same[1] == 'b' || same[2] == '1' ? 1 : same[2] == '2' ? 2 : 4;
        if (same[0] != '?') CHECK(dtype(same, bytes) == "nothing thrown");
    }

    const auto expecting = [](std::vector<std::size_t> shape) {
        return reason([&] { io::read_npy<float>(data("float_3x4.npy"), {.shape = shape}); });
    };
    CHECK(expecting({3, 4}) == "nothing thrown");
    CHECK(expecting({io::any_extent, 4}) == "nothing thrown");
    CHECK(expecting({io::any_extent, 64}) == "misshapen: shape (3, 4) found, (any, 64) expected");
    CHECK(expecting({12}) == "misshapen: shape (3, 4) found, (12,) expected");
    CHECK(expecting({3, 4, 1}) == Contains("(3, 4, 1) expected"));
}

TEST_CASE("data that is too little, too much or too large is refused") {
    CHECK(refusal(with_shape("(3, 4)"), 47) ==
          "truncated: shape (3, 4) takes 48 bytes, 47 follow the header");
    CHECK(refusal(with_shape("(3, 4)"), 49) ==
          "trailing bytes: shape (3, 4) takes 48 bytes, 49 follow the header");
    CHECK(refusal(with_shape("(0, 4)"), 1) == Contains("trailing bytes"));
    CHECK(refusal(with_shape("(3, 4)"), 48, {.max_bytes = 48}) == "nothing thrown");
    CHECK(refusal(with_shape("(3, 4)"), 48, {.max_bytes = 47}) ==
          Contains("oversized: shape (3, 4) of 4 bytes each, at most 47"));
    CHECK(refusal(with_shape("(4294967296, 4294967296)")) == Contains("oversized"));
    CHECK(refusal(with_shape("(4611686018427387904,)")) == Contains("oversized"));
    CHECK(refusal(with_shape("(1000000000000,)")) == Contains("oversized"));
    CHECK(refusal(with_shape("(1000000000000,)"), 48, {.max_bytes = std::uintmax_t{1} << 62}) ==
          Contains("truncated"));
    CHECK(refusal(with_shape("(18446744073709551615,)")) == Contains("oversized"));
    CHECK(refusal(with_shape("(18446744073709551616,)")) ==
          Contains("an extent beyond 18446744073709551615"));
}

TEST_CASE("a malformed dictionary is refused") {
    const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
    CHECK(refusal(good) == "nothing thrown");
    CHECK(refusal("") == Contains("expected '{'"));
    CHECK(refusal("{}") == Contains("no entry 'descr'"));
    CHECK(refusal("{'descr': '<f4'}") == Contains("no entry 'fortran_order'"));
    CHECK(refusal("{'descr': '<f4', 'fortran_order': False}") == Contains("no entry 'shape'"));
    CHECK(refusal("{'descr': '<f4', 'descr': '<f4', }") == Contains("entry 'descr' stands twice"));
    CHECK(refusal("{'descr': '<f4', 'order': False, }") == Contains("unknown entry 'order'"));
    CHECK(refusal("{'descr': ''" + good.substr(15)) == Contains("wrong dtype: ''"));
    CHECK(refusal("{'descr' '<f4'}") == Contains("expected ':'"));
    CHECK(refusal("{'descr': '<f4' 'shape'") == Contains("expected ',' or '}'"));
    CHECK(refusal("{'descr': <f4}") == Contains("expected a quoted string"));
    CHECK(refusal("{'descr': '<f4") == Contains("a string without an end"));
    CHECK(refusal("{'descr': '<\\x66") == Contains("unexpected character in a string"));
    CHECK(refusal("{'fortran_order': 0}") == Contains("expected True or False"));
    CHECK(refusal(good + "()") == Contains("unexpected text after the dictionary"));
    CHECK(refusal(with_shape("[3, 4]")) == Contains("expected '('"));
    CHECK(refusal(with_shape("(-3, 4)")) == Contains("expected a number, 0 or more"));
    CHECK(refusal(with_shape("(3; 4)")) == Contains("expected ',' or ')'"));
    CHECK(refusal(with_shape("(12)")) == Contains("(3,) is a shape"));
    CHECK(refusal(with_shape("(3, 4")) == Contains("expected a number"));
    std::string many = "(";
    for (std::size_t i = 0; i <= io::max_npy_axes; ++i) many += "1, ";
    CHECK(refusal(with_shape(many + ")")) == Contains("more than 64 axes"));
}

TEST_CASE("a file cut at any length is refused") {
    const scratch folder;
    for (const auto* name : {"float_3x4.npy", "float_3x4_version_2.npy", "float_3x4_version_3.npy"}) {
        const auto whole = contents(data(name));
        for (std::size_t length = 0; length < whole.size(); ++length) {
            overwrite(folder / "a.npy", whole.substr(0, length));
            CAPTURE(length);
            CHECK(reason([&] { io::read_npy<float>(folder / "a.npy"); }) != "nothing thrown");
        }
    }
}

TEST_CASE("a spoilt byte of the header is refused or does not matter") {
    const scratch folder;
    const auto whole = contents(data("float_3x4.npy"));
    const auto header = whole.size() - 12 * sizeof(float);
    const auto expected = io::read_npy<float>(data("float_3x4.npy"));
    std::size_t refused = 0;
    for (std::size_t at = 0; at < header; ++at)
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto spoilt = whole;
            spoilt[at] = static_cast<char>(static_cast<unsigned char>(spoilt[at]) ^ (1u << bit));
            if (whole[at] == '<' && spoilt[at] == '>')
                continue; // one bit makes it big-endian: another file, and a good one
            overwrite(folder / "a.npy", spoilt);
            try {
                const auto array = io::read_npy<float>(folder / "a.npy");
                CHECK(array.shape == expected.shape);
                CHECK(array.data == expected.data);
            } catch (const io::file_error&) {
                ++refused;
            }
        }
    CHECK(refused > 8 * 60); // every bit of the 60 characters that say something
}

TEST_CASE("writing: wrong sizes are refused, and a failure leaves what was there") {
    const scratch folder;
    const std::vector<float> values(12);
    CHECK(diamond_test::message<std::invalid_argument>([&] {
              io::write_npy(folder / "a.npy", values, {3, 5});
          }) == "write_npy: 12 elements for shape (3, 5)");
    CHECK_THROWS_AS(io::write_npy(folder / "a.npy", values, {io::any_extent, io::any_extent}),
                    std::invalid_argument);
    CHECK_FALSE(std::filesystem::exists(folder / "a.npy"));
    CHECK(reason([&] {
              io::write_npy(folder / "no folder/a.npy", values, {3, 4});
          }) == Contains("cannot be written"));
}

namespace {

/// The float that a file of one element holds; bytes as they stand there.
template <class T = float>
T one(const std::string& descr, const std::string& bytes) {
    const auto file = npy_file("{'descr': '" + descr + "', 'fortran_order': False, 'shape': (), }", 0) +
                      bytes;
    return io::parse_npy<T>(io::bytes_of(file), "a.npy").data.at(0);
}
template <class T = float>
doctest::String one_refused(const std::string& descr, const std::string& bytes) {
    return reason([&] { one<T>(descr, bytes); });
}

} // namespace

TEST_CASE("what is asked for is what is read: other sizes, bool, big-endian") {
    CHECK(one("<f2", std::string{"\x00\x3c", 2}) == 1);
    CHECK(one(">f2", std::string{"\xc0\x01", 2}) == -2.001953125f);
    CHECK(one(">f4", std::string{"\x3f\x80\0\0", 4}) == 1);
    CHECK(one("<f8", std::string{"\0\0\0\0\0\0\xf0\x3f", 8}) == 1);
    CHECK(one(">f8", std::string{"\x3f\xf0\0\0\0\0\0\0", 8}) == 1);
    CHECK(one<double>("<f4", std::string{"\xcd\xcc\xcc\x3d", 4}) == static_cast<double>(0.1f));
    CHECK(one<double>("<f2", std::string{"\x01\x00", 2}) == 0x1p-24);
    CHECK(one("|b1", std::string{"\0", 1}) == 0);
    CHECK(one("|b1", "\1") == 1);
    CHECK(one("|b1", "\7") == 1); // True, for numpy
    CHECK(one<std::uint8_t>("|b1", "\1") == 1);
    CHECK(one("|i1", "\xff") == -1);
    CHECK(one("|u1", "\xff") == 255);
    CHECK(one("<i2", "\xfe\xff") == -2);
    CHECK(one(">u2", std::string{"\x01\x00", 2}) == 256);
    CHECK(one<std::int64_t>(">i4", "\xff\xff\xff\xfd") == -3);
    CHECK(one<std::int32_t>("<i8", std::string{"\x05\0\0\0\0\0\0\0", 8}) == 5);
    CHECK(io::read_npy<float>(data("double_3x4.npy")).data ==
          io::read_npy<float>(data("float_3x4.npy")).data);
    CHECK(io::read_npy<double>(data("int64_3x4.npy")).data[0] == -7);
    for (std::size_t i = 0; i < 12; ++i)
        CHECK(io::read_npy<float>(data("big_endian_3x4.npy")).data[i] == static_cast<float>(i));
    CHECK(io::read_npy<float>(data("bool_4.npy")).data.size() == 4);
}

TEST_CASE("a number without a place in what is asked for is refused, with the number") {
    const std::string large{"\x9c\x75\0\x88\x3c\xe4\x37\x7e", 8}; // 1e300
    CHECK(one_refused("<f8", large) == "element 0 of the data is 1e+300, which is beyond the largest '<f4'");
    CHECK(one<double>("<f8", large) == doctest::Approx(1e300));
    CHECK(one("<f8", std::string{"\0\0\0\0\0\0\xf0\x7f", 8}) ==
          std::numeric_limits<float>::infinity()); // infinity and NaN are floats
    CHECK(std::isnan(one("<f8", std::string{"\0\0\0\0\0\0\xf8\x7f", 8})));
    CHECK(one("<f8", std::string{"\0\0\0\xe0\xff\xff\xef\x47", 8}) == std::numeric_limits<float>::max());
    CHECK(one("<i4", std::string{"\0\0\0\1", 4}) == 0x1p24f);
    CHECK(one_refused("<i4", std::string{"\1\0\0\1", 4}) ==
          "element 0 of the data is 16777217, which is not exact in '<f4'");
    CHECK(one<double>("<i4", std::string{"\1\0\0\1", 4}) == 16777217);
    CHECK(one("<i8", std::string{"\0\0\0\0\0\0\0\x80", 8}) == -0x1p63f);
    CHECK(one_refused<double>("<u8", std::string(8, '\xff')) ==
          "element 0 of the data is 18446744073709551615, which is not exact in '<f8'");
    CHECK(one_refused<std::uint8_t>("<i4", std::string{"\0\1\0\0", 4}) ==
          "element 0 of the data is 256, which is out of the range of '|u1'");
    CHECK(one_refused<std::uint64_t>("|i1", "\xff") == Contains("is -1, which is out of the range of '<u8'"));
    CHECK(one_refused<std::int64_t>("<u8", std::string(8, '\xff')) ==
          Contains("is 18446744073709551615, which is out of the range"));
}

TEST_CASE("Fortran order is read in C order, on any number of axes and of any type") {
    for (std::size_t i = 0; i < 12; ++i)
        CHECK(io::read_npy<float>(data("fortran_3x4.npy")).data[i] == static_cast<float>(i));
    const std::vector<std::size_t> shape{2, 3, 1, 4};
    std::string bytes; // element (i, j, 0, l) is 100 i + 10 j + l, the first index fastest
    for (int l = 0; l < 4; ++l)
        for (int j = 0; j < 3; ++j)
            for (int i = 0; i < 2; ++i)
                bytes += std::string{"\0\0", 2} + static_cast<char>((100 * i + 10 * j + l) >> 8) +
                         static_cast<char>((100 * i + 10 * j + l) & 0xff);
    const auto file = npy_file("{'descr': '>i4', 'fortran_order': True, 'shape': (2, 3, 1, 4), }", 0) + bytes;
    const auto array = io::parse_npy<double>(io::bytes_of(file), "a.npy");
    CHECK(array.shape == shape);
    std::size_t at = 0;
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 3; ++j)
            for (int l = 0; l < 4; ++l) CHECK(array.data[at++] == 100 * i + 10 * j + l);
    const auto empty = npy_file("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 0), }", 0);
    CHECK(io::parse_npy<float>(io::bytes_of(empty), "a.npy").data.empty());
}

TEST_CASE("many elements are converted in the order of the file") {
    constexpr std::size_t rows = 300, columns = 100; // more than are converted at once
    std::vector<double> values(rows * columns);
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = static_cast<double>(k);
    const scratch folder;
    io::write_npy(folder / "a.npy", values, {rows, columns});
    const auto array = io::read_npy<float>(folder / "a.npy");
    for (std::size_t k = 0; k < values.size(); ++k) REQUIRE(array.data[k] == static_cast<float>(k));
    auto transposed = contents(folder / "a.npy");
    transposed.replace(transposed.find("False"), 5, "True ");
    const auto turned = io::parse_npy<float>(io::bytes_of(transposed), "a.npy");
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j)
            REQUIRE(turned.data[i * columns + j] == static_cast<float>(i + rows * j));
}

TEST_CASE("what is written is read: the limit on data is the same") {
    const scratch folder;
    io::write_npy(folder / "a.npy", std::vector<float>(4), {4}, {.max_bytes = 16});
    CHECK(io::read_npy<float>(folder / "a.npy", {.max_bytes = 16}).data.size() == 4);
    CHECK(diamond_test::message<std::invalid_argument>([&] {
              io::write_npy(folder / "a.npy", std::vector<float>(4), {4}, {.max_bytes = 15});
          }) == "write_npy: 16 bytes, at most 15 are written and read");
    CHECK(reason([&] { io::read_npy<double>(folder / "a.npy", {.max_bytes = 31}); }) ==
          Contains("oversized: shape (4,) of 8 bytes each, at most 31"));
}

} // namespace io_npy_test
