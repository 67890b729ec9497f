/// r and r + c give the same run, log Z larger by c; and the forbidden never outrank the rest.
#include "cases.hpp"

namespace align_smc_floor_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value, diamond::smc,
    diamond::smc_options;

namespace {

using batch = diamond::eigen::batch<double>;

/// Every particle's value of each step, before the last, in the order of the particles that were weighed.
struct recorded {
    diamond::smc_result<batch> result;
    std::vector<std::vector<double>> values;
};
/// -inf for the particles left of a wall, else a number near `level`.
struct walled_value {
    using batch_type = batch;
    form_reward<double> reward_;
    double wall, level;
    [[nodiscard]] index_t dimension() const { return 2; }
    form_reward<double>& reward() { return reward_; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    void operator()(diamond::const_view_t<batch> x, double, diamond::no_condition, diamond::noise_stream,
                    diamond::value_rows<diamond::backend_of_t<batch_type>> values) const {
        for (index_t j = 0; j < x.columns(); ++j)
            values.value[j] = x(0, j) < wall ? -infinity : level + x(1, j);
    }
};

template <class Value>
recorded run(const Value& value, const diamond::eigen::context& context, smc_options options) {
    options.record_ancestors = true;
    const exact_posterior draws{mixture<batch>(context)};
    smc sampler{ddpm_posterior_kernel{draws}, value, options, diamond::multinomial{}};
    recorded out;
    out.result = sampler(context, philox{21}, {},
                         [&](const auto& view) { out.values.push_back(diamond::to_host(view.values)); });
    return out;
}
bool says(const std::vector<std::string>& warnings, const char* what) {
    return std::any_of(warnings.begin(), warnings.end(),
                       [&](const std::string& warning) { return warning.find(what) != std::string::npos; });
}

} // namespace

TEST_CASE("a constant added to the reward is added to log Z, and changes nothing else") {
    // c = 2000 costs 2e-13 of the values' digits: a uniform number would have to fall that near a border of
    // cumulative weights to matter.
    const diamond::eigen::context context{.threads = 1};
    const exact_posterior draws{mixture<batch>(context)};
    for (const bool forbidding : {false, true})
        for (const bool pilot : {true, false}) {
            const auto shifted = [&](double c) {
                auto reward = bowl_2d<double>(2.0);
                reward.constant += c;
                if (forbidding) reward.wall = 0.3;
                smc_options options{.particles = 300, .steps = 6, .threshold = 0.9, .plain_ratio = 0.0};
                if (!pilot) options.log_delta = -infinity;
                return run(posterior_value{draws, reward, {.samples = 2}}, context, options).result;
            };
            const auto plain = shifted(0.0);
            CHECK(std::count_if(plain.steps.begin(), plain.steps.end(),
                                [](const auto& s) { return s.resampled; }) >= 2);
            for (const double c : {-2000.0, 2000.0}) {
                CAPTURE(c);
                CAPTURE(pilot);
                CAPTURE(forbidding);
                const auto moved = shifted(c);
                CHECK(moved.ancestors == plain.ancestors);
                CHECK(moved.families == plain.families);
                CHECK(moved.log_z - c == doctest::Approx(plain.log_z).epsilon(1e-9));
                CHECK(moved.reliable == plain.reliable);
                if (plain.reliable)
                    CHECK(moved.log_z_standard_error ==
                          doctest::Approx(plain.log_z_standard_error).epsilon(1e-9));
                CHECK(moved.warnings.size() == plain.warnings.size());
                for (std::size_t k = 0; k < plain.steps.size(); ++k) {
                    CHECK(moved.steps[k].ess == doctest::Approx(plain.steps[k].ess).epsilon(1e-9));
                    CHECK(moved.steps[k].floored == plain.steps[k].floored);
                }
            }
        }
}

TEST_CASE("a forbidden particle never outranks another, and is counted where only the floor holds it") {
    const diamond::eigen::context context{.threads = 1};
    for (const double level : {-3000.0, 0.0, 3000.0})
        for (const bool with_delta : {false, true}) {
            CAPTURE(level);
            smc_options options{
                .particles = 100, .steps = 4, .threshold = 1e-9, .least_conditional_ess = 0.0};
            options.log_delta = with_delta ? level - 5.0 : -infinity;
            const auto seen = run(walled_value{tilt_2d<double>(), 0.0, level}, context, options);
            for (std::size_t k = 0; k < 3; ++k) {
                double least_allowed = infinity, most_forbidden = -infinity;
                index_t forbidden = 0;
                for (const double v : seen.values[k]) {
                    CHECK(std::isfinite(v));
                    const bool low = v < level - 4.9; // |x_1| is not so large
                    forbidden += low;
                    (low ? most_forbidden : least_allowed) = low ? std::max(most_forbidden, v)
                                                                 : std::min(least_allowed, v);
                }
                CHECK(forbidden > 10);
                CHECK(most_forbidden < least_allowed);
                CHECK(seen.result.steps[k].floored == (with_delta ? 0 : forbidden));
            }
            CHECK(seen.result.steps[3].floored == 0); // the last value is the reward
            CHECK(says(seen.result.warnings, "values were at the floor") == !with_delta);
        }
}

TEST_CASE("a step in which all are forbidden leaves the weights as they were") {
    const diamond::eigen::context context{.threads = 1};
    const smc_options options{.particles = 50, .steps = 3, .initial_value = 0.75, .log_delta = -infinity};
    const auto seen = run(walled_value{tilt_2d<double>(), infinity, 0.0}, context, options);
    for (std::size_t k = 0; k < 2; ++k) {
        CHECK(seen.values[k] == std::vector<double>(50, 0.75));
        CHECK(seen.result.steps[k].ess == doctest::Approx(50.0));
        CHECK(seen.result.steps[k].floored == 50);
    }
    CHECK(std::isfinite(seen.result.log_z));
}

TEST_CASE("a floor of the user's own is where it was put") {
    const diamond::eigen::context context{.threads = 1};
    const smc_options options{.particles = 100,
                              .steps = 3,
                              .threshold = 1e-9,
                              .least_conditional_ess = 0.0,
                              .value_floor = -1.5,
                              .log_delta = -infinity};
    const auto seen = run(walled_value{tilt_2d<double>(), 0.0, 0.0}, context, options);
    for (std::size_t k = 0; k < 2; ++k) {
        CHECK(*std::min_element(seen.values[k].begin(), seen.values[k].end()) == -1.5);
        CHECK(seen.result.steps[k].floored == std::count(seen.values[k].begin(), seen.values[k].end(), -1.5));
    }
}

} // namespace align_smc_floor_test
