// What the guard remembers of a composition: a hash of its bits, and its numbers, so that bits that did move
// tell by how much.
#pragma once

#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace same_bits {

/// One composition's numbers in the order in which they were added.
class record {
public:
    explicit record(std::string name) : name_(std::move(name)) {}

    template <class Number>
    record& add(const std::vector<Number>& numbers) {
        for (const Number x : numbers) {
            unsigned char bytes[sizeof x];
            std::memcpy(bytes, &x, sizeof x);
            for (const unsigned char b : bytes) hash_ = (hash_ ^ b) * 0x100000001b3u; // FNV-1a, 64 bits
            values_.push_back(static_cast<double>(x));
        }
        return *this;
    }
    template <class Number>
        requires std::is_arithmetic_v<Number>
    record& add(Number x) {
        return add(std::vector<Number>{x});
    }

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::uint64_t hash() const { return hash_; }
    [[nodiscard]] const std::vector<double>& values() const { return values_; }

private:
    std::string name_;
    std::uint64_t hash_ = 0xcbf29ce484222325u;
    std::vector<double> values_;
};

/// The compositions of one back end by `threads` threads: defined once for each back end, for they take long
/// to compile.
std::vector<record> eigen_double(int threads);
std::vector<record> eigen_float(int threads);
std::vector<record> thrust_cpu_double(int threads);
std::vector<record> thrust_omp_float(int threads);

} // namespace same_bits
