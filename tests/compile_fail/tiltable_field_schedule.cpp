// expect: an exact value's model needs schedule() const, its noise schedule
#include <diamond/oracle/exact_value.hpp>

#include <support/archetypes.hpp>

struct tiltable : archetypes::velocity_field_with_density {
    archetypes::schedule schedule() const;
    void score(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&, archetypes::view) const;
    void denoiser(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&, archetypes::view) const;
    diamond::tilt<tiltable> tilted(const diamond::quadratic_form&) const;
};
struct broken : tiltable {
    void schedule() = delete;
};

static_assert(sizeof(diamond::exact_value<broken, archetypes::reward_with_quadratic_form>) > 0);
