/// This header parses the header of a safetensors file, a JSON object of tensors and text, and accepts
/// nothing else.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file_error.hpp>
#include <diamond/io/tensor.hpp>

namespace diamond::io {

/// numpy 2 allows this many axes. A tensor with more is damaged.
inline constexpr std::size_t max_tensor_axes = 64;

/// An entry of the header describes one tensor, whose bytes are [begin, end) of what follows the header.
struct safetensors_entry {
    dtype type = dtype::f32;         ///< the type of the elements, which fixes their size in bits
    std::vector<index_t> shape = {}; ///< the extent of each axis in C order; empty for one number
    std::uint64_t begin = 0;         ///< the offset of the first byte, counted from the end of the header
    std::uint64_t end = 0;           ///< the offset behind the last byte, counted likewise
};

/// The header consists of the metadata and the entries of all tensors.
struct safetensors_header {
    /// The texts of `__metadata__` by their keys; empty where the file has none.
    std::map<std::string, std::string> metadata = {};
    /// The entry of each tensor by its name in the file.
    std::map<std::string, safetensors_entry> tensors = {};
    std::filesystem::path path = {}; ///< the file, as errors name it
};

/// This parser reads `{"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [3, 4],
/// "data_offsets": [0, 48]}}`, whose entries may come in any order, each at most once. Like the library of
/// the format, it ignores white space around the object, null in place of the metadata, and further entries
/// of a tensor. nlohmann::json calls its public members for events, since a parsed value would hide
/// duplicates.
class safetensors_header_parser {
public:
    /// Takes the path that errors name, and the header after its length field, which must outlive the parser.
    safetensors_header_parser(const std::filesystem::path& path, std::string_view text)
        : path_{path}, text_{text} {}

    /// Parses the header.
    /// @throws file_error that says what was expected where.
    safetensors_header parse() {
        if (!is_object(text_)) fail("no object: it does not start with '{'");
        // nlohmann::json would take a zero byte for the end of the text.
        if (text_.find('\0') != std::string_view::npos) fail("a zero byte");
        header_.path = path_;
        nlohmann::json::sax_parse(text_, this);
        return std::move(header_);
    }

    /// Returns whether the text begins like a JSON object.
    static bool is_object(std::string_view text) {
        const auto first = text.find_first_not_of(" \t\r\n");
        return first != text.npos && text[first] == '{';
    }

    bool start_object(std::size_t) {
        if (place_ == place::further) return enter_further();
        if (place_ == place::outside)
            place_ = place::header;
        else if (place_ == place::header)
            place_ = name_ == metadata_name ? place::metadata : place::tensor;
        else
            unexpected("an object");
        type_.reset(), shape_.reset(), offsets_.reset();
        return true;
    }

    bool key(std::string& key) {
        if (place_ == place::header) {
            if (header_.tensors.contains(key) || (key == metadata_name && metadata_seen_))
                fail("entry '" + excerpt(key) + "' stands twice");
            metadata_seen_ = metadata_seen_ || key == metadata_name;
            name_ = key;
        } else if (place_ == place::metadata) {
            if (header_.metadata.contains(key)) fail(where() + "entry '" + excerpt(key) + "' stands twice");
        } else {
            if (place_ == place::further) return true;
            if (key != "dtype" && key != "shape" && key != "data_offsets") place_ = place::further;
            if ((key == "dtype" && type_) || (key == "shape" && shape_) ||
                (key == "data_offsets" && offsets_))
                fail(where() + "entry '" + excerpt(key) + "' stands twice");
        }
        key_ = key;
        return true;
    }

    bool string(std::string& text) {
        if (place_ == place::further) return pass_further();
        if (place_ == place::metadata)
            header_.metadata.emplace(key_, text);
        else if (place_ == place::tensor && key_ == "dtype")
            type_ = dtype_named(text);
        else
            unexpected("a string");
        return true;
    }

    bool start_array(std::size_t) {
        if (place_ == place::further) return enter_further();
        if (place_ != place::tensor || key_ == "dtype") unexpected("a list");
        place_ = key_ == "shape" ? place::shape : place::offsets;
        (place_ == place::shape ? shape_ : offsets_).emplace();
        return true;
    }

    bool number_unsigned(std::uint64_t number) {
        constexpr auto most = std::numeric_limits<index_t>::max();
        if (place_ == place::further) return pass_further();
        if (place_ != place::shape && place_ != place::offsets) unexpected("a number");
        // NOLINTNEXTLINE(bugprone-unchecked-optional-access): a list's begin has made it
        auto& list = place_ == place::shape ? *shape_ : *offsets_;
        if (list.size() == max_tensor_axes)
            fail(where() + "more than " + digits_of(max_tensor_axes) + " numbers in '" + key_ + "'");
        if (std::cmp_greater(number, most))
            fail(where() + "a number beyond " + digits_of(most) + " in '" + key_ + "'");
        list.push_back(static_cast<index_t>(number));
        return true;
    }
    bool number_integer(std::int64_t number) {
        if (number >= 0) return number_unsigned(static_cast<std::uint64_t>(number)); // this number is -0
        if (place_ == place::further) return pass_further();
        unexpected("the negative number " + digits_of(number));
    }
    bool number_float(double, const std::string& text) {
        if (place_ == place::further) return pass_further();
        unexpected("the number " + excerpt(text));
    }

