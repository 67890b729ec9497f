/// A network that is NaN or infinite for one particle from some time on, in one coordinate that no reward
/// reads: every driver says so, with step and particle, wherever that time is, and runs where the network is
/// sound.
#include <diamond/align/guidance.hpp>
#include <diamond/align/search.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/stepped_flow_map.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"

namespace align_broken_network_test {

using namespace cases;
using diamond::not_a_number, diamond::numeric_error;

namespace {

/// dx/dt = -x but for what is added to coordinate 2 of particle `particle` of `of` from time `from` on:
/// columns are a particle's, or its draws.
template <class View, class ConstView>
struct breaking_velocity {
    ConstView x;
    diamond::time_view t;
    index_t particle, of;
    double from, added;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t samples = x.columns() / of;
        const bool broken = i == 2 && j / (samples > 0 ? samples : 1) == particle && t[j] >= from;
        out(i, j) = static_cast<typename View::value_type>((broken ? added : 0.0) -
                                                           static_cast<double>(x(i, j)));
    }
};
constexpr index_t count = 8, broken_one = 5, steps = 4;
template <class Batch>
struct breaking_network {
    using batch_type = Batch;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct space {};
    double from, added;
    [[nodiscard]] index_t dimension() const { return 3; }
    [[nodiscard]] space make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const_view x, diamond::time_view t, diamond::no_condition, space&, view out) const {
        x.context().for_each(3, x.columns(),
                             breaking_velocity<view, const_view>{x, t, broken_one, count, from, added, out});
    }
};
/// The sum of the coordinates that are sound, and -inf for some.
template <class Real>
struct looks_away {
    DIAMOND_HD double operator()(diamond::column_view<const Real> z) const {
        return z[0] < Real(-1.5) ? -infinity : static_cast<double>(z[0]) + 0.5 * static_cast<double>(z[1]);
    }
};

struct told {
    long step = -2, particle = -2;
    std::string text = "nothing";
};
/// What a run says, at the latest when its particles come to the host.
template <class Run>
told said(const Run& run) {
    try {
        const auto result = run();
        for (const auto x : diamond::to_host(result.particles))
            if (!std::isfinite(x)) return {.text = "nothing, and particles that are not finite"};
    } catch (const numeric_error& error) {
        return {error.step(), error.particle(), error.what()};
    }
    return {};
}

/// Every driver by this network: its name and what it says.
template <class Back>
std::vector<std::pair<std::string, told>> every_driver(const typename Back::context& context, double from,
                                                       double added) {
    using batch = typename Back::batch;
    const breaking_network<batch> network{from, added};
    const looks_away<typename Back::real> reward;
    const diamond::linear_schedule schedule;
    const diamond::glass_diamond_map map{schedule, network, diamond::explicit_midpoint{.steps = 2}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 2}};
    // A value that does not read the network: what breaks is the particle alone.
    const diamond::denoised_value apart{schedule, breaking_network<batch>{2.0, 0.0}, reward};
    const diamond::ode_kernel by_midpoint{
        diamond::ode_flow_map{network, diamond::explicit_midpoint{.steps = 2}}};
    const diamond::ode_kernel by_adaptive{diamond::ode_flow_map{network, diamond::dormand_prince{}}};
    const diamond::early_stop_kernel early{map};
    const philox rng{1};
    const diamond::chain_options of{.particles = count, .steps = steps};
    std::vector<std::pair<std::string, told>> all;
    const auto add = [&](const char* name, const auto& run) { all.emplace_back(name, said(run)); };
    add("chain, midpoint", [&] { return diamond::chain{by_midpoint, of}(context, rng); });
    add("chain, Dormand-Prince", [&] { return diamond::chain{by_adaptive, of}(context, rng); });
    add("chain, Euler-Maruyama", [&] {
        return diamond::chain{diamond::euler_maruyama_kernel{schedule, network}, of}(context, rng);
    });
    add("chain, early stop", [&] { return diamond::chain{early, of}(context, rng); });
    add("guidance", [&] {
        return diamond::guidance{network, value, {.particles = count, .steps = steps}}(context, rng);
    });
    add("guidance, Dormand-Prince", [&] {
        return diamond::guidance{
            network,
            value,
            {.particles = count, .steps = steps},
            diamond::dormand_prince{.relative_tolerance = 1e-2, .absolute_tolerance = 1e-2}}(context, rng);
    });
    add("SMC, midpoint", [&] {
        return diamond::smc{by_midpoint, apart, {.particles = count, .steps = steps, .log_delta = -5.0}}(
            context, rng);
    });
    add("SMC, Dormand-Prince", [&] {
        return diamond::smc{by_adaptive, apart, {.particles = count, .steps = steps, .log_delta = -5.0}}(
            context, rng);
    });
    add("SMC, early stop", [&] {
        return diamond::smc{early, value, {.particles = count, .steps = steps, .log_delta = -5.0}}(context,
                                                                                                   rng);
    });
    add("SMC, its pilot", [&] {
        return diamond::smc{by_midpoint, apart, {.particles = count, .steps = steps}}(context, rng);
    });
    add("best of N", [&] {
        return diamond::best_of_n{
            by_midpoint, reward, {.winners = 2, .candidates = count / 2, .steps = steps}}(context, rng);
    });
    add("beam", [&] {
        return diamond::beam{by_midpoint, apart, {.beams = 2, .width = 2, .children = 2, .steps = steps}}(
            context, rng);
    });
    add("beam, early stop", [&] {
        return diamond::beam{early, value, {.beams = 2, .width = 2, .children = 2, .steps = steps}}(context,
                                                                                                    rng);
    });
    return all;
}

} // namespace

