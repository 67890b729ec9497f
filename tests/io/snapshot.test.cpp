// A run of SMC through a file: from any step it goes on bit for bit, under conditions and with weighted
// kernels; what is something else or spoilt is refused.
#include <diamond/density/exact_density.hpp>
#include <diamond/io/snapshot.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/glass_diamond_map.hpp>

#include "align/cases.hpp"
#include "align/results.hpp"
#include "scratch.hpp"
#include "support/back_ends.hpp"
#include "support/labelled.hpp"

namespace io_snapshot_test {

namespace io = diamond::io;
using cases::check_same;
using diamond::index_t, diamond::labels, diamond::philox, diamond::smc, diamond::smc_options;
using diamond_test::reason, diamond_test::scratch;
using doctest::Contains;

namespace {

constexpr const char* whose = "a test's";

/// The run's result, and those of runs that were saved after each step and went on in another sampler.
template <class Real, class Make, class Context, class Condition>
void check_resumes(const Make& make, const Context& context, const Condition& condition) {
    const scratch folder;
    const auto path = folder / "run.safetensors";
    auto first = make();
    const auto expected = first(context, philox{5}, condition);
    CHECK(std::count_if(expected.steps.begin(), expected.steps.end(),
                        [](const auto& line) { return line.resampled; }) >= 2);
    auto state = first.start(context, philox{5}, condition);
    for (;; first.step(state)) {
        CAPTURE(state.step());
        io::save_snapshot(path, state.snapshot(), whose);
        auto other = make(); // another process
        check_same(other(context, philox{5}, io::load_snapshot<Real>(path, whose), condition), expected);
        if (state.done()) break;
    }
}

using batch = diamond::eigen::batch<double>;
auto sampler_on(const diamond::eigen::context& context, const smc_options& options) {
    const diamond::exact_posterior draws{cases::mixture<batch>(context)};
    return smc{diamond::ddpm_posterior_kernel{draws},
               diamond::posterior_value{draws, cases::bowl_2d<double>(2.0), {.samples = 2}}, options};
}

} // namespace

TEST_CASE_TEMPLATE("a run with a weighted kernel goes on from a file, bit for bit", back, TWO_BACK_ENDS) {
    using own_batch = typename back::batch;
    const auto context = back::make();
    const diamond::gaussian<own_batch, diamond::linear_schedule> wrong{
        context, {}, {0.2, -0.8, 0.9}, {2.05, 0.75, -0.3, 0.75, 1.0, 0.15, -0.3, 0.15, 0.475}};
    const auto make = [&] {
        return smc{diamond::corrected_kernel{diamond::early_stop_kernel{diamond::gaussian_diamond_map{wrong}},
                                             diamond::exact_density{diamond::linear_schedule{},
                                                                    cases::gaussian<own_batch>(context)}},
                   diamond::posterior_value{diamond::exact_posterior{wrong},
                                            cases::bowl_3d<typename back::real>(),
                                            {.samples = 2}},
                   smc_options{.particles = 60, .steps = 5, .threshold = 0.9, .record_ancestors = true}};
    };
    check_resumes<typename back::real>(make, context, diamond::no_condition{});
}

TEST_CASE_TEMPLATE("so does a run under labels", back, TWO_BACK_ENDS) {
    using own_batch = typename back::batch;
    const auto context = back::make();
    const labelled::field<own_batch, diamond::linear_schedule> field{diamond::linear_schedule{}};
    const diamond::glass_diamond_map map{diamond::linear_schedule{}, field,
                                         diamond::explicit_midpoint{.steps = 2}};
    const auto make = [&] {
        return smc{
            diamond::early_stop_kernel{map},
            diamond::posterior_value{diamond::diamond_map_posterior{map}, labelled::reward{}, {.samples = 2}},
            smc_options{.particles = 50, .steps = 4, .threshold = 2.0, .pilot_particles = 20},
            diamond::multinomial{}};
    };
    std::vector<std::int32_t> own(50);
    for (std::size_t j = 0; j < 50; ++j) own[j] = static_cast<std::int32_t>(j * 7 % 3);
    const auto given = diamond::from_host(context, 1, 50, own);
    check_resumes<typename back::real>(make, context, labels(given.data()));
}

TEST_CASE_TEMPLATE("so does a run that moves its particles", back, TWO_BACK_ENDS) {
    using own_batch = typename back::batch;
    const auto context = back::make();
    const diamond::exact_posterior draws{cases::mixture<own_batch>(context)};
    const auto make = [&] {
        return smc{diamond::ddpm_posterior_kernel{draws},
                   diamond::posterior_value{draws, cases::bowl_2d<typename back::real>(2.0), {.samples = 2}},
                   smc_options{.particles = 60, .steps = 5, .threshold = 0.9, .record_ancestors = true},
                   diamond::systematic{}, diamond::crank_nicolson{.moves = 2, .beta = 0.5}};
    };
    check_resumes<typename back::real>(make, context, diamond::no_condition{});
}

TEST_CASE("a file comes back number for number, and the same snapshot gives the same bytes") {
    const diamond::eigen::context context{.threads = 1};
    const scratch folder;
    auto sampler = sampler_on(context,
                              {.particles = 30, .steps = 4, .threshold = 0.9, .record_ancestors = true});
    auto state = sampler.start(context, philox{UINT64_MAX});
    for (int k = 0; k < 3; ++k) sampler.step(state);
    const auto saved = state.snapshot();
    io::save_snapshot(folder / "a", saved, whose);
    const auto read = io::load_snapshot<double>(folder / "a", whose);
    CHECK(read.step == 3);
    CHECK(numbers::same_bits(read.particles, saved.particles));
    CHECK(numbers::same_bits(read.values, saved.values));
    CHECK(numbers::same_bits(read.log_weights, saved.log_weights));
    CHECK(read.families == saved.families);
    CHECK(numbers::same_bits<double>({read.log_z, read.log_delta}, {saved.log_z, saved.log_delta}));
    CHECK(read.resamplings == saved.resamplings);
    CHECK(read.steps == saved.steps);
    CHECK(read.ancestors == saved.ancestors);
    CHECK(read.spent == saved.spent);
    CHECK(read.seed == UINT64_MAX);
    CHECK(read.setting == saved.setting);
    io::save_snapshot(folder / "b", read, whose);
    CHECK(diamond_test::contents(folder / "a") == diamond_test::contents(folder / "b"));
}

TEST_CASE("what is something else, spoilt, or another run's is refused") {
    const diamond::eigen::context context{.threads = 1};
    const scratch folder;
    const auto path = folder / "run";
    auto sampler = sampler_on(context,
                              {.particles = 30, .steps = 4, .threshold = 0.9, .record_ancestors = true});
    auto state = sampler.start(context, philox{5});
    sampler.step(state);
    sampler.step(state);
    io::save_snapshot(path, state.snapshot(), whose);
    const auto load = [&] { static_cast<void>(io::load_snapshot<double>(path, whose)); };
    CHECK(reason(load) == "nothing thrown");
    CHECK(reason([&] { static_cast<void>(io::load_snapshot<double>(path, "another's")); }) ==
          Contains("setting 'a test's', and 'another's' is expected"));
    CHECK(reason([&] { static_cast<void>(io::load_snapshot<float>(path, whose)); }) == Contains("F64"));
    CHECK(reason([&] { static_cast<void>(io::load_snapshot<double>(folder / "none", whose)); }) ==
          Contains("no such file"));

    const auto good = io::read_safetensors(path);
    const auto refusal = [&](const auto& spoil) { // by somebody who makes the checksum anew
        auto file = good;
        spoil(file);
        io::put_checksum(file);
        io::write_safetensors(path, file);
        return reason(load);
    };
    CHECK(refusal([](auto&) {}) == "nothing thrown");
    const auto bytes = diamond_test::contents(path);
    const auto damaged = [&](std::size_t at, char what) { // by a disk
        auto copy = bytes;
        copy.at(at) = what;
        diamond_test::overwrite(path, copy);
        return reason(load);
    };
    CHECK(damaged(bytes.size() - 3, static_cast<char>(bytes.at(bytes.size() - 3) ^ 1)) ==
          Contains("checksum"));
    const std::string threshold = "\"run.threshold\":\"0.";
    CHECK(damaged(bytes.find(threshold) + threshold.size(), '8') == Contains("checksum"));
    CHECK(refusal([](auto& f) { f.metadata["format"] = "diamond_training"; }) ==
          Contains("format 'diamond_training', and 'diamond_smc_snapshot' is expected"));
    CHECK(refusal([](auto& f) { f.metadata["version"] = "2.0"; }) == Contains("a newer diamond is needed"));
    CHECK(refusal([](auto& f) { f.metadata.erase("seed"); }) == Contains("do not say 'seed'"));
    CHECK(refusal([](auto& f) { f.metadata["seed"] = "18446744073709551616"; }) ==
          Contains("seed '18446744073709551616'"));
    CHECK(refusal([](auto& f) { f.metadata["step"] = "3"; }) == Contains("'trace'"));
    CHECK(refusal([](auto& f) { f.metadata["step"] = "-1"; }) == Contains("step '-1'"));
    CHECK(refusal([](auto& f) { f.metadata["recorded"] = "3"; }) ==
          Contains("recorded '3': a number from 0 to 2"));
    CHECK(refusal([](auto& f) { f.tensors.erase("families"); }) == Contains("no tensor 'families'"));
    CHECK(refusal([](auto& f) {
              f.tensors["families"] = io::make_tensor({29}, std::vector<std::int32_t>(29));
          }) == Contains("'families'"));
    CHECK(refusal([](auto& f) {
              f.tensors["log_densities"] = io::make_tensor({29}, std::vector<double>(29));
          }) == Contains("29 log-densities of 30 particles"));
    CHECK(refusal([](auto& f) { f.tensors["more"] = io::make_tensor({1}, std::vector<double>(1)); }) ==
          Contains("tensors, of which a snapshot of this kind has"));
    CHECK(refusal([](auto& f) {
              f.tensors["trace_counts"] = io::make_tensor({2, 2}, std::vector<std::int64_t>{0, 0, 2, 0});
          }) == Contains("says 2"));

    // Numbers that no run has, and other runs, the sampler refuses; and the file itself does not, where its
    // checksum was made of them.
    auto file = good;
    auto values = state.snapshot().values;
    values[3] = std::numeric_limits<double>::quiet_NaN();
    file.tensors["values"] = io::make_tensor({30}, values);
    io::put_checksum(file);
    io::write_safetensors(path, file);
    CHECK_THROWS_WITH_AS(sampler(context, philox{5}, io::load_snapshot<double>(path, whose)),
                         Contains("values[3] is nan"), std::invalid_argument);
    io::write_safetensors(path, good);
    auto other = sampler_on(context, {.particles = 30, .steps = 4, .threshold = 0.8});
    CHECK_THROWS_WITH_AS(other(context, philox{5}, io::load_snapshot<double>(path, whose)),
                         Contains("its threshold is 0.9, this sampler's 0.8"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(sampler(context, philox{6}, io::load_snapshot<double>(path, whose)),
                         Contains("seed 5, this one is of seed 6"), std::invalid_argument);
}

} // namespace io_snapshot_test