    bool end_array() {
        if (place_ == place::further) return leave_further();
        place_ = place::tensor;
        return true;
    }

    bool end_object() {
        if (place_ == place::further) return leave_further();
        if (place_ == place::tensor) finish_tensor();
        place_ = place_ == place::header ? place::outside : place::header;
        return true;
    }

    bool null() {
        if (place_ == place::further) return pass_further();
        if (place_ == place::header && name_ == metadata_name) return true;
        unexpected("null");
    }
    bool boolean(bool) {
        if (place_ == place::further) return pass_further();
        unexpected("true or false");
    }
    // JSON has no such value, other formats of nlohmann::json do.
    bool binary(nlohmann::json::binary_t&) { unexpected("bytes"); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
        fail("no valid JSON: " + excerpt(error.what()));
    }

private:
    enum class place { outside, header, metadata, tensor, shape, offsets, further };
    static constexpr std::string_view metadata_name = "__metadata__";

    dtype dtype_named(const std::string& name) const {
        const auto found = std::ranges::find(dtypes, name, &dtype_traits::name);
        if (found != dtypes.end()) return found->type;
        std::string known;
        for (const auto& row : dtypes) known += (known.empty() ? "" : ", ") + std::string{row.name};
        fail(where() + "unknown dtype '" + excerpt(name) + "', where " + known + " are known");
    }

    /// Skips the value of a further entry: one scalar, or everything until its list or object ends.
    bool pass_further() {
        if (further_depth_ == 0) place_ = place::tensor;
        return true;
    }
    bool enter_further() {
        constexpr int most = 127; // the limit of the format's own library
        if (++further_depth_ > most)
            fail(where() + "entry '" + excerpt(key_) + "' nests deeper than " + digits_of(most) + " levels");
        return true;
    }
    bool leave_further() {
        --further_depth_;
        return pass_further();
    }

    /// Checks an entry that is complete and stores it.
    void finish_tensor() {
        if (!type_ || !shape_ || !offsets_)
            fail(where() + "no entry '" + (!type_ ? "dtype" : !shape_ ? "shape" : "data_offsets") + "'");
        if (offsets_->size() != 2) fail(where() + digits_of(offsets_->size()) + " data_offsets, 2 expected");
        const auto begin = (*offsets_)[0], end = (*offsets_)[1];
        const auto range = "data_offsets [" + digits_of(begin) + ", " + digits_of(end) + "]";
        if (end < begin) fail(where() + range + " end before they begin");
        const auto bytes = detail::byte_count(*type_, *shape_);
        const auto shape = "shape " + detail::shape_text(*shape_) + " of " + to_string(*type_);
        if (!bytes) fail(where() + shape + " takes more bytes than can be counted, or a part of one");
        if (std::cmp_not_equal(*bytes, end - begin))
            fail(where() + shape + " takes " + digits_of(*bytes) + " bytes, " + range + " hold " +
                 digits_of(end - begin));
        const auto from = static_cast<std::uint64_t>(begin), to = static_cast<std::uint64_t>(end);
        header_.tensors.emplace(name_, safetensors_entry{*type_, std::move(*shape_), from, to});
    }

    std::string where() const {
        return place_ == place::metadata ? "metadata: " : "tensor '" + excerpt(name_) + "': ";
    }

    [[noreturn]] void unexpected(const std::string& found) const {
        if (place_ == place::header) fail(where() + "an object expected, " + found + " found");
        if (place_ == place::metadata)
            fail(where() + "a string expected as '" + excerpt(key_) + "', " + found + " found");
        if (place_ != place::tensor)
            fail(where() + "a whole number, 0 or more, expected in '" + key_ + "', " + found + " found");
        fail(where() + (key_ == "dtype" ? "a string" : "a list") + " expected as '" + key_ + "', " + found +
             " found");
    }

    /// Returns the beginning of a text, which may be as long as the file.
    static std::string excerpt(const std::string& text) {
        constexpr std::size_t most = 200;
        return text.size() <= most ? text : text.substr(0, most) + "...";
    }

    [[noreturn]] void fail(const std::string& reason) const {
        throw file_error{path_, "malformed safetensors header: " + reason};
    }

    const std::filesystem::path& path_;
    std::string_view text_;
    safetensors_header header_;
    place place_ = place::outside;
    std::string name_, key_;
    bool metadata_seen_ = false;
    int further_depth_ = 0;
    std::optional<dtype> type_;
    std::optional<std::vector<index_t>> shape_, offsets_;
};

} // namespace diamond::io
