/// This header defines a network and a reward that depend on a label, for tests that a condition stays with
/// its particle.
#pragma once

#include <cstdint>
#include <vector>

#include <diamond/core/condition.hpp>

#include "models.hpp"

namespace labelled {

using diamond::index_t, diamond::labels;

/// This is the velocity of the mixture, turned and pushed by the label. It is no model of anything, but
/// another field for each label.
template <class Batch, class Schedule>
struct field {
    using batch_type = Batch;
    using condition_type = labels;
    using plain = models::mixture<Batch, Schedule, models::nothing>;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    plain of;

    explicit field(Schedule schedule) : of(schedule) {}
    [[nodiscard]] index_t dimension() const { return of.dimension(); }
    [[nodiscard]] auto make_workspace(const diamond::backend_of_t<Batch>& context, index_t n) const {
        return of.make_workspace(context, n);
    }
    void operator()(const_view x, diamond::time_view t, const labels& c, typename plain::workspace& w,
                    view out) const {
        of(x, t, {}, w, out);
        for (index_t j = 0; j < x.columns(); ++j) {
            out(0, j) += static_cast<typename Batch::value_type>(c[j]) * x(1, j);
            out(1, j) += static_cast<typename Batch::value_type>(c[j]);
        }
    }
    void vjp(const_view x, diamond::time_view t, const labels& c, const_view cotangent,
             typename plain::workspace& w, view out) const {
        of.vjp(x, t, {}, cotangent, w, out);
        for (index_t j = 0; j < x.columns(); ++j)
            out(1, j) += static_cast<typename Batch::value_type>(c[j]) * cotangent(0, j);
    }
    void jvp(const_view x, diamond::time_view t, const labels& c, const_view tangent,
             typename plain::workspace& w, view out) const {
        of.jvp(x, t, {}, tangent, w, out);
        for (index_t j = 0; j < x.columns(); ++j)
            out(0, j) += static_cast<typename Batch::value_type>(c[j]) * tangent(1, j);
    }
};

/// This reward is r(z | c) = (1 + c) z_0 - z_1.
struct reward {
    template <class View>
    void operator()(View z, const labels& c,
                    diamond::row_view<double, typename View::context_type> values) const {
        for (index_t j = 0; j < z.columns(); ++j)
            values[j] = (1.0 + c[j]) * static_cast<double>(z(0, j)) - static_cast<double>(z(1, j));
    }
    template <class ConstView, class View>
    void gradient(ConstView z, const labels& c, View out) const {
        for (index_t j = 0; j < z.columns(); ++j) {
            out(0, j) = static_cast<typename View::value_type>(1.0 + c[j]);
            out(1, j) = typename View::value_type{-1};
        }
    }
};

/// `compare` calls `call(labels)`, which returns `width` numbers for each particle, for labels 0, 1 and 2
/// alone and for a mixture of them. `mixed` is the largest difference of a particle's numbers from those
/// under its own label alone, and `apart` says how much labels matter at all.
struct agreement {
    double mixed = 0.0, apart = 0.0;
};
template <class Context, class Call>
agreement compare(const Context& context, index_t particles, std::size_t width, const Call& call) {
    std::vector<std::int32_t> own;
    for (index_t j = 0; j < particles; ++j) own.push_back(static_cast<std::int32_t>((j * 7 + 1) % 3));
    const auto stored = diamond::from_host(context, 1, particles, own);
    const std::vector<double> mixed = call(labels(stored.data()));
    std::vector<std::vector<double>> alone;
    for (std::int32_t c = 0; c < 3; ++c) alone.push_back(call(labels(c)));
    agreement result;
    for (std::size_t k = 0; k < mixed.size(); ++k) {
        const auto& wanted = alone[static_cast<std::size_t>(own[k / width])];
        result.mixed = std::max(result.mixed, std::abs(mixed[k] - wanted[k]));
        result.apart = std::max(result.apart, std::abs(alone[0][k] - alone[1][k]));
    }
    return result;
}

} // namespace labelled
