/// This header parses the header of an npy file, a Python dictionary of three entries, and accepts nothing
/// else.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file_error.hpp>

namespace diamond::io {

/// The header of an npy file states the dtype as numpy spells it ("<f4"), the order of the elements, and the
/// shape.
struct npy_header {
    std::string dtype;              ///< The dtype as numpy spells it.
    bool fortran_order = false;     ///< Whether the first index is the fastest.
    std::vector<std::size_t> shape; ///< the extent of each axis; empty for one number
};

/// numpy 1 allows 32 axes and numpy 2 allows 64. A header with more cannot belong to an array.
inline constexpr std::size_t max_npy_axes = 64;

/// This parser reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, whose entries may come in
/// any order, each exactly once.
class npy_header_parser {
public:
    /// Takes the path that errors name, and the header after its length field, which must outlive the parser.
    npy_header_parser(const std::filesystem::path& path, std::string_view text) : path_{path}, text_{text} {}

    /// Parses the header.
    /// @throws file_error that says what was expected at which byte.
    npy_header parse() {
        std::optional<std::string> dtype;
        std::optional<bool> fortran_order;
        std::optional<std::vector<std::size_t>> shape;

        expect('{');
        while (!accept('}')) {
            const auto key = string();
            expect(':');
            if (key == "descr")
                once(dtype, key, this->dtype());
            else if (key == "fortran_order")
                once(fortran_order, key, boolean());
            else if (key == "shape")
                once(shape, key, tuple());
            else
                fail("unknown entry '" + key + "'");
            if (!accept(',') && !next_is('}')) fail("expected ',' or '}'");
        }
        skip_space();
        if (at_ != text_.size()) fail("unexpected text after the dictionary");
        if (!dtype) fail("no entry 'descr'");
        if (!fortran_order) fail("no entry 'fortran_order'");
        if (!shape) fail("no entry 'shape'");
        return {std::move(*dtype), *fortran_order, std::move(*shape)};
    }

private:
    template <class T>
    void once(std::optional<T>& entry, const std::string& key, T value) {
        if (entry) fail("entry '" + key + "' stands twice");
        entry = std::move(value);
    }

    std::string dtype() {
        if (next_is('[') || next_is('(')) fail("a structured dtype, which is not read");
        return string();
    }

    std::string string() {
        skip_space();
        const char quote = at_ < text_.size() ? text_[at_] : '\0';
        if (quote != '\'' && quote != '"') fail("expected a quoted string");
        const auto begin = ++at_;
        while (at_ < text_.size() && text_[at_] != quote) {
            if (text_[at_] < ' ' || text_[at_] > '~' || text_[at_] == '\\')
                fail("unexpected character in a string");
            ++at_;
        }
        if (at_ == text_.size()) fail("a string without an end");
        return std::string{text_.substr(begin, at_++ - begin)};
    }

    bool boolean() {
        skip_space();
        for (const auto& [word, value] : {std::pair{std::string_view{"True"}, true}, {"False", false}})
            if (text_.substr(at_).starts_with(word)) {
                at_ += word.size();
                return value;
            }
        fail("expected True or False");
    }

    std::vector<std::size_t> tuple() {
        std::vector<std::size_t> extents;
        expect('(');
        while (!accept(')')) {
            if (extents.size() == max_npy_axes) fail("more than " + digits_of(max_npy_axes) + " axes");
            extents.push_back(integer());
            if (accept(',')) continue;
            if (!next_is(')')) fail("expected ',' or ')'");
            if (extents.size() == 1) fail("expected ',': (3) is a number, (3,) is a shape");
        }
        return extents;
    }

    std::size_t integer() {
        constexpr auto most = std::numeric_limits<std::size_t>::max();
        skip_space();
        const auto begin = at_;
        std::size_t value = 0;
        for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
            const auto digit = static_cast<std::size_t>(text_[at_] - '0');
            if (value > (most - digit) / 10) fail("an extent beyond " + digits_of(most));
            value = 10 * value + digit;
        }
        if (at_ == begin) fail("expected a number, 0 or more");
        if (at_ < text_.size() && text_[at_] == 'L') ++at_; // Python 2 wrote its long integers as 3L
        return value;
    }

    void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
    bool next_is(char wanted) {
        skip_space();
        return at_ < text_.size() && text_[at_] == wanted;
    }
    bool accept(char wanted) {
        const bool here = next_is(wanted);
        if (here) ++at_;
        return here;
    }
    void expect(char wanted) {
        if (!accept(wanted)) fail(std::string{"expected '"} + wanted + "'");
    }

    [[noreturn]] void fail(const std::string& reason) const {
        throw file_error{path_, "malformed npy header at its byte " + digits_of(at_) + ": " + reason};
    }

    const std::filesystem::path& path_;
    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace diamond::io
