/// This header writes the figures of a run as the studies of alignment report them.
#pragma once

#include <cmath>

#include <diamond/io/json.hpp>

namespace studies {

/// A number of a report, and null for NaN and infinity, which a method has not.
inline nlohmann::ordered_json number_or_null(double x) {
    return std::isfinite(x) ? nlohmann::ordered_json(x) : nullptr;
}
/// The members that a row of every such study has, in their order; a study adds its own behind them.
template <class Row>
nlohmann::ordered_json json_of_run(const Row& r) {
    return {{"problem", r.problem},
            {"method", r.method},
            {"particles", r.particles},
            {"steps", r.steps},
            {"mean_error", number_or_null(r.mean_error)},
            {"floor", number_or_null(r.floor)},
            {"log_z", number_or_null(r.log_z)},
            {"log_z_se", number_or_null(r.log_z_se)},
            {"log_z_exact", number_or_null(r.log_z_exact)},
            {"ess", number_or_null(r.ess)},
            {"evaluations", number_or_null(r.evaluations)},
            {"seconds", number_or_null(r.seconds)},
            {"warnings", r.warnings}};
}

} // namespace studies
