// Some forty compositions of the library, small and all unlike, on one back end: particles, weights, log Z,
// values, densities and trained parameters.
#pragma once

#include <diamond/diamond.hpp>

#include "record.hpp"

namespace same_bits {

using diamond::index_t, diamond::interval, diamond::philox, diamond::purpose, diamond::time_view;

template <class Batch>
class compositions {
    using batch = Batch;
    using real = typename Batch::value_type;
    using context = diamond::backend_of_t<Batch>;
    using linear = diamond::linear_schedule;

    static constexpr index_t n = 200; // no multiple of a block

    const context& context_;
    std::vector<record> records_;

    diamond::gaussian_mixture<batch, linear> mixture_{
        context_, {}, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}};
    diamond::gaussian<batch, linear> gaussian_{context_, {}, {0.3, -0.2}, {1.0, 0.3, 0.3, 0.8}};
    diamond::linear_reward<batch> reward_{context_, std::vector<real>{real(0.5), real(-1)}};

    template <class Result>
    void keep(const char* name, const Result& result) {
        record r(name);
        r.add(to_host(result.particles));
        if constexpr (requires { result.rewards; }) r.add(result.rewards);
        if constexpr (requires { result.log_z; })
            r.add(result.weights()).add(result.log_z).add(result.log_z_standard_error).add(result.families);
        records_.push_back(std::move(r));
    }
    template <class Kernel>
    void chain(const char* name, Kernel kernel, index_t steps = 5) {
        keep(name, diamond::chain{std::move(kernel), {.particles = n, .steps = steps}}(context_, philox{1}));
    }
    template <class Kernel, class Value, class Resampler = diamond::systematic>
    void smc(const char* name, Kernel kernel, Value value, Resampler resampler = {},
             const diamond::condition_of_t<Kernel>& c = {}) {
        diamond::smc sampler{
            std::move(kernel), std::move(value),
            diamond::smc_options{
                .particles = n, .steps = 6, .threshold = 0.9, .pilot_particles = 0}, // which could choose
                                                                                     // plain weights
            resampler};
        keep(name, sampler(context_, philox{2}, c));
    }
    [[nodiscard]] batch noise(index_t columns, std::uint64_t seed = 7) const {
        batch x(context_, 2, columns);
        diamond::draw_normal(philox{seed}.stream(purpose::user), x.mutable_view());
        return x;
    }
    /// Records values at two times, their errors with them, and their guidance.
    template <class Value>
    void value(const char* name, Value estimate, const diamond::condition_of_t<Value>& c = {}) {
        const batch x = noise(n);
        batch out(context_, 2, n);
        diamond::rebind_t<batch, double> v(context_, 1, n);
        record r(name);
        for (const double t : {0.3, 0.7}) {
            estimate(x.read(), t, c, philox{3}.stream(purpose::value, 1), {.value = row(v)});
            r.add(to_host(v));
            if constexpr (diamond::value_estimator_with_gradient<Value>) {
                estimate.guidance(x.read(), t, c, philox{3}.stream(purpose::value, 2), out.mutable_view());
                r.add(to_host(out));
            }
        }
        records_.push_back(std::move(r));
    }
    template <class Density>
    void density(const char* name, Density log_p, const diamond::condition_of_t<Density>& c = {}) {
        const batch x = noise(n);
        diamond::rebind_t<batch, double> v(context_, 1, n);
        record r(name);
        for (const double t : {0.4, 1.0}) {
            log_p(x.read(), t, c, diamond::row(v));
            r.add(to_host(v));
        }
        records_.push_back(std::move(r));
    }
    template <class Map>
    void flow(const char* name, Map map) {
        const batch x = noise(n);
        batch out(context_, 2, n);
        record r(name);
        for (const interval span : {interval{0.0, 1.0}, interval{0.7, 0.2}}) {
            map(x.read(), span, {}, out.mutable_view());
            r.add(to_host(out));
        }
        records_.push_back(std::move(r));
    }
    /// Parameters after 50 steps, and their average; what was trained is returned.
    template <class Trainer>
    batch train(const char* name, Trainer trainer) {
        auto state = trainer.start();
        for (int step = 0; step < 50; ++step) trainer.step(state);
        batch average = trainer.averaged(state);
        records_.push_back(record(name).add(to_host(state.theta)).add(to_host(average)));
        return average;
    }

