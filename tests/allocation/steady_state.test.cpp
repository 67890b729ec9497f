/// In steady state nothing allocates: not a step of SMC, of guidance or of a kernel, not a value, not a
/// product, on any back end.
///
/// "Steady" is from the second step of a run on, the sampler having run once before.
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include <diamond/align/grouped_smc.hpp>
#include <diamond/align/guidance.hpp>
#include <diamond/align/measurement_guided_kernel.hpp>
#include <diamond/align/search.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/align/tree_search.hpp>
#include <diamond/align/value_guided_kernel.hpp>
#include <diamond/density/flow_density.hpp>
#include <diamond/density/jacobian_network.hpp>
#include <diamond/density/log_likelihood.hpp>
#include <diamond/density/rescheduled_density.hpp>
#include <diamond/density/scored_density.hpp>
#include <diamond/map/consistency_map.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/mean_velocity_map.hpp>
#include <diamond/map/network_diamond_map.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/map/network_velocity.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/map/resampled_posterior.hpp>
#include <diamond/map/stepped_flow_map.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/dit.hpp>
#include <diamond/nn/trained_network.hpp>
#include <diamond/nn/unet.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/grouped_reward.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/schedule/conventions/discrete_time_network.hpp>
#include <diamond/schedule/conventions/edm_network.hpp>
#include <diamond/schedule/conventions/rectified_flow_network.hpp>
#include <diamond/schedule/conventions/variance_exploding_network.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/value/cumulant_value.hpp>
#include <diamond/value/denoised_cumulant_value.hpp>
#include <diamond/value/denoised_moment_value.hpp>
#include <diamond/value/moment_value.hpp>
#include <diamond/value/point_values.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/spread_value.hpp>
#include <diamond/value/weighted_value.hpp>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

#include "interposition.hpp"

namespace allocation_steady_state_test {

#ifdef DIAMOND_TEST_COUNTS_ALLOCATIONS

using diamond::exact_posterior, diamond::index_t, diamond::infinity, diamond::interval, diamond::philox,
    diamond::posterior_value, diamond::purpose, diamond::smc, diamond::smc_options;

#define ALLOCATING_BACK_ENDS                                                                                 \
    back_ends::eigen<float>, back_ends::thrust_omp<double> // a number's type allocates nothing

namespace {

long allocations() { return interposition::calls.load(); }

/// Allocations of the second to fourth call of f, which is given the number of the call.
template <class F>
long in_steady_state(const F& f) {
    f(1);
    const long before = allocations();
    for (int call = 2; call <= 4; ++call) f(call);
    return allocations() - before;
}

/// A network of any times, of one or of two: t x, and its products.
template <class Batch>
struct stretching {
    using batch_type = Batch;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct workspace {};
    [[nodiscard]] index_t dimension() const { return 3; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const_view x, diamond::time_view t, diamond::no_condition, workspace&, view out) const {
        diamond::assign(out, t * x);
    }
    void jvp(const_view, diamond::time_view t, diamond::no_condition, const_view v, workspace&,
             view out) const {
        diamond::assign(out, t * v);
    }
    void vjp(const_view, diamond::time_view t, diamond::no_condition, const_view w, workspace&,
             view out) const {
        diamond::assign(out, t * w);
    }
    void operator()(const_view x, double r, double tau, diamond::no_condition, workspace&, view out) const {
        diamond::assign(out, (tau - r) * x);
    }
    void vjp(const_view, double r, double tau, diamond::no_condition, const_view w, workspace&,
             view out) const {
        diamond::assign(out, (tau - r) * w);
    }
};

template <class Back>
struct models {
    using batch = typename Back::batch;
    using real = typename Back::real;
    typename Back::context context = Back::make(2);
    diamond::linear_schedule schedule = {};
    diamond::gaussian_mixture<batch, diamond::linear_schedule> mixture{
        context, {}, {0.5, 0.5}, {-1.0, 0.5, 0.3, 1.5, -0.5, 0.2}, {0.2, 0.3}};
    diamond::gaussian<batch, diamond::linear_schedule> gaussian{
        context, {}, {0.3, -0.2, 0.1}, {1.0, 0.3, 0.1, 0.3, 0.8, 0.0, 0.1, 0.0, 0.5}};
    diamond::linear_reward<batch> reward{context, std::vector<real>{1, -1, real(0.5)}};
    batch x{context, 3, 500}, out{context, 3, 500}, drawn{context, 3, 2000}, pulled{context, 3, 2000};
    diamond::rebind_t<batch, double> values{context, 4, 500};

