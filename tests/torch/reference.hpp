// The files of tests/torch/data: TorchScript modules, and what torch itself gave for them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/backend/eigen.hpp>

namespace torch_reference {

using diamond::index_t;

inline std::filesystem::path file(const std::string& name) {
    return std::filesystem::path{DIAMOND_TORCH_DATA} / name;
}

// The arguments and the results of one module.
class of {
public:
    explicit of(const std::string& module)
        : all_(nlohmann::json::parse(std::ifstream(file("reference.json"))).at(module)) {}

    // PyTorch's (n, d) is our d x n.
    diamond::eigen::batch<float> states(const diamond::eigen::context& context, const char* name) const {
        return states(context, all_.at(name));
    }
    diamond::eigen::batch<float> vjp(const diamond::eigen::context& context, std::size_t state) const {
        return states(context, all_.at("vjp").at(state));
    }
    std::vector<double> times(const char* name) const { return all_.at(name); }
    std::vector<std::int32_t> labels(const char* name) const { return all_.at(name); }

private:
    static diamond::eigen::batch<float> states(const diamond::eigen::context& context,
                                               const nlohmann::json& rows) {
        std::vector<float> numbers;
        for (const auto& row : rows)
            for (const float number : row) numbers.push_back(number);
        const auto columns = static_cast<index_t>(rows.size());
        return diamond::from_host<float>(context, static_cast<index_t>(numbers.size()) / columns, columns,
                                         numbers);
    }
    nlohmann::json all_;
};

// The largest difference of two batches, relative to the largest number.
template <class Batch>
double difference(const Batch& a, const Batch& b) {
    double most = 0.0, size = 0.0;
    for (index_t k = 0; k < a.size(); ++k) {
        most = std::max(most, static_cast<double>(std::abs(a.data()[k] - b.data()[k])));
        size = std::max(size, static_cast<double>(std::abs(b.data()[k])));
    }
    return most / size;
}

} // namespace torch_reference
