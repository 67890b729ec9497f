/// Random directions v with E v v^T = I, by which v^T J v estimates the trace of a Jacobian. A probe is a function of stream and column.
#pragma once

#include <cmath>
#include <string>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/random/normal.hpp>

namespace diamond {

/// v_i = +-1 with equal chances: variance 2 sum_{i != k} S_ik^2, S the symmetric part of J; none for a diagonal one.
struct rademacher_probe {
    template <class Real>
    DIAMOND_HD void operator()(const noise_stream& stream, index_t column, Real* out, index_t rows) const {
        constexpr index_t bits = 128; // a sign a bit
        for (index_t first = 0; first < rows; first += bits) {
            const philox_block block = stream.words(column, first / bits);
            const index_t      last  = rows - first < bits ? rows : first + bits;
            for (index_t i = first; i < last; ++i) out[i] = (block.word[(i - first) / 32] >> (i - first) % 32 & 1u) != 0u ? Real{1} : Real{-1};
        }
    }
};

/// v ~ N(0, I): variance 2 |S|_F^2.
struct normal_probe {
    template <class Real>
    DIAMOND_HD void operator()(const noise_stream& stream, index_t column, Real* out, index_t rows) const {
        for (index_t first = 0; first < rows; first += normals_per_block<Real>) {
            const normal_block<Real> block(stream.words(column, first / normals_per_block<Real>));
            for (index_t k = 0; k < normals_per_block<Real> && first + k < rows; ++k) out[first + k] = block.value[k];
        }
    }
};

namespace detail {

/// Probe `sample` of `samples` a column. Where the stream has value samples of its own, each of them has its own probes.
template <class Probe, class Real>
struct fill_probe {
    static constexpr index_t relative_cost = 64; // a few hundred operations a column at the least

    Probe        probe;
    noise_stream stream;
    index_t      samples, sample, rows;
    Real*        out;

    DIAMOND_HD void operator()(index_t j) const { probe(stream.with_samples(stream.samples * samples), j * samples + sample, out + rows * j, rows); }
};

/// A coordinate's share of a . b, column by column.
template <class Real>
struct dot_term {
    const Real *a, *b;
    index_t     rows;
    DIAMOND_HD double operator()(index_t i, index_t j) const { return static_cast<double>(a[i + rows * j]) * static_cast<double>(b[i + rows * j]); }
};

/// Welford's update of mean and squares by estimate number k.
struct add_estimate {
    const double* estimate;
    index_t       k;
    double *      mean, *squares;
    DIAMOND_HD void operator()(index_t j) const {
        const double before = k == 0 ? 0.0 : mean[j], step = estimate[j] - before, after = before + step / static_cast<double>(k + 1);
        squares[j] = k == 0 ? 0.0 : squares[j] + step * (estimate[j] - after);
        mean[j]    = after;
    }
};
/// out = shift + mean, and the standard error of the mean of `count`; there is none for one.
struct write_estimate {
    const double *shift, *mean, *squares;
    index_t       count;
    double *      out, *standard_error;
    DIAMOND_HD void operator()(index_t j) const {
        out[j] = (shift ? shift[j] : 0.0) + mean[j];
        if (standard_error)
            standard_error[j] = count > 1 ? std::sqrt(squares[j] / static_cast<double>(count - 1) / static_cast<double>(count)) : not_a_number;
    }
};

inline void require_probes(const char* estimate, index_t probes) {
    require(probes >= 1, [&] { return std::string(estimate) + " by " + digits_of(probes) + " probes: at least 1 is needed"; });
}

/// Mean and standard error, a column, of estimates that come one after the other.
template <class Context>
class probe_average {
public:
    /// Where the next estimate goes, a number a column.
    [[nodiscard]] double* next(const Context& context, index_t columns) {
        sums_.resize(context, 3, columns);
        return sums_.data();
    }
    void add(const Context& context, index_t columns, index_t k) {
        context.for_each(columns, add_estimate{sums_.data(), k, sums_.data() + columns, sums_.data() + 2 * columns});
    }
    void write(const Context& context, index_t columns, index_t count, const double* shift, double* out, double* standard_error) const {
        context.for_each(columns, write_estimate{shift, sums_.data() + columns, sums_.data() + 2 * columns, count, out, standard_error});
    }

private:
    scratch<double, Context> sums_;
};

} // namespace detail
} // namespace diamond