    models() {
        context.fill_normal(philox{1}.stream(purpose::initial), x.mutable_view());
        context.fill_normal(philox{1}.stream(purpose::user), pulled.mutable_view());
    }
    diamond::value_rows<typename Back::context> all_values() {
        const auto row = [&](index_t k) { return diamond::row(context, 500, values.data() + 500 * k); };
        return {.value = row(0), .standard_error = row(1), .ess = row(2), .ess_base = row(3)};
    }
    template <class Kernel>
    long of_kernel(Kernel kernel) {
        return in_steady_state([&](int call) {
            kernel(x.read(), interval{0.2 * call, 0.2 * call + 0.2}, {},
                   philox{2}.stream(purpose::transition, call), out.mutable_view());
        });
    }
    template <class Value>
    long of_value(Value value) {
        return in_steady_state([&](int call) {
            value(x.read(), 0.2 * call, {}, philox{2}.stream(purpose::value, call), all_values());
        });
    }
    template <class Value>
    long of_guidance(Value value) {
        return in_steady_state([&](int call) {
            value.guidance(x.read(), 0.2 * call, {}, philox{2}.stream(purpose::value, call),
                           out.mutable_view());
        });
    }
};

/// Allocations of steps 2 to K of a run, the sampler having run before.
template <class Context, class Sampler, class Condition = diamond::no_condition>
long of_steps(const Context& context, Sampler sampler, const Condition& condition = {}) {
    sampler(context, philox{3}, condition);
    auto state = sampler.start(context, philox{4}, condition);
    sampler.step(state);
    const long before = allocations();
    while (!state.done()) sampler.step(state);
    return allocations() - before;
}
/// Allocations between the first and the last call of a driver's observer.
template <class Context, class Driver>
long between_observers(const Context& context, Driver driver) {
    driver(context, philox{3});
    long first = -1, last = 0;
    driver(context, philox{4}, {}, [&](const auto&) {
        last = allocations();
        if (first < 0) first = last;
    });
    return last - first;
}

} // namespace

TEST_CASE("the count sees every way to allocate") {
    const auto counts = [](const auto& f) {
        const long before = allocations();
        f();
        return allocations() - before;
    };
    void* volatile p = nullptr; // volatile: compilers may leave out what is not used
    CHECK(counts([&] { p = std::malloc(10); }) == 1);
    CHECK(counts([&] { p = std::realloc(p, 1000); }) == 1);
    std::free(p);
    CHECK(counts([&] { p = std::calloc(3, 5); }) == 1);
    std::free(p);
    CHECK(counts([&] { p = std::aligned_alloc(64, 128); }) == 1);
    std::free(p);
    CHECK(counts([&] {
              void* aligned = nullptr;
              CHECK(posix_memalign(&aligned, 64, 128) == 0);
              p = aligned;
          }) == 1);
    std::free(p);
    CHECK(counts([&] { p = ::operator new(10); }) == 1);
    ::operator delete(p);
    CHECK(counts([&] { p = ::operator new[](10, std::align_val_t{64}); }) == 1);
    ::operator delete[](p, std::align_val_t{64});
    CHECK(counts([&] { p = ::operator new(10, std::nothrow); }) == 1);
    ::operator delete(p);
    CHECK(counts([&] {
              std::vector<double> v(10);
              p = v.data();
          }) == 1);
    CHECK(counts([] {}) == 0);
}

TEST_CASE_TEMPLATE("a step of SMC allocates nothing", back, ALLOCATING_BACK_ENDS) {
    models<back> m;
    const exact_posterior draws{m.mixture};
    const diamond::ddpm_posterior_kernel kernel{draws};
    const posterior_value value{draws, m.reward, {.samples = 2}};
    // Never, always, and at a step after the first: between the effective sizes that it has at steps 1 and 5
    // without resampling.
    smc never{kernel, value,
              smc_options{.particles = 700, .steps = 6, .threshold = 1e-9, .log_delta = -infinity}};
    const auto trace = never(m.context, philox{4}).steps;
    REQUIRE(trace[0].ess > trace[4].ess + 50.0);
    for (const double threshold : {0.0, 0.5 * (trace[0].ess + trace[4].ess) / 700.0, 2.0}) {
        CAPTURE(threshold);
        const smc_options options{
            .particles = 700, .steps = 6, .threshold = threshold, .log_delta = -infinity};
        CHECK(of_steps(m.context, smc{kernel, value, options}) == 0);
        CHECK(of_steps(m.context, smc{kernel, value, options, diamond::residual{}}) == 0);
        CHECK(of_steps(m.context, smc{kernel, value, options, diamond::multinomial{}}) == 0);
    }
    // Values in part, and guided draws.
    const smc_options relaxed{.particles = 700,
                              .steps = 6,
                              .threshold = 0.9,
                              .least_conditional_ess = 0.999,
                              .log_delta = -infinity};
    smc in_part{kernel, value, relaxed};
    REQUIRE(in_part(m.context, philox{4}).steps[2].relaxation < 1.0);
    CHECK(of_steps(m.context, in_part) == 0);
    const diamond::value_guided_kernel guided{kernel, value};
    CHECK(of_steps(m.context, smc{guided, value, relaxed}) == 0);
    const diamond::crank_nicolson moves{.moves = 2};
    CHECK(of_steps(m.context, smc{kernel, value, relaxed, diamond::systematic{}, moves}) == 0);
    CHECK(of_steps(m.context, smc{guided, value, relaxed, diamond::systematic{}, moves}) == 0);
    CHECK(of_steps(m.context, smc{kernel, value, relaxed, diamond::systematic{}, diamond::renoise_moves{}}) ==
          0);
    using batch = typename back::batch;
    using real = typename batch::value_type;
    const diamond::gaussian_measurement_reward seen{
        m.context, diamond::mask_measurement<batch>{m.context, m.mixture.dimension(), {0}},
        std::vector<real>{real{1}}, 0.5};
    const diamond::measurement_guided_kernel towards{m.context, kernel, m.mixture, seen};
    const diamond::denoised_moment_value moments{m.context, m.mixture.schedule(), m.mixture, seen};
    CHECK(of_steps(m.context, smc{towards, moments, relaxed}) == 0);
}

namespace {
/// A posterior under a condition that it repeats and gathers, and does not read.
template <class Batch>
struct labelled {
    using batch_type = Batch;
    using condition_type = diamond::labels;
    exact_posterior<diamond::gaussian_mixture<Batch, diamond::linear_schedule>> draws;
    [[nodiscard]] index_t dimension() const { return draws.dimension(); }
    [[nodiscard]] auto schedule() const { return draws.schedule(); }
    [[nodiscard]] diamond::cost spent() const { return draws.spent(); }
    [[nodiscard]] bool exact() const { return true; }
    void operator()(diamond::const_view_t<Batch> x, double t, const diamond::labels&,
                    diamond::noise_stream stream, diamond::view_t<Batch> out) {
        draws(x, t, {}, stream, out);
    }
};
} // namespace

TEST_CASE_TEMPLATE("nor do labels that are gathered with their particles", back, back_ends::eigen<double>,
                   back_ends::thrust_cpu<float>) {
    using batch = typename back::batch;
    models<back> m;
    const labelled<batch> draws{exact_posterior{m.mixture}};
    const auto given = diamond::from_host(m.context, 1, 300, std::vector<std::int32_t>(300, 4));
    CHECK(
        of_steps(m.context,
                 smc{diamond::ddpm_posterior_kernel{draws}, posterior_value{draws, m.reward, {.samples = 2}},
                     smc_options{.particles = 300, .steps = 6, .threshold = 2.0, .plain_ratio = 0.0}},
                 diamond::labels(given.data())) == 0);
}

TEST_CASE_TEMPLATE("a transition allocates nothing", back, ALLOCATING_BACK_ENDS) {
    models<back> m;
    const exact_posterior draws{m.mixture};
    const diamond::gaussian_diamond_map map{m.gaussian};
    CHECK(m.of_kernel(diamond::glass_kernel{m.schedule, m.mixture, diamond::runge_kutta_4{.steps = 3}}) == 0);
    CHECK(m.of_kernel(diamond::glass_kernel{m.schedule, m.mixture, diamond::heun{.steps = 3},
                                            diamond::constant_correlation(0.5)}) == 0);
    CHECK(m.of_kernel(diamond::early_stop_kernel{map}) == 0);
    CHECK(m.of_kernel(diamond::early_stop_kernel{diamond::glass_diamond_map{
              m.schedule, m.mixture, diamond::explicit_midpoint{.steps = 2}}}) == 0);
    CHECK(m.of_kernel(diamond::ddpm_posterior_kernel{draws}) == 0);
    CHECK(m.of_kernel(diamond::renoise_kernel{diamond::diamond_map_posterior{map}}) == 0);
    CHECK(m.of_kernel(diamond::ode_kernel{diamond::ode_flow_map{m.mixture, diamond::euler{.steps = 3}}}) ==
          0);
    CHECK(m.of_kernel(diamond::ancestral_kernel{m.schedule, m.mixture}) == 0);
    CHECK(m.of_kernel(diamond::euler_maruyama_kernel{m.schedule, m.mixture}) == 0);
}

TEST_CASE_TEMPLATE("networks and maps of other conventions allocate nothing", back, ALLOCATING_BACK_ENDS) {
    models<back> m;
    using batch = typename back::batch;
    const auto times = diamond::from_host<double>(m.context, 1, 500, std::vector<double>(500, 0.3));
    const auto of_field = [&](const auto& field) {
        auto space = field.make_workspace(m.context, 500);
        return in_steady_state([&](int call) {
            const diamond::time_view t = call % 2 ? diamond::time_view(times.data())
                                                  : diamond::time_view(0.2 * call);
            field(m.x.read(), t, {}, space, m.out.mutable_view());
            field.jvp(m.x.read(), t, {}, m.x.read(), space, m.out.mutable_view());
            field.vjp(m.x.read(), t, {}, m.x.read(), space, m.out.mutable_view());
            if constexpr (requires { field.denoiser_vjp(m.x, t, {}, m.x, space, m.out); }) {
                field.denoiser(m.x.read(), t, {}, space, m.out.mutable_view());
                field.denoiser_vjp(m.x.read(), t, {}, m.x.read(), space, m.out.mutable_view());
            }
        });
    };
    const stretching<batch> network;
    CHECK(of_field(diamond::rectified_flow_network{network}) == 0);
    CHECK(of_field(diamond::edm_network{m.schedule, network}) == 0);
    CHECK(of_field(diamond::variance_exploding_network{
              m.schedule, network, {.sigma_min = 0.01, .sigma_max = 50.0}}) == 0);
    CHECK(of_field(diamond::discrete_time_network{
              m.context, m.schedule, network, {.alpha_bar = {0.99, 0.5, 0.001}}}) == 0);
    CHECK(of_field(diamond::v_network{m.schedule, network}) == 0);
    const auto of_map = [&](auto map) {
        return in_steady_state([&](int call) {
            map(m.x.read(), {0.2 * call, 1.0}, {}, m.out.mutable_view());
            map.vjp(m.x.read(), {0.2 * call, 1.0}, {}, m.x.read(), m.out.mutable_view());
        });
    };
    CHECK(of_map(diamond::mean_flow_map{network}) == 0);
    CHECK(of_map(diamond::consistency_map{m.schedule, network}) == 0);
}

TEST_CASE_TEMPLATE("posterior draws allocate nothing, nor do their derivatives", back, ALLOCATING_BACK_ENDS) {
    models<back> m;
    const auto of = [&](auto sampler) {
        return in_steady_state([&](int call) {
            const auto stream = philox{5}.stream(purpose::value, call, 4);
            sampler(m.x.read(), 0.2 * call, {}, stream, m.drawn.mutable_view());
            if constexpr (diamond::differentiable_posterior_sampler<decltype(sampler)>)
                sampler.vjp(m.x.read(), 0.2 * call, {}, stream, m.pulled.read(), m.out.mutable_view());
        });
    };
    const diamond::gaussian_diamond_map map{m.gaussian};
    CHECK(of(exact_posterior{m.mixture}) == 0);
    CHECK(of(exact_posterior{m.gaussian}) == 0);
    CHECK(of(diamond::diamond_map_posterior{map}) == 0);
    CHECK(of(diamond::diamond_map_posterior{map, {.evaluations = 3}}) == 0);
    CHECK(of(diamond::diamond_map_posterior{diamond::glass_diamond_map{
              m.schedule, m.mixture, diamond::explicit_midpoint{.steps = 2}}}) == 0);
}

TEST_CASE_TEMPLATE("values allocate nothing, nor does their guidance", back, ALLOCATING_BACK_ENDS) {
    models<back> m;
    const diamond::gaussian_diamond_map map{m.gaussian};
    const diamond::diamond_map_posterior draws{map};
    const diamond::gaussian_flow_map flow{m.gaussian};
    CHECK(m.of_value(diamond::spread_value{
              posterior_value{exact_posterior{m.mixture}, m.reward, {.samples = 4}}}) == 0);
    const auto both = [&](auto value) { return m.of_value(value) + m.of_guidance(value); };
    CHECK(both(posterior_value{exact_posterior{m.mixture}, m.reward, {.samples = 4}}) == 0);
    CHECK(both(diamond::pathwise_posterior_value{draws, m.reward, {.samples = 4, .antithetic = true}}) == 0);
    CHECK(both(diamond::moment_value{
              draws,
              diamond::gaussian_measurement_reward{
                  m.context, diamond::mask_measurement<typename models<back>::batch>{m.context, 3, {0, 2}},
                  std::vector<typename models<back>::real>{1, -1}, 0.3}}) == 0);
    CHECK(both(posterior_value{draws, m.reward, {.samples = 4, .latin_hypercube = true}}) == 0);
    CHECK(both(diamond::cumulant_value{exact_posterior{m.mixture}, m.reward}) == 0);
    CHECK(both(diamond::denoised_cumulant_value{m.schedule, m.mixture, m.reward}) == 0);
    CHECK(both(diamond::exact_value{m.mixture, m.reward}) == 0);
    CHECK(both(diamond::denoised_value{m.schedule, m.mixture, m.reward}) == 0);
    CHECK(both(diamond::look_ahead_value{m.schedule, flow, m.reward}) == 0);
    diamond::weighted_value weighted{
        diamond::best_density(m.schedule, m.gaussian), flow, m.reward, {.samples = 4}};
    CHECK(both(weighted) == 0);
    CHECK(both(diamond::weighted_value{
              diamond::trapezoid_density{m.schedule, m.gaussian}, flow, m.reward, {.samples = 4}}) == 0);
    CHECK(in_steady_state([&](int call) {
              weighted.log_tilted_density(m.x.read(), 0.2 * call, {}, philox{2}.stream(purpose::value, call),
                                          m.all_values().value);
          }) == 0);
}

TEST_CASE_TEMPLATE(
    "nor do densities, of draws, of transitions and of marginals, nor what is corrected by them", back,
    ALLOCATING_BACK_ENDS) {
    models<back> m;
    const diamond::gaussian_diamond_map map{m.gaussian};
    const diamond::exact_density exact{m.schedule, m.gaussian};
    const diamond::diamond_map_posterior draws{map, {.evaluations = 2}};
    const diamond::corrected_posterior corrected{draws, exact};
    diamond::rebind_t<typename back::batch, double> logs{m.context, 1, 2000};
    const auto of_draws = [&](auto sampler) {
        return in_steady_state([&](int call) {
                   sampler.draw_with_density(m.x.read(), 0.2 * call, {},
                                             philox{5}.stream(purpose::value, call, 4),
                                             m.drawn.mutable_view(), row(logs));
               }) +
               in_steady_state([&](int call) {
                   sampler.log_density(m.x.read(), 0.2 * call, {}, m.pulled.read(), row(logs));
               });
    };
    CHECK(of_draws(draws) == 0);
    CHECK(of_draws(diamond::diamond_map_posterior{diamond::glass_diamond_map{
              m.schedule, diamond::exact_divergence{m.mixture}, diamond::explicit_midpoint{.steps = 2}}}) ==
          0);
    const auto of_x = row(logs).columns(0, m.x.columns());
    diamond::early_stop_kernel kernel{map};
    CHECK(in_steady_state([&](int call) {
              const interval span{0.2 * call, 0.2 * call + 0.2};
              kernel.draw_with_density(m.x.read(), span, {}, philox{2}.stream(purpose::transition, call),
                                       m.out.mutable_view(), of_x);
              kernel.log_density(m.x.read(), span, {}, m.out.read(), of_x);
          }) == 0);
    const auto of_density = [&](auto density) {
        return in_steady_state([&](int call) {
            density(m.x.read(), 0.2 * call, {}, of_x);
            if constexpr (diamond::scored_marginal_density<decltype(density)>)
                density.score(m.x.read(), 0.2 * call, {}, m.out.mutable_view());
        });
    };
    const diamond::flow_density joint{
        diamond::stepped_flow_map{diamond::gaussian_flow_map{m.gaussian}, {.steps = 3}}};
    CHECK(of_density(exact) == 0);
    CHECK(of_density(joint) == 0);
    CHECK(of_density(diamond::rescheduled_density{joint, m.schedule}) == 0);
    CHECK(of_density(diamond::scored_density{joint, m.gaussian}) == 0);

    diamond::resampled_posterior chosen{corrected, {.proposals = 3}};
    CHECK(in_steady_state([&](int call) {
              chosen(m.x.read(), 0.2 * call, {}, philox{5}.stream(purpose::value, call, 4),
                     m.drawn.mutable_view());
          }) == 0);
    posterior_value value{corrected, m.reward, {.samples = 4}};
    CHECK(m.of_value(value) + m.of_guidance(value) == 0);
    for (const double threshold : {0.0, 2.0})
        CHECK(of_steps(m.context, smc{diamond::corrected_kernel{kernel, joint}, value,
                                      smc_options{.particles = 300,
                                                  .steps = 5,
                                                  .threshold = threshold,
                                                  .log_delta = -infinity}}) == 0);
}

TEST_CASE_TEMPLATE("steps of guidance, of a chain and of a beam allocate nothing", back,
                   ALLOCATING_BACK_ENDS) {
    models<back> m;
    const exact_posterior draws{m.mixture};
    const posterior_value value{draws, m.reward, {.samples = 2}};
    const diamond::ddpm_posterior_kernel kernel{draws};
    CHECK(between_observers(m.context, diamond::guidance{m.mixture, value, {.particles = 300, .steps = 5}}) ==
          0);
    CHECK(between_observers(
              m.context, diamond::guidance{
                             m.mixture, value, {.particles = 300, .steps = 5, .norm_matched = true}}) == 0);
    CHECK(between_observers(m.context, diamond::chain(kernel, {.particles = 300, .steps = 5})) == 0);
    CHECK(between_observers(
              m.context,
              diamond::beam{kernel, value, {.beams = 20, .width = 3, .children = 4, .steps = 5}}) == 0);
    CHECK(between_observers(
              m.context,
              diamond::tree_search{kernel, m.reward, {.trees = 7, .evaluations = 100, .steps = 5}}) == 0);
    CHECK(between_observers(
              m.context, diamond::tree_search{kernel, value, {.trees = 7, .evaluations = 300, .steps = 5}}) ==
          0);
}

TEST_CASE_TEMPLATE("products of any width allocate nothing", back, ALLOCATING_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    for (const index_t width : {3, 256, 300, 1100}) {
        CAPTURE(width);
        batch a(context, width, width), b(context, width, 333), out(context, width, 333);
        context.fill_normal(philox{6}.stream(purpose::user), a.mutable_view());
        context.fill_normal(philox{7}.stream(purpose::user), b.mutable_view());
        CHECK(in_steady_state([&](int) {
                  context.product(diamond::transpose::no, a.read(), b.read(), out.mutable_view());
                  context.product(diamond::transpose::yes, a.read(), b.read(), out.mutable_view());
              }) == 0);
    }
}

TEST_CASE_TEMPLATE("nor does SMC on a mixture of thousands of parts", back, back_ends::eigen<float>,
                   back_ends::eigen<double>) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    auto host = numbers::normals<typename back::real>(64 * 3000, 8);
    for (auto& x : host) x *= typename back::real(0.5); // near enough that float works by products, too
    const auto points = diamond::from_host(context, 64, 3000, host);
    const auto model = diamond::data_mixture(context, diamond::linear_schedule{}, points.read(), 0.2);
    const diamond::linear_reward<batch> reward{
        context, std::vector<typename back::real>(64, typename back::real(0.1))};
    const exact_posterior draws{model};
    CHECK(of_steps(context,
                   smc{diamond::ddpm_posterior_kernel{draws}, posterior_value{draws, reward, {.samples = 2}},
                       smc_options{.particles = 300, .steps = 4, .plain_ratio = 0.0}}) == 0);
    CHECK(of_steps(context,
                   smc{diamond::glass_kernel{diamond::linear_schedule{}, model, diamond::heun{.steps = 2}},
                       diamond::exact_value{model, reward},
                       smc_options{.particles = 300, .steps = 4, .threshold = 2.0, .plain_ratio = 0.0}}) ==
          0);
}

