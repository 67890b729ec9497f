// What is refused of a velocity field, and in which words: see CMakeLists.txt.
#include <diamond/density/exact_density.hpp>
#include <diamond/glass/inner_velocity.hpp>
#include <diamond/map/network_velocity.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/schedule/field_evaluator.hpp>
#include <diamond/schedule/guided_field.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/readings.hpp>

#include <support/archetypes.hpp>

struct tiltable : archetypes::velocity_field_with_density {
    archetypes::schedule schedule() const;
    void score(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&,
               archetypes::view) const;
    void denoiser(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&,
                  archetypes::view) const;
    diamond::tilt<tiltable> tilted(const diamond::quadratic_form&) const;
};

#if CASE == 1 // differentiable_velocity_field_products
// expect: a differentiable velocity field needs vjp and jvp (x, t, condition, direction, workspace, out)
// const beside operator()
struct broken : archetypes::differentiable_velocity_field {
    void jvp() const = delete;
};

static_assert(diamond::diagnose_differentiable_velocity_field<broken>());
#endif

#if CASE == 2 // field_with_posterior_draw
// expect: an exact posterior's model needs draw_posterior(const_view x_t, double t, const condition&,
// noise_stream, workspace&, view out) const
struct broken : archetypes::velocity_field {
    archetypes::schedule schedule() const;
};

static_assert(sizeof(diamond::exact_posterior<broken>) > 0);
#endif

#if CASE == 3 // field_with_posterior_schedule
// expect: an exact posterior's model needs schedule() const, its noise schedule
struct broken : archetypes::velocity_field {
    void draw_posterior(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream,
                        workspace&, archetypes::view) const;
};

static_assert(sizeof(diamond::exact_posterior<broken>) > 0);
#endif

#if CASE == 4 // guided_field_labels
// expect: a guided field needs a network with `using condition_type = diamond::labels;`
static_assert(sizeof(diamond::guided_field<archetypes::velocity_field>) > 0);
#endif

#if CASE == 5 // network_velocity_batch_type
// expect: a Diamond network needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
};

static_assert(sizeof(diamond::network_velocity<broken>) > 0);
#endif

#if CASE == 6 // tiltable_field_denoiser
// expect: an exact value's model needs denoiser(x, t, condition, workspace, out) const, E[z | x_t]
struct broken : tiltable {
    void denoiser() = delete;
};

static_assert(sizeof(diamond::exact_value<broken, archetypes::reward_with_quadratic_form>) > 0);
#endif

#if CASE == 7 // tiltable_field_schedule
// expect: an exact value's model needs schedule() const, its noise schedule
struct broken : tiltable {
    void schedule() = delete;
};

static_assert(sizeof(diamond::exact_value<broken, archetypes::reward_with_quadratic_form>) > 0);
#endif

#if CASE == 8 // tiltable_field_score
// expect: an exact value's model needs score(x, t, condition, workspace, out) const
struct broken : tiltable {
    void score() = delete;
};

static_assert(sizeof(diamond::exact_value<broken, archetypes::reward_with_quadratic_form>) > 0);
#endif

#if CASE == 9 // tiltable_field_tilted
// expect: an exact value's model needs tilted(quadratic_form) const, which returns {tilted, log_z}
struct broken : tiltable {
    void tilted() = delete;
};

static_assert(sizeof(diamond::exact_value<broken, archetypes::reward_with_quadratic_form>) > 0);
#endif

#if CASE == 10 // velocity_field_batch_type
// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    struct workspace {};
    int dimension() const;
    workspace make_workspace(const archetypes::context&, diamond::index_t) const;
    void operator()(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&,
                    archetypes::view) const;
};

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
#endif

#if CASE == 11 // velocity_field_call
// expect: a velocity field needs operator()(const_view x, time_view t, const condition&, workspace&, view
// out) const that writes u(x, t) into
struct broken : archetypes::velocity_field {
    void operator()(archetypes::const_view, double, archetypes::view) const; // no condition, no workspace
};

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
#endif

#if CASE == 12 // velocity_field_copyable
// expect: a velocity field must be copyable: share its weights through std::shared_ptr<const ...>
using broken = archetypes::uncopyable<archetypes::velocity_field>;

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
#endif

#if CASE == 13 // velocity_field_dimension
// expect: a velocity field needs dimension() const, the number of rows d of its batches
struct broken : archetypes::velocity_field {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
#endif

#if CASE == 14 // velocity_field_prediction
// expect: a velocity field that says what it predicts needs denoiser (or noise) (x, t, condition, workspace,
// out) const, which gives it
struct broken : archetypes::velocity_field {
    static constexpr auto predicts = diamond::prediction::denoiser;
};

static_assert(sizeof(diamond::readings<archetypes::schedule, broken>) > 0);
#endif

#if CASE == 15 // velocity_field_with_density_log_density
// expect: a velocity field with density needs log_density(x, t, condition, workspace, row out) const
struct broken : archetypes::velocity_field_with_density {
    void log_density() const = delete;
};

static_assert(sizeof(diamond::exact_density<archetypes::schedule, broken>) > 0);
#endif

#if CASE == 16 // velocity_field_workspace
// expect: a velocity field needs make_workspace(context, columns) const; an empty struct will do
struct broken : archetypes::velocity_field {
    void make_workspace() const = delete;
};

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
#endif

#if CASE == 17 // velocity_field_schedule
// expect: a field must be used with the noise schedule that it was made with: wrap its network with this one
using of_another = diamond::denoiser_network<diamond::linear_schedule, archetypes::velocity_field>;

static_assert(sizeof(diamond::readings<archetypes::schedule, of_another>) > 0);
#endif

#if CASE == 18 // velocity_field_schedule_of_kernel
// expect: a field must be used with the noise schedule that it was made with: wrap its network with this one
using of_another = diamond::denoiser_network<diamond::linear_schedule, archetypes::velocity_field>;

static_assert(sizeof(diamond::inner_velocity<archetypes::schedule, of_another, diamond::linear_schedule>) >
              0);
#endif
