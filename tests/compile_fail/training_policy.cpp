// What is refused of the policies of a training, and in which words: see CMakeLists.txt.
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

using network = archetypes::trainable_network_with_divergence;

// Any order and any subset of the seven roles is taken, and so are types of one's own.
struct own_time {
    double operator()(double choice, double u) const;
};
struct own_pair {
    diamond::time_pair operator()(double choice, double u, double w) const;
};
struct own_teacher {
    template <class Arguments, class Condition, class View>
    void operator()(const Arguments&, const Condition&, View) const;
};
static_assert(diamond::diagnose_training_policies<network>());
static_assert(diamond::diagnose_training_policies<network, own_teacher, own_time, own_pair>());
static_assert(diamond::diagnose_training_policies<network, diamond::whole_batch, own_teacher>());
static_assert(diamond::diagnose_training_policies<network, diamond::exact_trace, diamond::no_teacher,
                                                  diamond::semigroup_loss, diamond::square_pair,
                                                  diamond::logit_normal_time, diamond::learned_weight>());

#if CASE == 1 // training_policy_role
// expect: a policy of diamond_trainer has no role
struct neither {};

static_assert(sizeof(diamond::diamond_trainer<network, diamond::uniform_time, neither>) > 0);
#endif

#if CASE == 2 // training_policy_two_time_samplers
// expect: diamond_trainer takes one time_sampler
static_assert(sizeof(diamond::diamond_trainer<network, own_time, diamond::uniform_time>) > 0);
#endif

#if CASE == 3 // training_policy_two_pair_samplers
// expect: diamond_trainer takes one pair_sampler
static_assert(sizeof(diamond::diamond_trainer<network, diamond::square_pair, own_pair>) > 0);
#endif

#if CASE == 4 // training_policy_two_weightings
// expect: diamond_trainer takes one loss_weighting
static_assert(sizeof(diamond::diamond_trainer<network, diamond::adaptive_weight, diamond::learned_weight>) >
              0);
#endif

#if CASE == 5 // training_policy_two_losses
// expect: diamond_trainer takes one flow_map_loss
static_assert(sizeof(diamond::diamond_trainer<network, diamond::lagrangian_loss, diamond::exact_trace,
                                              diamond::eulerian_loss>) > 0);
#endif

#if CASE == 6 // training_policy_two_traces
// expect: diamond_trainer takes one trace_estimator
static_assert(sizeof(diamond::diamond_trainer<network, diamond::exact_trace, diamond::default_trace>) > 0);
#endif

#if CASE == 7 // training_policy_two_teachers
// expect: diamond_trainer takes one velocity_teacher
static_assert(sizeof(diamond::diamond_trainer<network, own_teacher, diamond::no_teacher>) > 0);
#endif

#if CASE == 8 // training_policy_loss_of_another_signature
// expect: a policy of diamond_trainer has no role
struct own_loss {
    static constexpr bool random_target = false;
    bool operator()(int) const;
};

static_assert(sizeof(diamond::diamond_trainer<network, own_loss>) > 0);
#endif

#if CASE == 9 // training_policy_two_gradient_sums
// expect: diamond_trainer takes one gradient_sum
static_assert(sizeof(diamond::diamond_trainer<network, diamond::whole_batch, diamond::whole_batch>) > 0);
#endif

#if CASE == 10 // training_policy_teacher_of_one_time
// expect: a flow_teacher knows t = 0 alone: its times must be uniform_time{.at_zero = 1}
struct teacher_of_noise : own_teacher {
    static constexpr bool knows_no_outer_time = true;
};
void train(const network& net, const diamond::training_set<network::batch_type>& data) {
    diamond::diamond_trainer trainer{net, data, diamond::philox{1}, {}, own_time{}, teacher_of_noise{}};
}
#endif