namespace {
/// A small network on three points, in shapes that leave a tail of a block.
template <class Back>
struct network_models {
    using batch = typename Back::batch;
    using real = typename Back::real;
    using network = diamond::diamond_mlp<batch, diamond::linear_schedule>;
    typename Back::context context = Back::make(2);
    diamond::training_set<batch> data{
        diamond::from_host<real>(context, 2, 3, {0, 1, 2, -1, -2, real(0.5)}), 0.3, {0, 1, 1}};
    network net{{},
                diamond::gaussian_frame<batch>(context, {{0.0, 0.0}, {2.0, 1.0}, {}}),
                {.mlp = {.width = 48, .blocks = 2}, .classes = 2}};
    batch parameters() const {
        batch theta(context, net.parameters(), 1);
        net.initialise(philox{1}, theta.mutable_view());
        return theta;
    }
};
} // namespace

TEST_CASE_TEMPLATE("steps of groups under labels allocate nothing", back, ALLOCATING_BACK_ENDS) {
    using real = typename back::real;
    const network_models<back> m;
    const diamond::network_diamond_map map{diamond::trained_network{m.net, m.parameters()}};
    std::vector<diamond::linear_reward<typename back::batch>> rewards;
    for (const int g : {0, 1, 2}) rewards.emplace_back(m.context, std::vector<real>{real(1), real(g)});
    diamond::grouped_smc sampler{diamond::early_stop_kernel{map},
                                 posterior_value{diamond::diamond_map_posterior{map},
                                                 diamond::grouped_reward{rewards},
                                                 {.samples = 2}},
                                 smc_options{.particles = 100,
                                             .steps = 6,
                                             .threshold = 0.95,
                                             .least_conditional_ess = 0.9,
                                             .plain_ratio = 0.0}};
    const auto label_of = diamond::from_host(m.context, 1, 3, std::vector<std::int32_t>{0, 1, 1});
    const std::vector<philox> rngs{{1}, {2}, {3}};
    auto state = sampler.start(m.context, rngs,
                               diamond::condition_by_group{diamond::labels(label_of.data())});
    sampler.step(state);
    const long before = allocations();
    while (!state.done()) sampler.step(state);
    CHECK(allocations() - before == 0);
    for (const auto& group : state.groups) CHECK(group.totals_on_host().resamplings > 0);
}

