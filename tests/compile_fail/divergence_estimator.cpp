// What is refused of a divergence, and in which words: see CMakeLists.txt.
#include <diamond/density/divergence.hpp>
#include <diamond/map/ode_flow_map.hpp>

#include <support/archetypes.hpp>

struct complete {
    using field_type = archetypes::differentiable_velocity_field;
    using batch_type = archetypes::batch;
    static constexpr bool random = false;
    const field_type& field() const;
    void operator()(archetypes::const_view, diamond::time_view, diamond::no_condition, diamond::noise_stream,
                    archetypes::row, archetypes::row);
    diamond::cost spent() const;
};
static_assert(diamond::divergence_estimator<complete>);

#if CASE == 1 // divergence_estimator_field
// expect: a divergence needs field_type, batch_type and field() const, the velocity field whose divergence it
// is
struct broken : complete {
    void field() const = delete;
};

static_assert(sizeof(diamond::ode_flow_map<broken, diamond::euler>) > 0);
#endif

#if CASE == 2 // divergence_estimator_random
// expect: a divergence needs `static constexpr bool random`: whether it reads the stream
struct broken : complete {
    void random() const;
};

static_assert(sizeof(diamond::ode_flow_map<broken, diamond::euler>) > 0);
#endif

#if CASE == 3 // divergence_estimator_spent
// expect: a divergence needs spent() const, the diamond::cost of its calls so far
struct broken : complete {
    void spent() const = delete;
};

static_assert(sizeof(diamond::ode_flow_map<broken, diamond::euler>) > 0);
#endif
