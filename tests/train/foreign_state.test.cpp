// A training state belongs to its training: others refuse it, with both in the sentence, and so do a step
// past the end and numbers that are none. A step that threw and is tried again counts once.
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/io/training_checkpoint.hpp>

#include "support/back_ends.hpp"

namespace train_foreign_state_test {

using diamond::diamond_mlp, diamond::diamond_trainer, diamond::diamond_training_options,
    diamond::gaussian_frame, diamond::index_t, diamond::linear_schedule, diamond::philox,
    diamond::training_set;

namespace {

using batch = diamond::eigen::batch<double>;
using network = diamond_mlp<batch, linear_schedule>;
using options = diamond_training_options;

const diamond::eigen::context& where() {
    static const diamond::eigen::context context{.threads = 2};
    return context;
}
training_set<batch> three_points(double bandwidth = 0.3) {
    return {diamond::from_host<double>(where(), 2, 3, {0, 1, 2, -1, -2, 0.5}), bandwidth};
}
network small(index_t width, index_t blocks = 1) {
    return {{},
            gaussian_frame<batch>(where(), {{0.0, 0.0}, {2.0, 1.0}, {}}),
            {.mlp = {.width = width, .blocks = blocks}}};
}
constexpr options brief{.steps = 8, .batch = 24, .diagonal_first = 0.0};

std::string told(const auto& call) {
    try {
        call();
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}
bool names(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The exact velocity, which throws or gives NaN at the calls that it is told to.
struct unsteady_teacher {
    using exact = diamond::gaussian<batch, linear_schedule>;
    diamond::glass_teacher<linear_schedule, exact> of;
    int* calls;
    int bad;
    bool throws;
    template <class Arguments, class Condition, class View>
    void operator()(const Arguments& at, const Condition& condition, View out) {
        of(at, condition, out);
        if (++*calls != bad) return;
        if (throws) throw std::runtime_error("the teacher is away");
        out.data()[0] = NAN;
    }
};

} // namespace

TEST_CASE(
    "a step past the end is refused, and so are states of another size, shape, seed, data, options or loss") {
    const auto data = three_points(), wider = three_points(0.4);
    diamond_trainer trainer(small(8), data, philox{1}, brief);
    auto state = trainer.start();
    trainer.run(state);
    CHECK_THROWS_WITH_AS(trainer.step(state), doctest::Contains("training of 8 steps has taken its last"),
                         std::invalid_argument);
    CHECK(state.step == 8);
    CHECK_NOTHROW(trainer.run(state)); // nothing is left to do
    CHECK_NOTHROW(static_cast<void>(trainer.report(state)));

    // Whatever is asked of the trainer with a state of another.
    const auto refused = [&](const char* first, const char* second, auto& other) {
        CAPTURE(first);
        CAPTURE(second);
        for (const auto& message : {told([&] { other.step(state); }), told([&] { other.run(state); }),
                                    told([&] { static_cast<void>(other.averaged(state)); }),
                                    told([&] { static_cast<void>(other.report(state)); })}) {
            CAPTURE(message);
            CHECK(names(message, first));
            CHECK(names(message, second));
        }
    };
    state = trainer.start();
    trainer.step(state);
    const auto before = diamond::to_host(state.theta);
    diamond_trainer larger(small(64), data, philox{1}, brief), deeper(small(8, 0), data, philox{1}, brief);
    refused("a state of ", "for a training of ", larger);
    refused(diamond::digits_of(trainer.parameters()).c_str(), diamond::digits_of(larger.parameters()).c_str(),
            larger);
    refused(diamond::digits_of(trainer.parameters()).c_str(), diamond::digits_of(deeper.parameters()).c_str(),
            deeper);
    diamond_trainer seeded(small(8), data, philox{2}, brief), banded(small(8), wider, philox{1}, brief);
    refused("seed 1", "seed 2", seeded);
    refused("bandwidth 0.3", "bandwidth 0.4", banded);
    auto changed = brief;
    changed.rate.peak = 2e-3;
    diamond_trainer faster(small(8), data, philox{1}, changed);
    refused("rate 0.005", "rate 0.002", faster);
    changed = brief;
    changed.steps = 9;
    diamond_trainer longer(small(8), data, philox{1}, changed);
    refused("to a network of", "9 steps of 24", longer);
    diamond_trainer eulerian(small(8), data, philox{1}, brief, diamond::eulerian_loss{});
    refused("lagrangian_loss", "eulerian_loss of the student", eulerian);
    int calls = 0;
    diamond_trainer taught(
        small(8), data, philox{1}, brief,
        unsteady_teacher{
            {linear_schedule{}, {where(), {}, {0.0, 0.0}, {2.0, 0.0, 0.0, 1.0}}}, &calls, 0, false});
    refused("no teacher", "a teacher", taught);
    CHECK(diamond::to_host(state.theta) == before);
    CHECK(state.step == 1);

    // A trainer of the same is the same training; and a state that is told to belong nowhere goes on with any
    // of its size.
    diamond_trainer again(small(8), data, philox{1}, brief);
    CHECK_NOTHROW(again.step(state));
    state.belongs_to.clear();
    CHECK_NOTHROW(seeded.step(state));
    state.step = 100;
    CHECK(names(told([&] { seeded.step(state); }), "a state of step 100 for a training of 8 steps"));
    state.step = -1;
    CHECK(names(told([&] { seeded.step(state); }), "a state of step -1"));
    auto cut = trainer.start();
    cut.loss_sums = diamond::rebind_t<batch, double>(where(), 3, 1);
    CHECK(names(told([&] { trainer.step(cut); }), "3 sums of losses, not 600"));
    cut = trainer.start();
    cut.average = batch(where(), 5, 1);
    CHECK(names(told([&] { trainer.step(cut); }), "5 averages"));
}

TEST_CASE("a state from a file knows its training, too") {
    const auto data = three_points();
    diamond_trainer trainer(small(8), data, philox{1}, brief), seeded(small(8), data, philox{2}, brief);
    auto state = trainer.start();
    trainer.step(state);
    const auto path = std::filesystem::temp_directory_path() / "diamond_foreign_state.training";
    diamond::io::save_training(path, state, "a test");
    auto loaded = diamond::io::load_training<batch>(where(), path, "a test", trainer.parameters());
    std::filesystem::remove(path);
    CHECK(names(told([&] { seeded.step(loaded); }), "seed 2"));
    CHECK_NOTHROW(trainer.step(loaded));
    trainer.step(state);
    CHECK(diamond::to_host(loaded.theta) == diamond::to_host(state.theta));
}

TEST_CASE(
    "a state names its training in words that files keep, and the order of the policies is none of them") {
    const auto data = three_points();
    diamond_trainer trainer{
        small(8), data, philox{1}, brief, diamond::mean_flow_loss{}, diamond::square_pair{}};
    diamond_trainer another{small(8),
                            data,
                            philox{1},
                            brief,
                            diamond::square_pair{},
                            diamond::mean_flow_loss{},
                            diamond::uniform_time{}};
    auto state = trainer.start();
    const std::string
        expected = ", 3 points in dimension 2 with bandwidth 0.3, seed 1, no teacher, 8 steps of 24 columns, "
                   "diagonal 0.5, diagonal_first 0, times uniform_time of 0.1, pairs square_pair of 0.2, "
                   "label_dropout 0.15, variance_floor 0.001, loss mean_flow_loss, off_diagonal 1, "
                   "divergence 1, trace default_trace, hutchinson_trace of 1, weighting adaptive_weight of "
                   "0.5, 0.001, 0, rate 0.005, 200, 1, optimiser 0.9, 0.99, 1e-08, 0, 1, average 0.999";
    CHECK(state.belongs_to.starts_with("a network of " + diamond::digits_of(trainer.parameters()) +
                                       " parameters in layers 8 x "));
    CHECK(state.belongs_to.ends_with(expected));
    auto same = another.start();
    CHECK(same.belongs_to == state.belongs_to);
    trainer.run(state);
    another.run(same);
    CHECK(diamond::to_host(same.theta) == diamond::to_host(state.theta));
}

TEST_CASE("a step that threw and is tried again counts once") {
    const auto data = three_points();
    const auto run = [&](int bad, bool throws) {
        int calls = 0;
        diamond_trainer trainer(
            small(8), data, philox{1}, brief,
            unsteady_teacher{
                {linear_schedule{}, {where(), {}, {0.0, 0.0}, {2.0, 0.0, 0.0, 1.0}}}, &calls, bad, throws});
        auto state = trainer.start();
        int thrown = 0;
        while (state.step < 8) {
            try {
                trainer.step(state);
            } catch (const std::runtime_error&) {
                ++thrown;
            }
        }
        CHECK(thrown == (bad > 0 ? 1 : 0));
        const auto report = trainer.report(state);
        auto numbers = diamond::to_host(state.theta);
        for (const auto& more : {diamond::to_host(state.average),
                                 diamond::to_host(state.loss_sums),
                                 {report.diagonal_loss, report.off_diagonal_loss, report.gradient_norm}})
            numbers.insert(numbers.end(), more.begin(), more.end());
        return numbers;
    };
    const auto undisturbed = run(0, false);
    for (const int bad : {1, 2, 7, 8}) { // of the diagonal, and off it
        CAPTURE(bad);
        CHECK(run(bad, true) == undisturbed);
        CHECK(run(bad, false) == undisturbed); // a NaN makes a gradient that is none
    }
}

TEST_CASE("a number that is none is named at the step, and by averaged()") {
    const auto data = three_points();
    diamond_trainer trainer(small(8), data, philox{1}, brief);
    for (const int which : {0, 1, 2, 3})
        for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
            auto state = trainer.start();
            trainer.step(state);
            batch* const parts[] = {&state.theta, &state.average, &state.mean, &state.variance};
            parts[which]->data()[5] = bad;
            CHECK_THROWS_WITH_AS(trainer.step(state), doctest::Contains("parameter 5 of a training state"),
                                 diamond::numeric_error);
            CHECK_THROWS_WITH_AS(static_cast<void>(trainer.averaged(state)),
                                 doctest::Contains("parameter 5 of a training state"),
                                 diamond::numeric_error);
            CHECK(state.step == 1);
        }
    CHECK_THROWS_WITH_AS(three_points(NAN), doctest::Contains("bandwidth"), std::invalid_argument);
}

TEST_CASE("a training set that was moved away is noticed") {
    auto data = three_points();
    diamond_trainer trainer(small(8), data, philox{1}, brief);
    auto state = trainer.start();
    const auto away = std::move(data);
    CHECK(names(told([&] { trainer.step(state); }), "has been moved away"));
}

TEST_CASE(
    "the identity of a training names a probe that is not the default one, which old states leave out") {
    CHECK(diamond::hutchinson_trace<>{.probes = 2}.text() == "hutchinson_trace of 2");
    CHECK(diamond::hutchinson_trace<diamond::normal_probe>{.probes = 2}.text() ==
          "hutchinson_trace of 2 by normal_probe");
}

} // namespace train_foreign_state_test
