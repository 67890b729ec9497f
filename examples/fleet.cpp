// A fleet of robots, each with a goal of its own, in one call: their paths stand side by side in one batch,
// and each robot has the weights, the warnings and log Z of its own run.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
constexpr std::size_t waypoints = 8, numbers = 2 * waypoints;
constexpr double deviation = 0.2;

/// A path, waypoints (x, y) one after the other, should end at a goal, within the deviation. One that no path
/// can reach is -infinity for all.
struct goal {
    float x, y;
    bool reachable = true;
    template <class Column>
    DIAMOND_HD double operator()(const Column& path) const {
        if (!reachable) return -diamond::infinity;
        const double dx = path[numbers - 2] - x, dy = path[numbers - 1] - y;
        return -0.5 * (dx * dx + dy * dy) / (deviation * deviation);
    }
    diamond::quadratic_form quadratic_form() const { // for the exact log Z
        const double q = 1.0 / (deviation * deviation);
        diamond::quadratic_form form{.constant = -0.5 * q * (x * x + y * y)};
        form.linear.resize(numbers);
        form.curvature.resize(numbers);
        form.linear[numbers - 2] = q * x;
        form.linear[numbers - 1] = q * y;
        form.curvature[numbers - 2] = form.curvature[numbers - 1] = q;
        return form;
    }
};

int run() {
    // Paths are random walks from the origin, of variance 1 at the end, a little smoothed.
    std::vector<double> covariance(numbers * numbers);
    for (std::size_t i = 0; i < numbers; ++i)
        for (std::size_t k = i % 2; k < numbers; k += 2)
            covariance[i * numbers + k] = (static_cast<double>(std::min(i, k) / 2) + (i == k ? 1.1 : 1.0)) /
                                          static_cast<double>(waypoints);
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> model{
        context, {}, std::vector<double>(numbers), covariance};

    // [program]
    const std::vector<goal> goals{{1, 0}, {0.5, 1}, {-1, -1}, {9, 9, false}, {0, 0}, {-0.3f, 0.8f}};
    std::vector<diamond::philox> rngs; // one a robot
    for (std::size_t robot = 0; robot < goals.size(); ++robot)
        rngs.push_back(diamond::philox{.seed = 42}.split(robot));

    const diamond::exact_posterior draws{model};
    diamond::grouped_smc fleet{
        diamond::ddpm_posterior_kernel{draws},
        diamond::posterior_value{draws, diamond::grouped_reward{goals}, {.samples = 16}},
        {.particles = 512, .steps = 16}};
    const auto results = fleet(context, rngs); // one a robot
    // [/program]

    bool right = true;
    for (std::size_t robot = 0; robot < goals.size(); ++robot) {
        const auto& result = results[robot];
        const double exact = diamond::exact_value{model, goals[robot]}.log_z();
        std::printf("robot %zu: log Z %.2f, exactly %.2f\n", robot, result.log_z,
                    goals[robot].reachable ? exact : -diamond::infinity);
        for (const auto& warning : result.warnings) std::printf("    %s\n", warning.c_str());
        right = right && (goals[robot].reachable ? std::abs(result.log_z - exact) < 0.5 : !result.reliable);
    }
    return right ? 0 : 1;
}

int main() { return examples::run_main("fleet", run); }
