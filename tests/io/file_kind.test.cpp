// A file that is something else than what is asked for is named as that.
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <diamond/io/npy.hpp>
#include <diamond/io/safetensors.hpp>

#include "data.hpp"
#include "safetensors_bytes.hpp"

namespace io_file_kind_test {

namespace io = diamond::io;
using diamond_test::contents;
using diamond_test::data;
using diamond_test::reason;
using doctest::Contains;
using namespace std::string_view_literals;

namespace {

/// What a file is called where tensors are expected, by either reader.
void named(std::string_view start, const char* as, std::size_t zeros_behind = 1000) {
    const std::string file = std::string{start} + std::string(zeros_behind, '\0');
    CAPTURE(as);
    CHECK(reason([&] { io::parse_safetensors(io::bytes_of(file), "a"); }) ==
          Contains((std::string{"not a safetensors file but "} + as).c_str()));
    CHECK(reason([&] { io::parse_npy<float>(io::bytes_of(file), "a"); }) ==
          Contains((std::string{"not an npy file but "} + as).c_str()));
}
void text_named(std::string_view text, const char* as) { named(text, as, 0); }

} // namespace

TEST_CASE("files of other kinds are named") {
    text_named("", "an empty file");
    text_named("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n",
               "a git-lfs pointer: `git lfs pull`");
    text_named("/annex/objects/SHA256E-s1--0\n", "a git-annex pointer");
    text_named("<!DOCTYPE html><html><body>404 Not Found</body></html>", "a web page (HTML)");
    text_named("\n  <HTML><head>", "a web page (HTML)");
    text_named("\xef\xbb\xbf<!doctype HTML>", "a web page (HTML)");
    text_named("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML or HTML");
    text_named("{\"error\": \"Repository not found\"}", "a text in JSON");
    text_named("[1, 2]", "a text in JSON");
    text_named("Not Found", "a text that begins with 'Not Found'");
    text_named("a,b,c\n1,2,3\n", "a text that begins with 'a,b,c'");
    text_named("\xff\xfeh\0i\0"sv, "a text in UTF-16");
    named("PK\3\4\0\0\0\0archive/data.pkl"sv, "a Python pickle in a zip archive, as torch.save writes it");
    named("PK\3\4\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0arr_0.npy"sv,
          "a zip archive of numpy arrays (npz)");
    named("PK\3\4\x14\0\0\0\x08\0notes.txt"sv, "a zip archive");
    named("\x80\2}q\0."sv, "a Python pickle");
    named("\x80\4\x95\x1a\0\0\0\0\0\0\0"sv, "a Python pickle");
    named("\x1f\x8b\x08\0\0\0\0\0\0\3"sv, "compressed by gzip");
    named("\x1f\x8b\x08\x08\x12\x34\x56\x65\0\3a.npy\0"sv, "compressed by gzip");
    named("BZh91AY&SY", "compressed by bzip2");
    named("\xfd"
          "7zXZ\0\0\4"sv,
          "compressed by xz");
    named("\x28\xb5\x2f\xfd\4", "compressed by zstd");
    named("\x04\x22\x4d\x18", "compressed by lz4");
    named("\x89HDF\r\n\x1a\n", "an HDF5 file");
    named("MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MATLAB file");
    named("\x08\x07\x12\x07pytorch\x1a\x05", "a protobuf message, as ONNX models are");
    named("\x08\x0a\x3a\x80\x10\x0a", "a protobuf message, as ONNX models are");
    named("GGUF\3\0\0\0"sv, "a GGUF model");
    named("\x1c\0\0\0TFL3"sv, "a TensorFlow Lite model");
    named("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"sv, "a PNG picture");
    named("\xff\xd8\xff\xe0", "a JPEG picture");
    named("%PDF-1.7\n", "a PDF document");
    named("\x7f"
          "ELF\2\1\1",
          "a program or library");
    named("", "nothing but zero bytes");
    named(std::string(257, 'a') + "ustar", "a tar archive");
}

TEST_CASE("one reader's file is named by the other") {
    CHECK(reason([] { io::read_safetensors(data("float_3x4.npy")); }) ==
          "not a safetensors file but a numpy array (npy)");
    CHECK(reason([] { io::read_npy<float>(data("three.safetensors")); }) ==
          "not an npy file but a safetensors file");
}

TEST_CASE("bytes of no kind have the reader's own reason") {
    const std::string noise = "\xc3\x28\xa0\xa1\xe2\x28\xa1\xfe\x01\x02\x03";
    CHECK(reason([&] { io::parse_safetensors(io::bytes_of(noise), "a"); }) ==
          Contains("truncated: the safetensors header takes"));
    CHECK(reason([&] { io::parse_npy<float>(io::bytes_of(noise), "a"); }) ==
          Contains("not an npy file: it does not start with"));
    // a truncated file of the right kind is truncated, nothing else
    const auto whole = contents(data("three.safetensors"));
    CHECK(reason([&] { io::parse_safetensors(io::bytes_of(whole).first(20), "a"); }) ==
          Contains("truncated: the safetensors header takes"));
    CHECK(reason([&] { io::parse_safetensors(io::bytes_of(whole).first(whole.size() - 1), "a"); }) ==
          Contains("truncated: tensor '"));
}

} // namespace io_file_kind_test
