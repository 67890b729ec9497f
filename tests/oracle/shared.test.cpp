/// One const model, several threads, a context each: the context of the batches works, so nobody meets
/// anybody's working space.
#include <future>
#include <optional>

#include <diamond/align/smc.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/reward/quadratic_reward.hpp>
#include <diamond/value/posterior_value.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"

namespace oracle_shared_test {

using namespace diamond;

namespace {

using host = back_ends::eigen<float>;
using batch = host::batch;
using normal = gaussian<batch, linear_schedule>;
using mixture = gaussian_mixture<batch, linear_schedule>;
using board = checkerboard<batch, linear_schedule>;
using quadratic = quadratic_reward<batch>;

/// What each of two threads gets from work(its own context), in `rounds` rounds, which must agree to the bit;
/// of the first round.
template <class Work>
auto agreed(int rounds, const Work& work) {
    std::optional<decltype(work(host::make()))> first;
    for (int round = 0; round < rounds; ++round) {
        const auto on_its_own = [&] {
            const auto own = host::make();
            return work(own);
        };
        auto one = std::async(std::launch::async, on_its_own),
             two = std::async(std::launch::async, on_its_own);
        const auto result = one.get();
        CAPTURE(round);
        if (!first) first = result;
        CHECK(result == *first);
        CHECK(two.get() == *first);
    }
    return *first;
}

/// log Z of a model under a reward, by SMC with its exact kernel.
template <class Model>
double log_z(const host::context& own, const Model& model, const quadratic& reward) {
    const exact_posterior draws{model};
    smc sampler{ddpm_posterior_kernel{draws},
                posterior_value{draws, reward, posterior_value_options{.samples = 2}},
                smc_options{.particles = 3000, .steps = 3, .plain_ratio = 0.0}};
    return sampler(own, philox{1}).log_z;
}

/// 300 components in 8 dimensions: summed by products.
mixture many_parts(const host::context& home, bool shared_variance) {
    constexpr index_t d = 8, count = 300;
    std::vector<double> weights(count, 1.0), variances(count, 0.25);
    for (std::size_t k = 0; k < variances.size() && !shared_variance; ++k)
        variances[k] += 0.001 * static_cast<double>(k);
    return {home, {}, weights, reference::spread_points(d * count), variances};
}

/// A Gaussian whose workspace belongs to the context that it was made for, as that of a user's model may.
class bound_gaussian {
public:
    using batch_type = batch;
    using view = view_t<batch>;
    using const_view = const_view_t<batch>;
    struct workspace_type {
        const host::context* made_for;
        normal::workspace_type space;
    };

    explicit bound_gaussian(normal model) : model_(std::move(model)) {}

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] const linear_schedule& schedule() const { return model_.schedule(); }
    [[nodiscard]] workspace_type make_workspace(const host::context& context, index_t columns) const {
        return {&context, model_.make_workspace(context, columns)};
    }
    void operator()(const_view x, time_view t, no_condition, workspace_type& w, view out) const {
        model_(x, t, {}, own(w, x), out);
    }
    void denoiser(const_view x, time_view t, no_condition, workspace_type& w, view out) const {
        model_.denoiser(x, t, {}, own(w, x), out);
    }
    void score(const_view x, time_view t, no_condition, workspace_type& w, view out) const {
        model_.score(x, t, {}, own(w, x), out);
    }
    void log_density(const_view x, time_view t, no_condition, workspace_type& w,
                     diamond::row_t<batch_type> out) const {
        model_.log_density(x, t, {}, own(w, x), out);
    }
    void draw_posterior(const_view x, double t, no_condition, noise_stream stream, workspace_type& w,
                        view out) const {
        model_.draw_posterior(x, t, {}, stream, own(w, x), out);
    }
    [[nodiscard]] tilt<bound_gaussian> tilted(const quadratic_form& reward) const {
        const auto result = model_.tilted(reward);
        return {bound_gaussian(result.tilted), result.log_z};
    }

private:
    static normal::workspace_type& own(workspace_type& w, const_view x) {
        require(w.made_for == &x.context(), "a workspace of another context");
        return w.space;
    }

    normal model_;
};

} // namespace

TEST_CASE("two threads, each with a context, get the log Z of one const model in all rounds") {
    // Before, the context that the model was made on worked for both: log Z was wrong in nearly every round.
    constexpr int rounds = 40;
    const auto home = host::make();
    const quadratic bowl{home, std::vector<float>{2, 1}, std::vector<float>{1, 1}};
    const auto check = [&](const auto& model, const quadratic& reward) {
        const double together = agreed(rounds, [&](const auto& own) { return log_z(own, model, reward); });
        CHECK(together == log_z(host::make(1), model, reward)); // as alone
    };
    check(normal(home, {}, {1, -1}, {1, 0.3, 0.3, 2}), bowl);
    check(mixture(home, {}, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}), bowl);
    check(mixture(home, {}, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3, 0.1, 0.2, 0.3}), bowl);
    check(board(home, {}), bowl);
}