    void kernels() {
        const diamond::exact_posterior draws{mixture_};
        const diamond::glass_diamond_map map{linear{}, mixture_, diamond::explicit_midpoint{.steps = 4}};
        chain("chain: early stop, GLASS Diamond map", diamond::early_stop_kernel{map});
        chain("chain: early stop, Gaussian Diamond map",
              diamond::early_stop_kernel{diamond::gaussian_diamond_map{gaussian_}});
        chain("chain: DDPM posterior", diamond::ddpm_posterior_kernel{draws});
        chain("chain: renoise", diamond::renoise_kernel{diamond::diamond_map_posterior{map}});
        chain("chain: GLASS", diamond::glass_kernel{linear{}, mixture_, diamond::runge_kutta_4{.steps = 3},
                                                    diamond::constant_correlation(0.5)});
        chain("chain: ancestral", diamond::ancestral_kernel{linear{}, mixture_});
        chain("chain: ODE, Dormand-Prince",
              diamond::ode_kernel{diamond::ode_flow_map{mixture_, diamond::dormand_prince{}}}, 2);
        chain("chain: ODE, Heun",
              diamond::ode_kernel{diamond::ode_flow_map{gaussian_, diamond::heun{.steps = 3}}});
        schedule<diamond::trigonometric_schedule>("chain: early stop, trigonometric");
        schedule<diamond::variance_preserving_schedule>("chain: early stop, variance preserving");
        schedule<diamond::cosine_schedule>("chain: early stop, cosine");
    }
    template <class Schedule>
    void schedule(const char* name) {
        const diamond::gaussian<batch, Schedule> model{context_, {}, {0.3, -0.2}, {1.0, 0.3, 0.3, 0.8}};
        chain(name, diamond::early_stop_kernel{diamond::glass_diamond_map{
                        Schedule{}, model, diamond::explicit_midpoint{.steps = 4}}});
    }

    void drivers() {
        const diamond::exact_posterior draws{mixture_};
        const diamond::ddpm_posterior_kernel ddpm{draws};
        const diamond::posterior_value value{draws, reward_, {.samples = 4}};
        const diamond::glass_diamond_map map{linear{}, mixture_, diamond::explicit_midpoint{.steps = 4}};
        smc("SMC: early stop, systematic", diamond::early_stop_kernel{map},
            diamond::posterior_value{diamond::diamond_map_posterior{map}, reward_, {.samples = 2}});
        smc("SMC: DDPM posterior, multinomial", ddpm, value, diamond::multinomial{});
        smc("SMC: DDPM posterior, stratified", ddpm, value, diamond::stratified{});
        smc("SMC: DDPM posterior, residual", ddpm, value, diamond::residual{});
        smc("SMC: exact value", ddpm, diamond::exact_value{mixture_, reward_});
        const diamond::exact_density exact{linear{}, gaussian_};
        const diamond::gaussian_diamond_map closed{gaussian_};
        smc("SMC: corrected", diamond::corrected_kernel{diamond::early_stop_kernel{closed}, exact},
            diamond::posterior_value{
                diamond::corrected_posterior{diamond::diamond_map_posterior{closed}, exact},
                reward_,
                {.samples = 4}});
        keep("guidance",
             diamond::guidance{mixture_, value, {.particles = n, .steps = 5}}(context_, philox{1}));
        keep("guidance, norm-matched",
             diamond::guidance{mixture_, value, {.particles = n, .steps = 5, .norm_matched = true}}(
                 context_, philox{1}));
        keep("best of N", diamond::best_of_n{ddpm, reward_, {.winners = 40, .candidates = 5, .steps = 4}}(
                              context_, philox{1}));
        keep("beam", diamond::beam{ddpm, value, {.beams = 20, .width = 3, .children = 4, .steps = 4}}(
                         context_, philox{1}));
    }

