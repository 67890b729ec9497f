/// Calls of value estimators, with everything on the host.
#pragma once

#include <vector>

#include <diamond/concepts/value_estimator.hpp>

#include "support/batches.hpp"

namespace estimates {

using diamond::index_t;

/// Where value estimators draw: `step` and `seed` make draws independent.
[[nodiscard]] inline diamond::noise_stream stream(index_t step = 3, std::uint64_t seed = 2024) {
    return diamond::philox{seed}.stream(diamond::purpose::value, step);
}

struct results {
    std::vector<double> value, standard_error, ess, ess_base;
};
template <class Estimator, class Batch>
results values(Estimator& estimator, const Batch& x, double t, const diamond::noise_stream& noise) {
    diamond::rebind_t<Batch, double> out[4];
    for (auto& o : out) o.resize(x.context(), 1, x.columns());
    estimator(x, t, diamond::no_condition{}, noise,
              {diamond::row(out[0]), diamond::row(out[1]), diamond::row(out[2]), diamond::row(out[3])});
    return {batches::host(out[0]), batches::host(out[1]), batches::host(out[2]), batches::host(out[3])};
}
template <class Estimator, class Batch>
std::vector<double> guidance(Estimator& estimator, const Batch& x, double t,
                             const diamond::noise_stream& noise) {
    Batch out(x.context(), x.rows(), x.columns());
    estimator.guidance(x, t, diamond::no_condition{}, noise, out);
    return batches::host(out);
}
template <class Estimator, class Batch>
std::vector<double> log_tilted_density(Estimator& estimator, const Batch& x, double t,
                                       const diamond::noise_stream& noise) {
    diamond::rebind_t<Batch, double> out(x.context(), 1, x.columns());
    estimator.log_tilted_density(x, t, diamond::no_condition{}, noise, diamond::row(out));
    return batches::host(out);
}

} // namespace estimates