TEST_CASE_TEMPLATE(
    "a training step allocates nothing, with a teacher or without one, with a learned weight or without one",
    back, ALLOCATING_BACK_ENDS) {
    const network_models<back> m;
    const auto of_trainer = [](auto trainer) {
        auto state = trainer.start();
        return in_steady_state([&](int) { trainer.step(state); });
    };
    CHECK(of_trainer(diamond::diamond_trainer(m.net, m.data, philox{1},
                                              {.steps = 9, .batch = 700, .diagonal_first = 0.0})) == 0);
    CHECK(of_trainer(diamond::diamond_trainer(m.net, m.data, philox{1},
                                              {.steps = 9, .batch = 700, .diagonal_first = 0.0},
                                              diamond::learned_weight{})) == 0);
    const diamond::network_velocity teacher{diamond::trained_network(m.net, m.parameters())};
    CHECK(of_trainer(diamond::diamond_trainer(
              m.net, m.data, philox{1}, {.steps = 9, .batch = 700, .diagonal_first = 0.0},
              diamond::glass_teacher(diamond::linear_schedule{}, teacher))) == 0);
}

TEST_CASE_TEMPLATE("nor does one of a network with divergence, or a likelihood by its map", back,
                   ALLOCATING_BACK_ENDS) {
    using batch = typename back::batch;
    const network_models<back> m;
    const diamond::diamond_mlp_with_divergence<batch, diamond::linear_schedule> net({}, m.net.frame(),
                                                                                    m.net.options());
    const auto of_trainer = [](auto trainer) {
        auto state = trainer.start();
        return in_steady_state([&](int) { trainer.step(state); });
    };
    const auto with = [&](auto... policies) {
        return diamond::diamond_trainer(
            net, m.data, philox{1}, {.steps = 9, .batch = 700, .diagonal_first = 0.0},
            diamond::uniform_time{.at_zero = 1.0}, diamond::both_ways_pair{}, policies...);
    };
    CHECK(of_trainer(with(diamond::lagrangian_loss{})) == 0);
    CHECK(of_trainer(with(diamond::mean_flow_loss{})) == 0);
    const diamond::network_velocity field{diamond::trained_network(m.net, m.parameters())};
    CHECK(of_trainer(with(diamond::semigroup_loss{.midpoint = true},
                          diamond::flow_teacher{diamond::exact_divergence{field}})) == 0);

    batch theta(m.context, net.parameters(), 1), x(m.context, 2, 300);
    net.initialise(philox{1}, theta.mutable_view());
    diamond::draw_normal(philox{2}.stream(diamond::purpose::user), x.mutable_view());
    diamond::rebind_t<batch, double> out(m.context, 1, 300);
    diamond::log_likelihood likelihood{
        diamond::network_flow_map{diamond::trained_network(net, std::move(theta))}, {.steps = 2}};
    CHECK(in_steady_state([&](int) { likelihood(x.read(), diamond::labels(1), row(out)); }) == 0);
}

