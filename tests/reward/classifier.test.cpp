#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/reward/classifier_reward.hpp>

#include "checks.hpp"

namespace reward_classifier_test {

using namespace checks;

namespace {
/// log softmax(W x + b)_label on the host.
template <class Batch>
double log_probability(const vector_of<Batch>& w, const vector_of<Batch>& b, const std::vector<double>& x,
                       std::size_t label) {
    std::vector<double> logits(b.begin(), b.end());
    for (std::size_t i = 0; i < x.size(); ++i)
        for (std::size_t k = 0; k < b.size(); ++k)
            logits[k] += static_cast<double>(w[k + b.size() * i]) * x[i];
    const double high = *std::max_element(logits.begin(), logits.end());
    double sum = 0.0;
    for (const double logit : logits) sum += std::exp(logit - high);
    return logits[label] - high - std::log(sum);
}
} // namespace

TEST_CASE_TEMPLATE("a classifier reward is the log-probability of its class", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    for (const std::size_t classes : {1u, 2u, 5u}) {
        const auto w = parameters<Batch>(context, static_cast<index_t>(classes * 6), 3),
                   b = parameters<Batch>(context, static_cast<index_t>(classes), 4);
        const auto z = points<Batch>(context, 6, 300);
        auto total = std::vector<double>(300, 0.0);
        for (std::size_t label = 0; label < classes; ++label) {
            auto reward = diamond::classifier_reward{diamond::affine_measurement{context, w, b},
                                                     static_cast<index_t>(label)};
            const auto r = values(reward, z);
            CHECK(difference(r, expected(z, [&](const std::vector<double>& x) {
                                 return log_probability<Batch>(w, b, x, label);
                             })) < tolerance<Batch>);
            CHECK(gradient_error(reward, z) < gradient_tolerance<Batch>);
            for (std::size_t j = 0; j < total.size(); ++j) total[j] += std::exp(r[j]);
        }
        CHECK(difference(total, std::vector<double>(300, 1.0)) < tolerance<Batch>); // a distribution
    }
}

TEST_CASE_TEMPLATE("log-probabilities far from every class are finite, their gradients too", back_end,
                   BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto w = parameters<Batch>(context, 3 * 4, 3), b = parameters<Batch>(context, 3, 4);
    const auto z = points<Batch>(context, 4, 100, 1e6);
    for (index_t label = 0; label < 3; ++label) {
        auto reward = diamond::classifier_reward{diamond::affine_measurement{context, w, b}, label};
        for (const double r : values(reward, z)) {
            CHECK(std::isfinite(r));
            CHECK(r <= 0.0);
        }
        for (const double slope : gradients(reward, z)) CHECK(std::isfinite(slope));
    }
}

TEST_CASE_TEMPLATE("a classifier reward refuses what it cannot mean", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto make = [&](index_t label) {
        return diamond::classifier_reward{
            diamond::affine_measurement{context, vector_of<Batch>{1, 2, 3, 4}, vector_of<Batch>{0, 0}},
            label};
    };
    CHECK_THROWS_WITH_AS(make(2), doctest::Contains("class 2 of 2"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(make(-1), doctest::Contains("class -1 of 2"), std::invalid_argument);
    auto reward = make(1);
    Batch out(context, 2, 4);
    CHECK_THROWS_WITH_AS(values(reward, points<Batch>(context, 3, 5)),
                         doctest::Contains("2 rows, the batch has 3"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(reward.gradient(points<Batch>(context, 2, 5), out),
                         doctest::Contains("2 x 5 against 2 x 4"), std::invalid_argument);
}

} // namespace reward_classifier_test
