// The products of dense layers, by bare Eigen: what whole steps of a network are held against.
#pragma once

#include <vector>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <diamond/core/dense.hpp>

namespace diamond_benchmarks {

/// W H of each layer for `columns` columns, `passes` times.
class bare_products {
public:
    bare_products(const std::vector<diamond::dense_layer>& layers, diamond::index_t columns, double passes)
        : passes_(passes) {
        for (const auto& layer : layers)
            each_.push_back({Eigen::MatrixXf::Random(layer.outputs, layer.inputs),
                             Eigen::MatrixXf::Random(layer.inputs, columns),
                             Eigen::MatrixXf(layer.outputs, columns)});
    }
    void operator()() {
        for (double pass = 0.0; pass < passes_; ++pass)
            for (auto& [w, h, out] : each_) {
                out.noalias() = w * h;
                benchmark::DoNotOptimize(out.data());
            }
    }

private:
    struct product {
        Eigen::MatrixXf w, h, out;
    };
    std::vector<product> each_;
    double passes_;
};

} // namespace diamond_benchmarks
