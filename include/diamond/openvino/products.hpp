/// Whether files of products are those of the network beside them. Shapes and names do not tell: a file may
/// be left over from before the network was trained on, or the products may be of another network.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/random/philox.hpp>

namespace diamond::detail {

[[nodiscard]] inline double inner_of(const std::vector<float>& a, const std::vector<float>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0, std::plus<>{},
                              [](float x, float y) { return static_cast<double>(x) * y; });
}
[[nodiscard]] inline double length_of(const std::vector<float>& a) { return std::sqrt(inner_of(a, a)); }
[[nodiscard]] inline double length_between(const std::vector<float>& a, const std::vector<float>& b) {
    std::vector<float> difference(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
    return length_of(difference);
}

/// How far products may contradict each other, relative to norms: they agree to 1e-5 where a network of many
/// layers is computed in float, and to 1e-2 in bfloat16.
[[nodiscard]] constexpr double product_rounding(bool bf16) { return bf16 ? 0.05 : 1e-3; }

/// Evaluates a function f of states and its products at a few normal states x, in directions v and w.
/// value(x, out) writes f(x), jvp(x, v, out) writes J v, and vjp(x, w, out) writes J^T w.
/// @throws std::invalid_argument unless w^T (J v) = (J^T w)^T v up to `rounding` of the product of their
/// norms, and unless J v is the difference (f(x + h v) - f(x - h v))/2h to a tenth of its norm, where half of
/// h gives that difference, too. Numbers that are not finite prove nothing, and pass. Cost: 4 evaluations of
/// f, one of each product.
template <class Batch, class Value, class Jvp, class Vjp>
void require_products(const std::string& file, const backend_of_t<Batch>& context, index_t d, double rounding,
                      const Value& value, const Jvp& jvp, const Vjp& vjp) {
    constexpr index_t n = 4;
    constexpr double h = 0x1p-6, agreement = 0.01, most = 0.1;
    Batch x(context, d, n), v(context, d, n), w(context, d, n), out(context, d, n), moved(context, d, n);
    std::uint32_t k = 0;
    for (Batch* normal : {&x, &v, &w}) {
        noise_stream stream = philox{0}.stream(purpose::user);
        stream.step = k++;
        draw_normal(stream, normal->mutable_view());
    }
    jvp(x.read(), v.read(), out.mutable_view());
    const auto pushed = to_host(out), direction = to_host(v), cotangent = to_host(w), state = to_host(x);
    vjp(x.read(), w.read(), out.mutable_view());
    const auto pulled = to_host(out);
    const double forwards = inner_of(cotangent, pushed), backwards = inner_of(pulled, direction),
                 size = length_of(cotangent) * length_of(pushed) + length_of(pulled) * length_of(direction);
    require(!(std::abs(forwards - backwards) > rounding * size), [&] {
        return file + ": the files of its products contradict each other: w^T (J v) is " +
               rounded(forwards, 4) + " by J v, and " + rounded(backwards, 4) +
               " by J^T w: export both again, from one network";
    });

    const auto difference = [&](double step) {
        std::vector<float> ends[2];
        for (const int side : {0, 1}) {
            std::vector<float> there(state.size());
            for (std::size_t i = 0; i < state.size(); ++i)
                there[i] = state[i] + static_cast<float>(side == 0 ? -step : step) * direction[i];
            context.from_host(there.data(), d * n, moved.data());
            value(moved.read(), out.mutable_view());
            ends[side] = to_host(out);
        }
        for (std::size_t i = 0; i < state.size(); ++i)
            ends[1][i] = (ends[1][i] - ends[0][i]) / static_cast<float>(2.0 * step);
        return ends[1];
    };
    const auto coarse = difference(h), fine = difference(0.5 * h);
    const double noise = 8.0 * static_cast<double>(std::numeric_limits<float>::epsilon()) / h *
                         length_of(to_host(out)); // of the values' last digits
    const bool known = length_between(coarse, fine) <= agreement * length_of(fine);
    const double apart = length_between(fine, pushed);
    require(!(known && apart > most * length_of(fine) + noise), [&] {
        return file +
               ": the products in the files beside it are those of another network: J v differs from "
               "differences of this one by " +
               rounded(apart / length_of(fine), 2) + " of their norm: export all three from one network";
    });
}

} // namespace diamond::detail