TEST_CASE_TEMPLATE(
    "nor does a training step of a U-Net with divergence or of a transformer, nor their products", back,
    ALLOCATING_BACK_ENDS) {
    using batch = typename back::batch;
    using real = typename back::real;
    const auto context = back::make(2);
    const index_t d = 16, n = 300;
    const diamond::training_set<batch> data(
        diamond::from_host<real>(context, d, 3, numbers::normals<real>(d * 3, 1)), 0.3, {0, 1, 1});
    const std::vector<double> ones(static_cast<std::size_t>(d), 1.0);
    const diamond::gaussian_frame<batch> frame(context, {ones, ones, {}});
    const diamond::image_shape shape{.channels = 1, .height = 4, .width = 4};
    const diamond::network_rows rows{.dimension = d, .classes = 2};
    const auto unet = diamond::unet_layers(
        {.shape = shape, .width = 8, .multipliers = {1, 2}, .attention = {2}, .groups = 4, .embedding = 16},
        rows, true);
    const auto dit = diamond::dit_layers({.shape = shape, .width = 16, .blocks = 1}, rows, true);
    using graph = diamond::layer_graph<batch>;
    for (const auto& layers : {unet, dit}) {
        const diamond::preconditioned_network<graph, diamond::linear_schedule, diamond::divergence_head> net(
            {}, frame, std::nullopt, rows.classes, graph(rows.total(), layers));
        diamond::diamond_trainer trainer(net, data, philox{1},
                                         {.steps = 9, .batch = 100, .diagonal_first = 0.0},
                                         diamond::uniform_time{.at_zero = 1.0}, diamond::both_ways_pair{});
        auto state = trainer.start();
        CHECK(in_steady_state([&](int) { trainer.step(state); }) == 0);
        batch x(context, d, n), y(context, d, n), k(context, d + 1, n), out(context, d + 1, n),
            of_x(context, d, n), of_y(context, d, n);
        for (batch* const each : {&x, &y, &k})
            diamond::draw_normal(philox{2}.stream(purpose::user), each->mutable_view());
        const diamond::diamond_arguments<batch> at{x.read(), y.read(), diamond::time_view(0.3),
                                                   diamond::time_view(0.4), diamond::time_view(0.8)};
        auto space = net.make_workspace(context, n);
        const auto theta = state.theta.data();
        CHECK(in_steady_state([&](int) {
                  net(theta, at, diamond::labels(1), space, out.mutable_view());
                  net.jvp(theta, at, diamond::labels(1), y.read(), space, out.mutable_view());
                  net.vjp(theta, at, diamond::labels(1), k.read(), space, of_x.mutable_view(),
                          of_y.mutable_view());
              }) == 0);
    }
}