TEST_CASE("and of many components, whose sums are products") {
    const auto home = host::make();
    const quadratic bowl{home, std::vector<float>(8, 1), std::vector<float>(8, 0.5)};
    for (const bool shared : {true, false}) {
        const auto model = many_parts(home, shared);
        CHECK(agreed(3, [&](const auto& own) { return log_z(own, model, bowl); }) ==
              log_z(host::make(1), model, bowl));
    }
}

TEST_CASE("every reading, density, draw and map of one const model, from two threads") {
    const auto home = host::make();
    const auto points = reference::spread_points(2 * 500);
    const auto check = [&](const auto& model) {
        const auto work = [&](const host::context& own) {
            const auto x = batches::make<batch>(own, 2, 500, points),
                       w = batches::make<batch>(own, 2, 500, points);
            std::vector<double> rising(500);
            for (std::size_t j = 0; j < rising.size(); ++j) rising[j] = static_cast<double>(j) / 500.0;
            auto times = from_host<double>(own, 1, 500, rising),
                 numbers = from_host<double>(own, 1, 500, rising);
            batch out = batches::make<batch>(own, 2, 500, points);
            auto space = model.make_workspace(own, 500);
            std::vector<double> all;
            const auto keep = [&] {
                for (const auto& part : {batches::host(out), to_host(numbers)})
                    all.insert(all.end(), part.begin(), part.end());
            };
            for (const time_view t : {time_view(0.5), time_view(times.data())}) {
                model(x.read(), t, {}, space, out.mutable_view()), keep();
                model.denoiser(x.read(), t, {}, space, out.mutable_view()), keep();
                model.score(x.read(), t, {}, space, out.mutable_view()), keep();
                model.jvp(x.read(), t, {}, w.read(), space, out.mutable_view()), keep();
                model.divergence(x.read(), t, {}, space, diamond::row(numbers)), keep();
                model.log_density(x.read(), t, {}, space, diamond::row(numbers)), keep();
            }
            model.draw(philox{3}.stream(purpose::data), out.mutable_view()), keep();
            model.draw_posterior(x.read(), 0.5, {}, philox{4}.stream(purpose::value), space,
                                 out.mutable_view()),
                keep();
            if constexpr (tiltable_field<std::remove_cvref_t<decltype(model)>>) {
                exact_value value{model, quadratic{own, std::vector<float>{2, 1}, std::vector<float>{1, 1}}};
                value(x.read(), 0.5, {}, {}, {.value = row(numbers)}), keep();
                value.guidance(x.read(), 1.0, {}, {}, out.mutable_view()), keep();
            }
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(model)>, normal>) {
                gaussian_flow_map flow{model};
                gaussian_diamond_map map{model};
                flow(x.read(), {0.2, 0.9}, {}, out.mutable_view()), keep();
                flow.vjp(x.read(), {0.2, 0.9}, {}, w.read(), out.mutable_view()), keep();
                map(x.read(), {0.1, 0.9}, w.read(), time_view(times.data()), {}, out.mutable_view(),
                    diamond::row(numbers)),
                    keep();
                map.vjp(x.read(), {0.1, 0.9}, w.read(), 0.5, {}, w.read(), out.mutable_view(),
                        out.mutable_view()),
                    keep();
            }
            return all;
        };
        agreed(10, work);
    };
    check(normal(home, {}, {1, -1}, {1, 0.3, 0.3, 2}));
    check(mixture(home, {}, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}));
    check(mixture(home, {}, std::vector<double>(40, 1.0), reference::spread_points(80),
                  std::vector<double>(40, 0.5)));
    check(board(home, {}));
}

TEST_CASE(
    "a value and a posterior that are called on one context and then on another have a workspace on each") {
    const auto home = host::make(), first = host::make(), second = host::make();
    const bound_gaussian model{normal(home, {}, {1, -1}, {1, 0.3, 0.3, 2})};
    exact_value value{model, quadratic{home, std::vector<float>{2, 1}, std::vector<float>{1, 1}}};
    exact_posterior posterior{model};
    const auto results = [&](const host::context& context) {
        const auto x = batches::make<batch>(context, 2, 5, reference::spread_points(10));
        auto numbers = from_host<double>(context, 1, 5, std::vector<double>(5));
        batch out(context, 2, 5);
        std::vector<double> all;
        const auto keep = [&](const std::vector<double>& part) {
            all.insert(all.end(), part.begin(), part.end());
        };
        value(x.read(), 0.5, {}, {}, {.value = row(numbers)});
        keep(to_host(numbers));
        for (const double t : {0.25, 0.75, 1.0}) {
            value.guidance(x.read(), t, {}, {}, out.mutable_view());
            keep(batches::host(out));
        }
        posterior(x.read(), 0.5, {}, philox{4}.stream(purpose::value), out.mutable_view());
        keep(batches::host(out));
        return all;
    };
    const auto wanted = results(first);
    for (const auto* context : {&second, &first}) {
        std::vector<double> got;
        REQUIRE_NOTHROW(got = results(*context));
        CHECK(got == wanted);
    }
}

