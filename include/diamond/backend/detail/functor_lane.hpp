/// This header does the work on dense layers with a back end's own for_each and add_product. It is the lane
/// of back ends that have only one.
#pragma once

#include <diamond/concepts/backend.hpp>
#include <diamond/core/dense.hpp>

namespace diamond::detail {

/// Writes to = f(a) + h and, if there are two parts, f'(a) a' + h' behind it. h may be null.
template <class Real>
struct activate_each {
    activation kind;
    const Real *a, *h;
    Real* to;
    index_t count, parts;
    DIAMOND_HD void operator()(index_t i) const {
        const activated<Real> f = diamond::activate(kind, a[i]);
        if (parts == 2) to[count + i] = f.slope * a[count + i] + (h ? h[count + i] : Real{0});
        to[i] = f.value + (h ? h[i] : Real{0});
    }
};
/// Writes a = f'(a) k + f''(a) a' k' and, if there are two parts, a' = f'(a) k'.
template <class Real>
struct pull_back_each {
    activation kind;
    const Real* k;
    Real* a;
    index_t count, parts;
    DIAMOND_HD void operator()(index_t i) const {
        const activated<Real> f = diamond::activate(kind, a[i]);
        const Real tangent = parts == 2 ? f.curvature * a[count + i] * k[count + i] : Real{0};
        a[i] = f.slope * k[i] + tangent;
        if (parts == 2) a[count + i] = f.slope * k[count + i];
    }
};
template <class Real>
struct fill_each {
    Real* to;
    Real value;
    DIAMOND_HD void operator()(index_t i) const { to[i] = value; }
};
/// Writes the bias into the first `columns` columns of `out`, and zeros into all others.
template <class Real>
struct start_affine {
    const Real* bias;
    Real* out;
    index_t rows, columns;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        out[i + rows * j] = j < columns ? bias[i] : Real{0};
    }
};
/// Adds row i of all columns of a to out[i].
template <class Real>
struct add_columns_each {
    const Real* a;
    Real* out;
    index_t rows, columns;
    DIAMOND_HD void operator()(index_t i) const {
        Real sum{};
        for (index_t j = 0; j < columns; ++j) sum += a[i + rows * j];
        out[i] += sum;
    }
};

/// This lane works through the for_each, copy and add_product of its context. concepts/backend.hpp describes
/// its operations.
template <class Context>
class functor_lane {
public:
    explicit functor_lane(const Context& context) : context_(context) {}

    template <class Real>
    void product(transpose op_a, const Real* a, transpose op_b, const Real* b, Real* out, index_t rows,
                 index_t columns, index_t depth) {
        context_.add_product(op_a, a, op_b, b, out, rows, columns, depth);
    }
    template <class Real>
    void activate(activation kind, const Real* a, const Real* h, Real* to, index_t count, index_t parts) {
        context_.for_each(count, activate_each<Real>{kind, a, h, to, count, parts});
    }
    template <class Real>
    void pull_back(activation kind, const Real* k, Real* a, index_t count, index_t parts) {
        context_.for_each(count, pull_back_each<Real>{kind, k, a, count, parts});
    }
    template <class F>
    void for_each(index_t rows, index_t columns, const F& f) {
        context_.for_each(rows, columns, f);
    }
    template <class Real>
    void copy(const Real* from, index_t count, Real* to) {
        context_.copy(from, count, to);
    }
    template <class Real>
    void fill(Real* to, index_t count, Real value) {
        context_.for_each(count, fill_each<Real>{to, value});
    }
    template <class Real>
    void affine(const Real* weights, const Real* bias, const Real* h, Real* out, index_t outputs,
                index_t columns, index_t inputs, index_t parts) {
        context_.for_each(outputs, columns * parts, start_affine<Real>{bias, out, outputs, columns});
        context_.add_product(transpose::no, weights, transpose::no, h, out, outputs, columns * parts, inputs);
    }
    template <class Real>
    void add_columns(const Real* a, index_t rows, index_t columns, Real* out) {
        context_.for_each(rows, add_columns_each<Real>{a, out, rows, columns});
    }

private:
    const Context& context_;
};

} // namespace diamond::detail