TEST_CASE_TEMPLATE("nor do a network's own densities by its determinants, and SMC that they correct", back,
                   ALLOCATING_BACK_ENDS) {
    using batch = typename back::batch;
    const network_models<back> m;
    const diamond::diamond_mlp_with_divergence<batch, diamond::linear_schedule> net({}, m.net.frame(),
                                                                                    m.net.options());
    batch theta(m.context, net.parameters(), 1);
    net.initialise(philox{1}, theta.mutable_view()); // the Gaussian's maps, which do not fold
    const diamond::trained_network trained(net, std::move(theta));
    const diamond::network_diamond_map map{diamond::jacobian_network{trained}};
    const diamond::flow_density density{diamond::network_flow_map{trained}};
    const diamond::corrected_posterior draws{diamond::diamond_map_posterior{map}, density};
    const posterior_value value{
        draws,
        diamond::linear_reward<batch>{m.context, std::vector<typename back::real>{1, -1}},
        {.samples = 2}};
    const std::vector<std::int32_t> own(300, 1);
    CHECK(of_steps(m.context,
                   smc{diamond::corrected_kernel{diamond::early_stop_kernel{map}, density}, value,
                       smc_options{.particles = 300, .steps = 4, .threshold = 2.0, .log_delta = -infinity}},
                   diamond::labels(own.data())) == 0);
}