TEST_CASE_TEMPLATE("what a model was made on need not be what calls it, but on a device it must", back_end,
                   BACK_ENDS) {
    using batch_type = typename back_end::batch;
    using real = typename back_end::real;
    const auto made_on = back_end::make(), caller = back_end::make();
    const auto x = batches::make<batch_type>(caller, 2, 5, reference::spread_points(10));
    batch_type out(caller, 2, 5);
    rebind_t<batch_type, double> values(caller, 1, 5);
    const auto check = [&](const auto& call) {
        if constexpr (back_end::context::host_memory)
            CHECK_NOTHROW(call());
        else
            CHECK_THROWS_WITH_AS(call(), doctest::Contains("serve the context that they were made on"),
                                 std::invalid_argument);
    };
    const auto models = [&](const auto& model) {
        auto space = model.make_workspace(caller, 5);
        check([&] { model(x.read(), 0.5, {}, space, out.mutable_view()); });
        check([&] { model.log_density(x.read(), 0.5, {}, space, diamond::row(values)); });
        check([&] { model.draw({}, out.mutable_view()); });
        check([&] {
            model.draw_posterior(x.read(), 0.5, {}, noise_stream{.samples = 1}, space, out.mutable_view());
        });
    };
    const gaussian<batch_type, linear_schedule> one(made_on, {}, {1, -1}, {1, 0.3, 0.3, 2});
    models(one);
    models(gaussian_mixture<batch_type, linear_schedule>(made_on, {}, {1, 2}, {1, -1, 0, 1}, {1, 2}));
    const linear_reward slope{made_on, std::vector<real>{1, 2}};
    const quadratic_reward bowl{made_on, std::vector<real>{1, 2}, std::vector<real>{1, 2}};
    const affine_measurement matrix{made_on, std::vector<real>{1, 2, 3, 4}, std::vector<real>{1, 2}};
    gaussian_measurement_reward seen{made_on, mask_measurement<batch_type>{made_on, 2, {1}},
                                     std::vector<real>{1}, 1.0};
    check([&] { slope(x.read(), diamond::row(values)); });
    check([&] { bowl.gradient(x.read(), out.mutable_view()); });
    check([&] { matrix(x.read(), out.mutable_view()); });
    check([&] { seen(x.read(), diamond::row(values)); });
    gaussian_flow_map flow{one};
    gaussian_diamond_map map{one};
    exact_value value{one, bowl};
    const auto call_all = [&](const auto& call, batch_type& in, batch_type& to, auto numbers) {
        call([&] { flow(in.read(), {0.2, 0.9}, {}, to.mutable_view()); });
        call([&] { flow.vjp(in.read(), {0.2, 0.9}, {}, in.read(), to.mutable_view()); });
        call([&] { map(in.read(), {0.2, 0.9}, in.read(), 0.5, {}, to.mutable_view()); });
        call([&] { value(in.read(), 0.5, {}, {}, {.value = numbers}); });
        call([&] { value.guidance(in.read(), 0.5, {}, {}, to.mutable_view()); });
    };
    auto in = batches::make<batch_type>(caller, 2, 5, reference::spread_points(10));
    call_all(check, in, out, diamond::row(values));
    // Once refused, they still serve the context that they were made on.
    auto in_at_home = batches::make<batch_type>(made_on, 2, 5, reference::spread_points(10));
    batch_type out_at_home(made_on, 2, 5);
    rebind_t<batch_type, double> values_at_home(made_on, 1, 5);
    call_all([](const auto& call) { CHECK_NOTHROW(call()); }, in_at_home, out_at_home,
             diamond::row(values_at_home));
    // A checkerboard keeps nothing in a context's memory, and the reward's form is brought to each.
    const checkerboard<batch_type, linear_schedule> cells(made_on, {});
    auto space = cells.make_workspace(caller, 5);
    CHECK_NOTHROW(cells(x.read(), 0.5, {}, space, out.mutable_view()));
    CHECK_NOTHROW(
        cells.draw_posterior(x.read(), 0.5, {}, noise_stream{.samples = 1}, space, out.mutable_view()));
    CHECK_NOTHROW(value.guidance(x.read(), 1.0, {}, {}, out.mutable_view()));
}

} // namespace oracle_shared_test