TEST_CASE_TEMPLATE(
    "every driver names the step and the particle of a network that is no number from some time on", back,
    TWO_BACK_ENDS) {
    for (const double added : {not_a_number, infinity, -infinity})
        // Steps 1, 2 and 3 read it first; where it begins late in a step, 3 or 4.
        for (const double from : {0.0, 0.3, 0.55, 0.72}) {
            CAPTURE(added);
            CAPTURE(from);
            const auto context = back::make(1);
            for (const auto& [name, what] : every_driver<back>(context, from, added)) {
                CAPTURE(name);
                CAPTURE(what.text);
                const long first = from == 0.0 ? 1 : from == 0.3 ? 2 : 3;
                // A posterior draw runs through all of time, so where values are made of draws, or a kernel
                // is, an earlier step may be the first to read it; and of a step by Euler's method alone only
                // the next step does.
                const bool draws = name.find("early") != std::string::npos || name == "guidance" ||
                                   name == "guidance, Dormand-Prince",
                           late = name == "chain, Euler-Maruyama";
                CHECK(what.step >= (draws ? 1 : first));
                CHECK(what.step <= first + ((late && from > 0.0) || from == 0.72 ? 1 : 0));
                CHECK(what.particle == broken_one);
                CHECK(what.text.find("-1") == std::string::npos);
            }
        }
}

TEST_CASE_TEMPLATE("a sound network passes, rewards of -inf among it", back, TWO_BACK_ENDS) {
    const auto context = back::make(1);
    for (const auto& [name, what] : every_driver<back>(context, 2.0, not_a_number)) {
        CAPTURE(name);
        CHECK(what.text == "nothing");
    }
}

TEST_CASE("a message has the step and the particle where there are such") {
    CHECK(std::string(numeric_error("gone", 3, 7).what()) == "gone (step 3, particle 7)");
    CHECK(std::string(numeric_error("gone", 3, -1).what()) == "gone (step 3)");
    CHECK(std::string(numeric_error("gone", -1, 7).what()) == "gone (particle 7)");
    CHECK(std::string(numeric_error("gone", -1, -1).what()) == "gone");
    CHECK(std::string(diamond::dead_weights(4).what()).find("(step 4)") != std::string::npos);
}

TEST_CASE("an adaptive solver names the particle that keeps it from going on, its step and the time; the "
          "others stand at that time") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 1};
    batch x(context, 3, count);
    diamond::draw_normal(philox{1}.stream(purpose::initial), x.mutable_view());
    const auto before = diamond::to_host(x);
    for (const double added : {not_a_number, infinity}) {
        diamond::ode_flow_map map{breaking_network<batch>{0.6, added}, diamond::dormand_prince{}};
        batch out(context, 3, count);
        const auto what = [&]() -> told {
            try {
                map(x.read(), diamond::interval{0.0, 1.0}, {}, out.mutable_view());
            } catch (const numeric_error& error) {
                return {error.step(), error.particle(), error.what()};
            }
            return {};
        }();
        CAPTURE(what.text);
        CHECK(what.particle == broken_one);
        CHECK(what.step == -1);
        CHECK(what.text.find("near t = 0.59999999") != std::string::npos);
        CHECK(what.text.find("of the adaptive solver (particle 5)") != std::string::npos);
        const auto after = diamond::to_host(out);
        for (std::size_t i = 0; i < after.size(); ++i)
            CHECK(after[i] == doctest::Approx(before[i] * std::exp(-0.6)).epsilon(1e-5));
    }
    diamond::ode_flow_map few{breaking_network<batch>{0.5, 1e4}, diamond::dormand_prince{.most_steps = 5}};
    batch out(context, 3, count);
    CHECK_THROWS_WITH_AS(few(x.read(), diamond::interval{0.0, 1.0}, {}, out.mutable_view()),
                         doctest::Contains("most_steps (particle "), numeric_error);
}

} // namespace align_broken_network_test
