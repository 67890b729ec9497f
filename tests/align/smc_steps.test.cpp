/// The steps of SMC one by one, on a state that is filled by hand: make_finite, weigh, choose, advance and
/// take.
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <diamond/align/smc_steps.hpp>

#include <support/back_ends.hpp>

namespace align_smc_steps_test {

using diamond::index_t, diamond::infinity, diamond::no_condition, diamond::philox, diamond::to_host;

namespace {

using numbers_list = std::vector<double>;
using indices = std::vector<std::int32_t>;

/// A resampler that chooses what it is told.
struct told {
    const std::int32_t* wanted; ///< in the context's memory
    template <class Context>
    void operator()(const Context& context, const std::uint64_t*, index_t columns, diamond::noise_stream,
                    diamond::resampling_scratch<Context>&, std::int32_t* ancestors) const {
        context.copy(wanted, columns, ancestors);
    }
    [[nodiscard]] diamond::log_z_error method() const { return diamond::log_z_error::none; }
};

/// The state of four particles in the plane at the start of the first of three steps, V_0 = 0.5, with x(0, j)
/// = j; what the step has propagated is x(0, j) = 10 + j.
template <class Batch, bool Weighted = false>
auto four_particles(const diamond::backend_of_t<Batch>& context, double log_delta = -infinity) {
    using real = typename Batch::value_type;
    diamond::smc_state<Batch, no_condition, Weighted> s(
        context, philox{3}, {}, {.dimension = 2, .particles = 4, .steps = 3, .record_ancestors = true}, {});
    diamond::detail::prepare_to_resample(s, diamond::systematic{});
    diamond::detail::begin(s, 0.5, log_delta);
    const std::vector<real> before{0, 1, 1, 1, 2, 1, 3, 1}, after{10, 1, 11, 1, 12, 1, 13, 1};
    context.from_host(before.data(), 8, s.x.data());
    context.from_host(after.data(), 8, s.next_x.data());
    return s;
}
template <class State, class Buffer>
void fill(State& s, Buffer& buffer, const numbers_list& numbers) {
    s.context->from_host(numbers.data(), static_cast<index_t>(numbers.size()), buffer.data());
}
constexpr diamond::detail::step_plan first_step{.k = 1, .time = 0.25, .least_ess = 3.9, .last = false};

} // namespace

TEST_CASE_TEMPLATE("make_finite raises values to the floor or by delta, and counts those left to the floor",
                   back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(1);
    const auto raised = [&](const numbers_list& values, double log_delta, std::optional<double> floor) {
        auto s = four_particles<batch>(context, log_delta);
        fill(s, s.next_v, values);
        diamond::detail::make_finite(s, floor);
        return std::pair{to_host(s.next_v), to_host(s.step_sums).front().floored};
    };
    const numbers_list values{2.0, -infinity, -3.0, -2000.0};
    // Neither: 1000 below the best, 2.
    CHECK(raised(values, -infinity, {}) == std::pair{numbers_list{2.0, -998.0, -3.0, -998.0}, 2.0});
    CHECK(raised(values, -infinity, -1.0) == std::pair{numbers_list{2.0, -1.0, -1.0, -1.0}, 3.0});
    const auto [by_delta, floored] = raised(values, -3.0, {});
    CHECK(floored == 0.0);
    CHECK(by_delta[1] == -3.0);
    CHECK(by_delta[2] == doctest::Approx(-3.0 + std::log(2.0)));
    // A step in which all are forbidden keeps V_0.
    CHECK(raised(numbers_list(4, -infinity), -infinity, {}) == std::pair{numbers_list(4, 0.5), 4.0});
}

TEST_CASE_TEMPLATE("weigh adds V_k - V_{k-1} to the log weights, and writes the step's line", back,
                   BACK_ENDS) {
    const auto context = back::make(1);
    auto s = four_particles<typename back::batch>(context);
    fill(s, s.log_w, {0.0, 1.0, -infinity, 0.5});
    fill(s, s.next_v, {0.5, -0.5, 7.0, 1.0});
    diamond::detail::weigh(s, first_step);
    CHECK(to_host(s.next_log_w) == numbers_list{0.0, 0.0, -infinity, 1.0});
    const double e = std::exp(-1.0), sum = 1.0 + 2.0 * e;
    const auto line = to_host(s.trace_lines).front();
    CHECK(line.time == 0.25);
    CHECK(line.ess == doctest::Approx(sum * sum / (1.0 + 2.0 * e * e)));
    CHECK(line.resampled);
    CHECK(line.least_increment == -1.0); // not the dead particle's 6.5
    CHECK(line.largest_increment == 0.5);
    CHECK(line.largest_share == doctest::Approx(1.0 / sum));
    CHECK(line.mean_value == doctest::Approx(1.0 / sum)); // 0.5 and -0.5 cancel
    CHECK(std::isnan(line.correction_ess));
    CHECK(to_host(s.step_sums).front().log_mean == doctest::Approx(1.0 + std::log(sum / 4.0)));

    diamond::detail::weigh(s, {.k = 1, .time = 1.0, .least_ess = 3.9, .last = true});
    CHECK_FALSE(to_host(s.trace_lines).front().resampled);
}

TEST_CASE_TEMPLATE("weigh adds a weighted kernel's own weights, and reports them over the living", back,
                   BACK_ENDS) {
    const auto context = back::make(1);
    auto s = four_particles<typename back::batch, true>(context);
    fill(s, s.log_w, {0.0, 0.0, -infinity, 0.0});
    fill(s, s.next_v, numbers_list(4, 0.5));
    fill(s, s.correction, {std::log(2.0), 0.0, 50.0, std::log(0.5)});
    diamond::detail::weigh(s, first_step);
    CHECK(to_host(s.next_log_w) == numbers_list{std::log(2.0), 0.0, -infinity, std::log(0.5)});
    const auto line = to_host(s.trace_lines).front();
    CHECK(line.correction_ess == doctest::Approx(3.5 * 3.5 / 5.25));
    CHECK(line.log_mean_correction == doctest::Approx(std::log(3.5 / 3.0)));
}

TEST_CASE_TEMPLATE("weigh refuses weights that are all zero, by the step's number", back, BACK_ENDS) {
    const auto context = back::make(1);
    auto s = four_particles<typename back::batch>(context);
    fill(s, s.next_v, numbers_list(4, -infinity));
    const auto refused = [&] {
        diamond::detail::weigh(s, first_step);
        diamond::detail::require_live(s, first_step);
        (void)to_host(s.trace_lines); // a device says it here
    };
    CHECK_THROWS_WITH_AS(refused(), doctest::Contains("(step 1)"), diamond::dead_weights);
}

TEST_CASE_TEMPLATE("choose draws by the next weights, and refuses an ancestor that is no particle", back,
                   BACK_ENDS) {
    const auto context = back::make(1);
    auto s = four_particles<typename back::batch>(context);
    fill(s, s.next_v, {-infinity, 0.5, -infinity, -infinity});
    diamond::detail::weigh(s, first_step);
    REQUIRE(diamond::detail::may_resample(s, first_step));
    diamond::detail::choose(s, diamond::systematic{}, first_step);
    CHECK(to_host(s.chosen) == indices(4, 1));
    for (const std::int32_t bad : {-1, 4}) {
        const auto wanted = diamond::from_host<std::int32_t>(context, 1, 4, indices{0, 1, bad, 3});
        const auto refused = [&] {
            diamond::detail::choose(s, told{wanted.data()}, first_step);
            (void)to_host(s.chosen);
        };
        CHECK_THROWS_WITH_AS(refused(), doctest::Contains("(step 1, particle 2)"), diamond::numeric_error);
    }
}

TEST_CASE_TEMPLATE(
    "advance makes the next particles the state's own, and adds the mean weight where weights begin anew",
    back, BACK_ENDS) {
    const auto context = back::make(1);
    for (const double least_ess : {0.0, 3.9})
        for (const bool last : {false, true}) {
            const diamond::detail::step_plan plan{.k = 1, .time = 0.25, .least_ess = least_ess, .last = last};
            auto s = four_particles<typename back::batch>(context);
            fill(s, s.next_v, {1.5, 0.5, 0.5, 0.5});
            diamond::detail::weigh(s, plan);
            diamond::detail::advance(s, plan);
            CHECK(s.step() == 1);
            CHECK(to_host(s.x)[0] == 10.0);
            CHECK(to_host(s.v) == numbers_list{1.5, 0.5, 0.5, 0.5});
            CHECK(to_host(s.log_w) == numbers_list{1.0, 0.0, 0.0, 0.0});
            const bool resampled = least_ess > 0.0 && !last;
            const double gain = resampled || last ? std::log((std::exp(1.0) + 3.0) / 4.0) : 0.0;
            CHECK(s.log_z_so_far() == doctest::Approx(0.5 + gain));
            CHECK(s.totals_on_host().resamplings == (resampled ? 1 : 0));
        }
}

TEST_CASE_TEMPLATE("take lets the chosen ancestors take all places, with what they carry", back, BACK_ENDS) {
    const auto context = back::make(1);
    auto s = four_particles<typename back::batch, true>(context);
    fill(s, s.next_v, {1.5, 0.5, 2.5, 0.5});
    fill(s, s.correction, numbers_list(4, 0.0));
    fill(s, s.next_log_p, {-1.0, -2.0, -3.0, -4.0});
    diamond::detail::weigh(s, first_step);
    const auto wanted = diamond::from_host<std::int32_t>(context, 1, 4, indices{0, 2, 2, 2});
    diamond::detail::choose(s, told{wanted.data()}, first_step);
    diamond::detail::advance(s, first_step);
    diamond::detail::take(s);
    const auto x = to_host(s.x);
    for (std::size_t j = 0; j < 4; ++j) CHECK(x[2 * j] == (j == 0 ? 10.0 : 12.0));
    CHECK(to_host(s.v) == numbers_list{1.5, 2.5, 2.5, 2.5});
    CHECK(to_host(s.log_p) == numbers_list{-1.0, -3.0, -3.0, -3.0});
    CHECK(to_host(s.family) == indices{0, 2, 2, 2});
    CHECK(to_host(s.log_w) == numbers_list(4, 0.0));
    CHECK(s.ancestors(s.trace()) == std::vector<indices>{{0, 2, 2, 2}});
}

} // namespace align_smc_steps_test
