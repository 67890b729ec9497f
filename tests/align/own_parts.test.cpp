/// What a user's own parts write is checked: weights of kernels and of posterior draws, the densities that
/// particles carry, ancestors. On every back end, and on a device when the host waits.
#include <diamond/map/resampled_posterior.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"

namespace align_own_parts_test {

using namespace cases;
using diamond::exact_posterior, diamond::posterior_value, diamond::smc, diamond::smc_options;

namespace {

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
constexpr index_t particles = 30, steps = 5;

/// One number among all, or none.
struct place {
    index_t step = -1, column = 0;
    double number = 0.0;
};
struct write_with {
    place bad;
    bool now;
    double* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = now && j == bad.column ? bad.number : 0.0; }
};

/// A user's kernel that weighs: particles stay, weights and densities are 1, but for one.
template <class Batch>
struct own_kernel {
    using batch_type = Batch;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct mover {
        using batch_type = Batch;
        [[nodiscard]] index_t dimension() const { return 2; }
        [[nodiscard]] diamond::cost spent() const { return {}; }
        [[nodiscard]] bool exact() const { return false; }
        void operator()(const_view x, diamond::interval, diamond::no_condition, diamond::noise_stream,
                        view out) {
            x.context().copy(x.data(), x.size(), out.data());
        }
    };
    place weight = {}, density = {};

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    [[nodiscard]] bool exact() const { return false; }
    [[nodiscard]] mover kernel() const { return {}; }
    void begin(const_view x, diamond::no_condition, diamond::row_t<batch_type> log_density) {
        x.context().for_each(x.columns(), write_with{density, density.step == 0, log_density.data()});
    }
    void operator()(const_view x, diamond::interval span, diamond::no_condition none,
                    diamond::noise_stream stream, view out, diamond::const_row_t<batch_type>,
                    diamond::row_t<batch_type> next, diamond::row_t<batch_type> log_weight) {
        mover{}(x, span, none, stream, out);
        const auto k = static_cast<index_t>(stream.step);
        x.context().for_each(x.columns(), write_with{density, density.step == k, next.data()});
        x.context().for_each(x.columns(), write_with{weight, weight.step == k, log_weight.data()});
    }
};

/// A user's posterior sampler that weighs its draws.
template <class Batch>
struct own_posterior {
    using batch_type = Batch;
    place weight = {};
    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    [[nodiscard]] bool exact() const { return false; }
    void operator()(diamond::const_view_t<Batch>, double, diamond::no_condition, diamond::noise_stream stream,
                    diamond::view_t<Batch> out, diamond::row_t<batch_type> log_weights) {
        diamond::draw_normal(stream, out);
        out.context().for_each(
            out.columns(),
            write_with{weight, weight.step == static_cast<index_t>(stream.step), log_weights.data()});
    }
};

/// A user's resampler: everybody stays, but for one, who comes from elsewhere.
struct write_ancestors {
    place bad;
    bool now;
    std::int32_t* out;
    DIAMOND_HD void operator()(index_t j) const {
        out[j] = static_cast<std::int32_t>(now && j == bad.column ? static_cast<index_t>(bad.number) : j);
    }
};
struct own_resampler {
    place ancestor = {};
    template <class Context>
    void operator()(const Context& context, const std::uint64_t*, index_t columns,
                    diamond::noise_stream stream, diamond::resampling_scratch<Context>&,
                    std::int32_t* ancestors) const {
        context.for_each(
            columns,
            write_ancestors{ancestor, ancestor.step == static_cast<index_t>(stream.step), ancestors});
    }
    [[nodiscard]] diamond::log_z_error method() const { return diamond::log_z_error::none; }
};

/// Step and particle that f blames, or (-2, -2), and what it says.
struct report {
    long step = -2, particle = -2;
    std::string text;
};
template <class F>
report failure(const F& f) {
    try {
        f();
    } catch (const diamond::numeric_error& error) {
        return {error.step(), error.particle(), error.reason()};
    }
    return {};
}

} // namespace

