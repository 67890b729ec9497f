/// Random directions v with E v v^T = I, by which v^T J v estimates the trace of a Jacobian, and the running
/// mean of such estimates. A probe is a function of stream and column.
#pragma once

#include <string>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/random/normal.hpp>

namespace diamond {

/// v_i = +-1 with equal probabilities. The estimate's variance is 2 sum_{i != k} S_ik^2, S the symmetric part
/// of J, and 0 for a diagonal S.
struct rademacher_probe {
    /// Writes the probe of a column, `rows` numbers from `out` on.
    template <class Real>
    DIAMOND_HD void operator()(const noise_stream& stream, index_t column, Real* out, index_t rows) const {
        constexpr index_t bits = 128; // one random bit gives one sign
        for (index_t first = 0; first < rows; first += bits) {
            const philox_block block = stream.words(column, first / bits);
            const index_t last = rows - first < bits ? rows : first + bits;
            for (index_t i = first; i < last; ++i)
                out[i] = (block.word[(i - first) / 32] >> (i - first) % 32 & 1u) != 0u ? Real{1} : Real{-1};
        }
    }
};

/// v ~ N(0, I). The estimate's variance is 2 |S|_F^2, S the symmetric part of J.
struct normal_probe {
    /// Returns its name, as the identity of a training has it.
    [[nodiscard]] static std::string text() { return "normal_probe"; }
    /// Writes the probe of a column, `rows` numbers from `out` on.
    template <class Real>
    DIAMOND_HD void operator()(const noise_stream& stream, index_t column, Real* out, index_t rows) const {
        for (index_t first = 0; first < rows; first += normals_per_block<Real>) {
            const normal_block<Real> block(stream.words(column, first / normals_per_block<Real>));
            for (index_t k = 0; k < normals_per_block<Real> && first + k < rows; ++k)
                out[first + k] = block.value[k];
        }
    }
};

namespace detail {

/// Writes probe `sample` of `samples` into each column of `out`. Columns that are value samples of one
/// particle get different probes.
template <class Probe, class View>
struct fill_probe {
    static constexpr index_t relative_cost = 64; // at least a few hundred operations for each column

    Probe probe;
    noise_stream stream;
    index_t samples, sample;
    View out;

    DIAMOND_HD void operator()(index_t j) const {
        probe(stream.with_samples(stream.samples * samples), j * samples + sample, out.column(j).begin(),
              out.rows());
    }
};

inline void require_probes(const char* estimate, index_t probes) {
    require(probes >= 1, [&] {
        return std::string(estimate) + " by " + digits_of(probes) + " probes: at least 1 is needed";
    });
}

/// The mean of successive estimates and its standard error, for each of N columns, by Welford's algorithm.
template <class Context>
class probe_average {
public:
    /// Resizes to N columns and returns the row that each estimate is written to.
    [[nodiscard]] row_view<double, Context> resize(const Context& context, index_t columns) {
        rows_.resize(context, columns, 3); // three rows, one after the other in memory
        return estimate();
    }
    /// Takes in estimate number k = 0, 1, ...
    void add(index_t k) {
        if (k == 0) {
            assign(mean(), 0.0);
            assign(squares(), 0.0);
        }
        const auto step = estimate() - mean();
        const auto after = mean() + step / static_cast<double>(k + 1);
        assign(squares(), squares() + step * (estimate() - after));
        assign(mean(), after);
    }
    /// out = the mean of `count` estimates; standard_error = that of the mean, NaN for one estimate.
    /// standard_error may be without data.
    void write(index_t count, row_view<double, Context> out, row_view<double, Context> standard_error) {
        assign(out, mean());
        if (!standard_error) return;
        if (count > 1)
            assign(standard_error,
                   sqrt(squares() / static_cast<double>(count - 1) / static_cast<double>(count)));
        else
            assign(standard_error, not_a_number);
    }

private:
    row_view<double, Context> part(index_t k) {
        return row(rows_.context(), rows_.rows(), rows_.data() + k * rows_.rows());
    }
    row_view<double, Context> estimate() { return part(0); }
    row_view<double, Context> mean() { return part(1); }
    row_view<double, Context> squares() { return part(2); }

    scratch<double, Context> rows_;
};

} // namespace detail
} // namespace diamond
