// The methods on the exact model. Its posterior stands for a Diamond map: one evaluation a draw.
#include <diamond/oracle/exact_posterior.hpp>

#include "families.hpp"

namespace digits {

namespace {

struct exact_family {
    model exact;

    [[nodiscard]] auto draws() const { return diamond::exact_posterior{exact}; }
    [[nodiscard]] auto map(const method_options& o) const {
        return diamond::glass_diamond_map{diamond::linear_schedule{}, exact, diamond::runge_kutta_4{.steps = o.glass_steps}};
    }
    [[nodiscard]] model field() const { return exact; }
    [[nodiscard]] auto flow_map(const method_options& o) const { return diamond::ode_flow_map{exact, diamond::midpoint{.steps = o.look_ahead_steps}}; }
    [[nodiscard]] diamond::no_condition condition() const { return {}; }
    [[nodiscard]] index_t evaluations() const { return 1; }
};

} // namespace

subject exact_subject(const model& exact) { return detail::subject_of("exact", "exact model", exact_family{exact}); }

} // namespace digits