    void values() {
        const diamond::exact_posterior draws{mixture_};
        const diamond::gaussian_flow_map flow_map{gaussian_};
        const diamond::gaussian_diamond_map map{gaussian_};
        value("value: posterior", diamond::posterior_value{draws, reward_, {.samples = 4}});
        value("value: pathwise", diamond::pathwise_posterior_value{diamond::diamond_map_posterior{map},
                                                                   reward_,
                                                                   {.samples = 4, .antithetic = true}});
        value("value: weighted Diamond",
              diamond::weighted_value{
                  diamond::best_density(linear{}, gaussian_), flow_map, reward_, {.samples = 4}});
        value("value: weighted Diamond by the trapezoid",
              diamond::weighted_value{
                  diamond::trapezoid_density{linear{}, gaussian_}, flow_map, reward_, {.samples = 4}});
        value("value: denoised", diamond::denoised_value{linear{}, mixture_, reward_});
        value("value: look-ahead", diamond::look_ahead_value{linear{}, flow_map, reward_});
        value("value: exact", diamond::exact_value{mixture_, reward_});
        density("density: exact", diamond::exact_density{linear{}, mixture_});
        density("density: joint Gaussian map", diamond::flow_density{diamond::stepped_flow_map{
                                                   diamond::gaussian_flow_map{gaussian_}, {.steps = 3}}});
        density("density: ODE",
                diamond::flow_density{diamond::ode_flow_map{diamond::exact_divergence{mixture_},
                                                            diamond::runge_kutta_4{.steps = 4}}});
        flow("flow: ODE", diamond::ode_flow_map{mixture_, diamond::runge_kutta_4{.steps = 4}});
        flow("flow: closed", flow_map);
    }

    void trainings() {
        using network = diamond::diamond_mlp<batch, linear>;
        using joint = diamond::diamond_mlp_with_divergence<batch, linear>;
        const diamond::training_set<batch> data{
            diamond::from_host<real>(context_, 2, 3, std::vector<real>{0, 1, 2, -1, -2, real(0.5)}),
            0.3,
            {0, 1, 1}};
        const diamond::gaussian_frame<batch> frame(context_, {{0.0, 0.0}, {2.0, 1.0}, {}});
        const network net{{}, frame, {.mlp = {.width = 24, .blocks = 2}, .classes = 2}};
        const joint both{{}, frame, net.options()};
        const diamond::trained_network learned(
            net, train("training: Diamond map from data",
                       diamond::diamond_trainer(net, data, philox{1}, {.steps = 60, .batch = 70})));
        const diamond::network_velocity teacher{learned};
        train("training: Diamond map from a teacher",
              diamond::diamond_trainer(net, data, philox{1}, {.steps = 60, .batch = 70},
                                       diamond::glass_teacher(linear{}, teacher)));
        const auto with = [&](auto... policies) {
            return diamond::diamond_trainer(
                both, data, philox{1}, {.steps = 60, .batch = 70, .diagonal_first = 0.0},
                diamond::uniform_time{.at_zero = 1.0}, diamond::both_ways_pair{}, policies...);
        };
        train("training: joint, MeanFlow", with(diamond::mean_flow_loss{}));
        train("training: joint, shortcut distilled",
              with(diamond::semigroup_loss{.midpoint = true},
                   diamond::flow_teacher{diamond::exact_divergence{teacher}}));
        const diamond::trained_network trained(
            both, train("training: joint, Lagrangian", with(diamond::lagrangian_loss{})));

        const diamond::network_diamond_map map{learned};
        smc("SMC: learned Diamond map, labels", diamond::early_stop_kernel{map},
            diamond::posterior_value{diamond::diamond_map_posterior{map}, reward_, {.samples = 2}},
            diamond::systematic{}, diamond::labels{1});
        density("density: learned joint flow map", diamond::flow_density{diamond::network_flow_map{trained}},
                diamond::labels{0});
        const diamond::network_diamond_map determined{diamond::jacobian_network{trained}};
        batch x = noise(n), z(context_, 2, n);
        diamond::rebind_t<batch, double> log_q(context_, 1, n);
        diamond::diamond_map_posterior draws{determined};
        draws.draw_with_density(x.read(), 0.4, diamond::labels{1}, philox{5}.stream(purpose::value, 1),
                                z.mutable_view(), diamond::row(log_q));
        records_.push_back(
            record("draws: learned map, log q by determinants").add(to_host(z)).add(to_host(log_q)));
        diamond::self_guidance guide{diamond::negative_log_likelihood{diamond::network_flow_map{trained}},
                                     {.steps = 2}};
        guide(x.mutable_view(), diamond::labels{0});
        records_.push_back(record("self-guidance").add(to_host(x)));
    }

public:
    explicit compositions(const context& where) : context_(where) {}

    std::vector<record> run() && {
        records_.push_back(record("normals").add(to_host(noise(1000))));
        kernels();
        drivers();
        values();
        trainings();
        return std::move(records_);
    }
};

} // namespace same_bits