TEST_CASE_TEMPLATE("nor does SMC with a network", back, ALLOCATING_BACK_ENDS) {
    using batch = typename back::batch;
    const network_models<back> m;
    const diamond::network_diamond_map map{diamond::trained_network(m.net, m.parameters())};
    const diamond::linear_reward<batch> reward{m.context, std::vector<typename back::real>{1, -1}};
    const posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 2}};
    CHECK(of_steps(m.context,
                   smc{diamond::early_stop_kernel{map}, value,
                       smc_options{.particles = 300, .steps = 4, .threshold = 2.0, .plain_ratio = 0.0}},
                   diamond::labels(1)) == 0);
}

/// The most bytes that f holds at once beyond those of before, in states of `state` bytes.
template <class F>
double states_held(double state, const F& f) {
    const long before = interposition::held.load();
    interposition::most_held = before;
    f();
    return static_cast<double>(interposition::most_held.load() - before) / state;
}

// Six of N columns: x, x of the next step, the kernel's noise, x rotated and noise in the kernel's model, x
// rotated in the value's. Two of N M columns: the value's draws, and noise in its model. Beside them 13
// numbers a particle were counted, 15 with residual's tables, and one a draw, its reward; and each block is
// aligned.
TEST_CASE_TEMPLATE("a run of SMC by an exact Gaussian holds six states and two for each draw of its value, "
                   "whatever the resampler",
                   back, back_ends::eigen<float>) {
    using batch = typename back::batch;
    constexpr index_t d = 64, n = 5000;
    constexpr double state = static_cast<double>(sizeof(typename back::real) * d * n);
    const auto context = back::make(1);
    std::vector<double> mean(static_cast<std::size_t>(d), 0.0),
        covariance(static_cast<std::size_t>(d * d), 0.0);
    for (index_t i = 0; i < d; ++i) covariance[static_cast<std::size_t>(i * d + i)] = 1.0;
    const diamond::gaussian<batch, diamond::linear_schedule> model{context, {}, mean, covariance};
    const diamond::linear_reward<batch> reward{
        context, std::vector<typename back::real>(static_cast<std::size_t>(d), typename back::real(0.1))};
    const exact_posterior posterior(model);
    for (const index_t samples : {1, 4}) {
        const posterior_value value{posterior, reward, {.samples = samples}};
        const auto run = [&](auto resampler) {
            smc sampler{diamond::ddpm_posterior_kernel{posterior}, value,
                        smc_options{.particles = n, .steps = 3, .threshold = 2.0, .log_delta = -infinity},
                        resampler};
            return states_held(state, [&] { static_cast<void>(sampler(context, philox{1})); });
        };
        const double systematic = run(diamond::systematic{}), residual = run(diamond::residual{});
        CAPTURE(samples);
        for (const double states : {systematic, residual}) {
            const double blocks = 6.0 + 2.0 * static_cast<double>(samples), row = sizeof(double) * n / state;
            CHECK(states >= blocks); // or it does not count
            CHECK(states <= blocks + (15.0 + static_cast<double>(samples)) * row + 0.002 * blocks);
        }
    }
}

#else

TEST_CASE("allocations are not counted under sanitizers, nor without glibc") {}

#endif

} // namespace allocation_steady_state_test
