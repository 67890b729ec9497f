/// The files of tests/openvino/data, and what JAX and PyTorch computed with them (data/make.py and
/// data/make_torch.py).
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/backend/eigen.hpp>
#include <diamond/core/batch.hpp>

namespace diamond_test {

using batch = diamond::eigen::batch<float>;

[[nodiscard]] inline std::filesystem::path file(const std::string& name) {
    return std::filesystem::path(DIAMOND_OPENVINO_DATA) / name;
}

/// The library's own file of the network of diamond.onnx.
[[nodiscard]] inline std::filesystem::path own_network() {
    return file("../../io/data/pytorch_network.safetensors");
}

/// The inputs and results of one network, of `columns` columns.
class reference {
public:
    static constexpr diamond::index_t columns = 5;

    explicit reference(const std::string& name, const std::string& values = "values.json") {
        std::ifstream stream(file(values));
        values_ = nlohmann::json::parse(stream).at(name);
    }
    /// Numbers of any type, in the order of a batch.
    template <class Number = double>
    [[nodiscard]] std::vector<Number> numbers(const std::string& key) const {
        return values_.at(key).get<std::vector<Number>>();
    }
    [[nodiscard]] batch rows(const diamond::eigen::context& context, const std::string& key) const {
        const auto all = numbers<float>(key);
        return diamond::from_host(context, static_cast<diamond::index_t>(all.size()) / columns, columns, all);
    }

private:
    nlohmann::json values_;
};

/// The largest difference of a batch from reference numbers, in units of the larger of 1 and the number.
[[nodiscard]] inline double error(const batch& found, const std::vector<double>& expected) {
    const auto host = diamond::to_host(found);
    if (host.size() != expected.size()) throw std::logic_error("a reference of another size");
    double most = 0.0;
    for (std::size_t i = 0; i < host.size(); ++i) {
        const double distance = std::abs(static_cast<double>(host[i]) - expected[i]) /
                                std::max(1.0, std::abs(expected[i]));
        if (!(distance <= most)) most = distance; // NaN stays
    }
    return most;
}

/// The inner product of two batches, in double.
[[nodiscard]] inline double inner(const batch& a, const batch& b) {
    const auto left = diamond::to_host(a), right = diamond::to_host(b);
    return std::inner_product(left.begin(), left.end(), right.begin(), 0.0);
}

} // namespace diamond_test
