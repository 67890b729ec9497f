// What is refused of a reward, and in which words: see CMakeLists.txt.
#include <diamond/oracle/exact_value.hpp>
#include <diamond/reward/evaluate.hpp>
#include <diamond/reward/forbid_failures.hpp>
#include <diamond/reward/forbid_non_finite.hpp>
#include <diamond/reward/sum_reward.hpp>
#include <diamond/reward/tempered_reward.hpp>
#include <diamond/value/posterior_value.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // differentiable_reward_gradient
// expect: a differentiable reward also needs gradient(const_view z, view out) that writes dr/dz into out
struct broken : archetypes::differentiable_reward {
    void gradient() = delete;
};

static_assert(
    sizeof(diamond::pathwise_posterior_value<archetypes::differentiable_posterior_sampler, broken>) > 0);
#endif

#if CASE == 2 // exact_value_reward
// expect: an exact value needs a reward with quadratic_form() const
struct tiltable : archetypes::velocity_field_with_density {
    archetypes::schedule schedule() const;
    void score(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&,
               archetypes::view) const;
    void denoiser(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&,
                  archetypes::view) const;
    diamond::tilt<tiltable> tilted(const diamond::quadratic_form&) const;
};

static_assert(sizeof(diamond::exact_value<tiltable, archetypes::batchwise_reward>) > 0);
#endif

#if CASE == 3 // forbid_failures_batchwise
// expect: forbid_failures takes a reward of one column: what throws for a whole batch does not say for which
// particle
void evaluate(diamond::forbid_failures<archetypes::batchwise_reward>& reward, archetypes::const_view z,
              archetypes::row values) {
    diamond::evaluate_reward(reward, z, diamond::no_condition{}, values);
}
#endif

#if CASE == 4 // reward_bool
// expect: a reward is no bool, of which 0 and 1 would be taken for log probabilities
struct broken {
    bool operator()(diamond::column_view<const double>) const;
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
#endif

#if CASE == 5 // reward_bool_in_sum
// expect: a reward is no bool, of which 0 and 1 would be taken for log probabilities
struct broken {
    bool operator()(diamond::column_view<const double>) const;
};

static_assert(sizeof(diamond::posterior_value<
                     archetypes::posterior_sampler,
                     diamond::sum_reward<archetypes::pointwise_reward, diamond::tempered_reward<broken>>>) >
              0);
#endif

#if CASE == 6 // reward_call
// expect: a reward is callable as double r(column), or as void r(const_view z, row_t<batch> values), or as
// void r(z, condition, row_t<batch> values)
struct broken {
    float operator()(float) const; // a number is not a sample
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
#endif

#if CASE == 7 // reward_column_parallel
// expect: a pointwise reward that says column_parallel, or runs on a device, must be callable when const
struct broken : archetypes::pointwise_reward {
    static constexpr bool column_parallel = true; // but its call is not const
};

void evaluate(broken& reward, archetypes::const_view z, archetypes::row values) {
    diamond::evaluate_reward(reward, z, diamond::no_condition{}, values);
}
#endif

#if CASE == 8 // reward_copyable
// expect: a reward must be copyable, for estimators and samplers keep copies: let it share what is not
// through std::shared_ptr, or pass std::ref(reward)
using broken = archetypes::uncopyable<archetypes::pointwise_reward>;

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
#endif

#if CASE == 9 // reward_double_batch
// expect: this reward takes double, and the particles are float: write diamond::column_view<const float>, or
// `const auto&`
struct broken {
    void operator()(archetypes::const_view, archetypes::row) const; // of double
};

static_assert(diamond::diagnose_reward<diamond::forbid_non_finite<broken>,
                                       diamond::rebind_t<archetypes::batch, float>>());
#endif

#if CASE == 10 // reward_float_column
// expect: this reward takes float, and the particles are double: write diamond::column_view<const double>, or
// `const auto&`
struct broken {
    double operator()(diamond::column_view<const float>) const; // the particles are double
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
#endif

#if CASE == 11 // reward_particle_type
// expect: a reward is callable as double r(column), or as void r(const_view z, row_t<batch> values), or as
// void r(z, condition, row_t<batch> values)
struct broken {
    double operator()(diamond::column_view<const float>) const; // the particles are double
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
#endif

#if CASE == 12 // reward_writes_column
// expect: this reward would write its column
struct broken {
    double operator()(diamond::column_view<double>) const;
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
#endif
