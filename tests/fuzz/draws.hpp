// Numbers and texts from a fuzzer's bytes: the same as libFuzzer's FuzzedDataProvider gives, which only clang
// ships, so that other compilers replay a corpus as it was found. Integers come off the end, texts off the
// start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

namespace diamond_fuzz {

class draws {
public:
    draws(const std::uint8_t* data, std::size_t size) : data_{data}, left_{size} {}

    std::size_t remaining_bytes() const { return left_; }

    /// from ... to, both included.
    template <class T>
    T integer(T from, T to) {
        const auto range = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
        std::uint64_t result = 0;
        for (std::size_t bits = 0; bits < 8 * sizeof(T) && range >> bits > 0 && left_ > 0; bits += 8)
            result = result << 8 | data_[--left_];
        if (range != std::numeric_limits<std::uint64_t>::max()) result %= range + 1;
        return static_cast<T>(static_cast<std::uint64_t>(from) + result);
    }
    template <class T>
    T integer() {
        return integer(std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
    }
    bool boolean() { return integer<std::uint8_t>(0, 1) != 0; }

    double number(double from, double to) {
        double range = to - from, result = from;
        if (to > 0 && from < 0 && to > from + std::numeric_limits<double>::max()) {
            range = to / 2 - from / 2;
            if (boolean()) result += range;
        }
        constexpr auto most = static_cast<double>(std::numeric_limits<std::uint64_t>::max());
        return result + range * (static_cast<double>(integer<std::uint64_t>()) / most);
    }
    double number() {
        return number(std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
    }

    /// At most so long; a backslash and another character end it.
    std::string text(std::size_t most) {
        std::string result;
        while (result.size() < most && left_ > 0) {
            char next = take();
            if (next == '\\' && left_ > 0 && (next = take()) != '\\') break;
            result += next;
        }
        return result;
    }

private:
    char take() {
        --left_;
        return static_cast<char>(*data_++);
    }

    const std::uint8_t* data_;
    std::size_t left_;
};

} // namespace diamond_fuzz