TEST_CASE_TEMPLATE("a weighted kernel's weights that are NaN or +inf are refused by step and particle, and "
                   "so are its densities",
                   back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make();
    const auto run = [&](own_kernel<batch> kernel, double threshold = 0.5) {
        const auto model = mixture<batch>(context);
        smc sampler{
            kernel, posterior_value{exact_posterior{model}, tilt_2d<typename back::real>()},
            smc_options{
                .particles = particles, .steps = steps, .threshold = threshold, .log_delta = -infinity}};
        return failure([&] { static_cast<void>(sampler(context, philox{1})); });
    };
    CHECK(run({}).step == -2);
    for (const double bad : {no_number, infinity})
        for (const double threshold : {0.0, 2.0})
            for (index_t k = 0; k <= steps; ++k) {
                CAPTURE(bad);
                CAPTURE(k);
                const place where{.step = k, .column = 7, .number = bad};
                const auto of_density = run({.density = where}, threshold);
                CHECK(of_density.step == k);
                CHECK(of_density.particle == 7);
                CHECK(of_density.text.find("the log-density that a particle carries is NaN or +inf") !=
                      std::string::npos);
                if (k == 0) continue;
                const auto of_weight = run({.weight = where}, threshold);
                CHECK(of_weight.step == k);
                CHECK(of_weight.particle == 7);
                CHECK(of_weight.text.find("the weight of a transition is NaN or +inf") != std::string::npos);
            }
    CHECK(run({.weight = {.step = 2, .column = 7, .number = -infinity}}).step == -2); // a weight of 0 is one
    // and then its density is nobody's
    CHECK(run({.weight = {.step = 2, .column = 7, .number = -infinity},
               .density = {.step = 2, .column = 7, .number = no_number}},
              0.0)
              .step == -2);
}

TEST_CASE_TEMPLATE("so are the weights of posterior draws, in a value and in a resampled posterior", back,
                   BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make();
    const auto model = mixture<batch>(context);
    constexpr index_t samples = 3, proposals = 4;
    for (const double bad : {no_number, infinity}) {
        CAPTURE(bad);
        // draw 1 of particle 5
        posterior_value value{own_posterior<batch>{{.step = 4, .column = 5 * samples + 1, .number = bad}},
                              tilt_2d<typename back::real>(),
                              {.samples = samples}};
        diamond::posterior_value<own_posterior<batch>, form_reward<typename back::real>> fine{
            {}, tilt_2d<typename back::real>(), {.samples = samples}};
        const batch x = diamond::from_host(context, 2, particles,
                                           std::vector<typename back::real>(2 * particles, 0));
        batch out(context, 2, particles * samples);
        diamond::rebind_t<batch, double> v(context, 1, particles);
        const auto stream = philox{1}.stream(purpose::value, 4);
        const auto of_value = [&](auto& one) {
            return failure([&] {
                one(x.read(), 0.5, {}, stream, {.value = row(v)});
                static_cast<void>(diamond::to_host(v));
            });
        };
        CHECK(of_value(fine).step == -2);
        const auto told = of_value(value);
        CHECK(told.step == 4);
        CHECK(told.particle == 5);
        CHECK(told.text.find("the weight of a posterior draw is NaN or +inf") != std::string::npos);
        // proposal 2 of draw 1 of particle 5
        diamond::resampled_posterior resampled{
            own_posterior<batch>{{.step = 4, .column = (5 * samples + 1) * proposals + 2, .number = bad}},
            {.proposals = proposals}};
        const auto drawn = failure([&] {
            resampled(x.read(), 0.5, {}, stream.with_samples(samples), out.mutable_view());
            static_cast<void>(diamond::to_host(out));
        });
        CHECK(drawn.step == 4);
        CHECK(drawn.particle == 5);
    }
}

TEST_CASE_TEMPLATE("an ancestor that is no particle is refused by step and place", back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make();
    const auto model = mixture<batch>(context);
    const auto run = [&](place bad, double threshold) {
        smc sampler{
            diamond::ddpm_posterior_kernel{exact_posterior{model}},
            posterior_value{exact_posterior{model}, tilt_2d<typename back::real>()},
            smc_options{
                .particles = particles, .steps = steps, .threshold = threshold, .log_delta = -infinity},
            own_resampler{bad}};
        return failure([&] { static_cast<void>(sampler(context, philox{1})); });
    };
    for (const double fine : {0.0, 29.0})
        CHECK(run({.step = 3, .column = 11, .number = fine}, 2.0).step == -2);
    for (const double bad : {-1.0, 30.0, 2147483647.0, -2147483648.0}) {
        CAPTURE(bad);
        const auto told = run({.step = 3, .column = 11, .number = bad}, 2.0);
        CHECK(told.step == 3);
        CHECK(told.particle == 11);
        CHECK(told.text.find("the resampler wrote an ancestor that is no particle") != std::string::npos);
        if constexpr (back::context::host_memory)
            CHECK(told.text.find("(here " + diamond::digits_of(static_cast<std::int32_t>(bad)) + ")") !=
                  std::string::npos);
    }
}

} // namespace align_own_parts_test
