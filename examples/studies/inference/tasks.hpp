/// This header defines two problems of simulation-based inference: parameters theta with a uniform prior on a
/// box, a simulator of x given theta, and reference draws of the posterior given five observations.
///
/// Both are tasks of sbibm (J.-M. Lueckmann, J. Boelts, D. Greenberg, P. Goncalves, J. Macke: Benchmarking
/// simulation-based inference, AISTATS 2021), as data/README.md defines them; unlike there, their
/// likelihoods are at hand. Models see the coordinates z = Phi^-1((theta + b)/(2 b)) of the box [-b, b]^d, in
/// which the prior is N(0, I).
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/io/npy.hpp>
#include <diamond/random/normal.hpp>
#include <diamond/random/philox.hpp>

namespace inference {

using diamond::index_t, diamond::philox, diamond::purpose, diamond::square;

/// The uniform and normal numbers of column j of a stream, one after another; they depend on the stream and j
/// alone.
class number_source {
public:
    number_source(const diamond::noise_stream& stream, index_t column) : stream_(stream), column_(column) {}

    /// Returns the next uniform number in (0, 1).
    double uniform() { return stream_.uniform(column_, next_++); }
    /// Returns the next standard normal number.
    double normal() { return diamond::normal_block<double>(stream_.words(column_, next_++)).value[0]; }

private:
    diamond::noise_stream stream_;
    index_t column_, next_ = 0;
};

/// Task: a type T with T::name, the numbers of coordinates T::parameters of theta and T::numbers of x, and
/// the box [-T::bound, T::bound]^parameters of the uniform prior. T::simulate(theta, source, x) draws x given
/// theta, and T::log_likelihood(theta, x) is log p(x | theta), -infinity where x is impossible; theta may be
/// anywhere. Models: two_moons, slcp.
template <class T>
concept inference_task = requires(const double* in, double* out, number_source& source) {
    { T::name } -> std::convertible_to<std::string>;
    { T::parameters } -> std::convertible_to<index_t>;
    { T::numbers } -> std::convertible_to<index_t>;
    { T::bound } -> std::convertible_to<double>;
    T::simulate(in, source, out);
    { T::log_likelihood(in, in) } -> std::same_as<double>;
};

/// Two crescents: x is a point of a half circle of radius 0.1, blurred, that theta moves, and theta enters by
/// |theta_1 + theta_2|.
///
/// x = (r cos a + 0.25 - |theta_1 + theta_2|/sqrt 2, r sin a + (theta_2 - theta_1)/sqrt 2), with a uniform on
/// (-pi/2, pi/2) and r ~ N(0.1, 0.01^2).
struct two_moons {
    static constexpr const char* name = "two_moons";
    static constexpr index_t parameters = 2, numbers = 2;
    static constexpr double bound = 1.0;

    /// Draws x given theta.
    static void simulate(const double* theta, number_source& source, double* x) {
        const double angle = diamond::pi * (source.uniform() - 0.5), r = radius + spread * source.normal();
        const auto c = centre(theta);
        x[0] = c.first + r * std::cos(angle);
        x[1] = c.second + r * std::sin(angle);
    }
    /// Returns log p(x | theta) = log N(h; 0.1, 0.01^2) - log(pi h), with h the distance of x from the
    /// crescent's centre, and -infinity left of the centre. The radius is below 0 once in 10^23 simulations,
    /// and the density leaves that out. It has a pole at the centre, of the same mass, where -infinity stands
    /// for it, so that no draw gets an infinite weight.
    static double log_likelihood(const double* theta, const double* x) {
        const auto c = centre(theta);
        const double u = x[0] - c.first, v = x[1] - c.second, h = std::hypot(u, v);
        if (u < 0.0 || h == 0.0) return -diamond::infinity;
        return -0.5 * square((h - radius) / spread) - std::log(spread * std::sqrt(2.0 * diamond::pi)) -
               std::log(diamond::pi * h);
    }

private:
    static constexpr double radius = 0.1, spread = 0.01, offset = 0.25;
    struct point {
        double first, second;
    };
    static point centre(const double* theta) {
        constexpr double root_half = 0.70710678118654752440;
        return {offset - std::abs(theta[0] + theta[1]) * root_half, (theta[1] - theta[0]) * root_half};
    }
};

/// A simple likelihood with a complex posterior: x is four independent draws of a Gaussian in the plane, one
/// after another, whose mean and covariance theta gives.
///
/// The mean is (theta_1, theta_2), and the covariance [[s_1^2 + e, rho s_1 s_2], [rho s_1 s_2, s_2^2 + e]]
/// with s_1 = theta_3^2, s_2 = theta_4^2, rho = tanh theta_5 and e = 10^-6. Each mode of the
/// posterior comes four times, since the signs of theta_3 and theta_4 are not seen.
struct slcp {
    static constexpr const char* name = "slcp";
    static constexpr index_t parameters = 5, numbers = 8;
    static constexpr double bound = 3.0;

    /// Draws x given theta.
    static void simulate(const double* theta, number_source& source, double* x) {
        const factors of(theta);
        for (index_t k = 0; k < numbers; k += 2) {
            const double first = std::sqrt(of.variance) * source.normal();
            x[k] = theta[0] + first;
            x[k + 1] = theta[1] + of.slope * first + std::sqrt(of.rest) * source.normal();
        }
    }
    /// Returns log p(x | theta).
    static double log_likelihood(const double* theta, const double* x) {
        const factors of(theta);
        double sum = -0.5 * static_cast<double>(numbers) * std::log(2.0 * diamond::pi) -
                     0.25 * static_cast<double>(numbers) * (std::log(of.variance) + std::log(of.rest));
        for (index_t k = 0; k < numbers; k += 2) {
            const double first = x[k] - theta[0], second = x[k + 1] - theta[1] - of.slope * first;
            sum -= 0.5 * (square(first) / of.variance + square(second) / of.rest);
        }
        return sum;
    }

private:
    static constexpr double least_variance = 1e-6;
    /// The variance of a draw's first number, the slope of the second on the first, and the variance that is
    /// left. The determinant's 1 - rho^2 is 1/cosh^2 theta_5, without cancellation.
    struct factors {
        double variance, slope, rest;
        explicit factors(const double* theta) {
            const double s_1 = square(theta[2]), s_2 = square(theta[3]);
            variance = square(s_1) + least_variance;
            slope = std::tanh(theta[4]) * s_1 * s_2 / variance;
            rest = (square(s_1 * s_2 / std::cosh(theta[4])) + least_variance * square(s_2)) / variance +
                   least_variance;
        }
    };
};

/// Returns Phi(z), the normal distribution function, to a few units in the last place where z <= 0.
inline double normal_probability(double z) {
    constexpr double root_half = 0.70710678118654752440;
    return 0.5 * std::erfc(-z * root_half);
}
/// Returns the z with Phi(z) = p, for p in [0, 1/2]; -infinity for p = 0. From formula 26.2.23 of M.
/// Abramowitz and I. Stegun (Handbook of mathematical functions, 1964), off by 5e-4, two of Halley's steps,
/// which cube the error, reach the rounding of Phi: z is off by 4e-16 max(1, |z|) at most, for p down to
/// 1e-300.
inline double lower_normal_quantile(double p) {
    if (p == 0.0) return -diamond::infinity;
    const double t = std::sqrt(-2.0 * std::log(p));
    double z = (2.515517 + t * (0.802853 + t * 0.010328)) /
                   (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))) -
               t;
    for (int k = 0; k < 2; ++k) {
        const double off = (normal_probability(z) - p) * std::sqrt(2.0 * diamond::pi) * std::exp(0.5 * z * z);
        z -= off / (1.0 + 0.5 * z * off);
    }
    return z;
}

/// Returns the parameter of a coordinate z: bound (2 Phi(z) - 1).
template <inference_task Task>
double theta_of(double z) {
    return Task::bound * std::erf(z * 0.70710678118654752440);
}
/// Returns the coordinate z of a parameter, by the tail that it lies in; -infinity and infinity at the ends
/// of the box. The spacing of doubles near the ends lets z differ by 1e-16/phi(z) from the z of which theta
/// was made: by 1e-12 at |z| = 4, and by 1e-8 at |z| = 6.
/// @throws std::invalid_argument outside the box, and for NaN.
template <inference_task Task>
double z_of(double theta) {
    diamond::require(std::abs(theta) <= Task::bound, [&] {
        return std::string(Task::name) + ": the parameter " + diamond::digits_of(theta) +
               " is outside the box of the prior, of " + diamond::digits_of(-Task::bound) + " to " +
               diamond::digits_of(Task::bound);
    });
    return std::copysign(lower_normal_quantile((Task::bound - std::abs(theta)) / (2.0 * Task::bound)), theta);
}
/// Returns the parameters of draws z, number by number.
template <inference_task Task>
std::vector<float> theta_of(const std::vector<float>& z) {
    std::vector<float> result(z.size());
    std::transform(z.begin(), z.end(), result.begin(), [](float number) {
        return static_cast<float>(theta_of<Task>(static_cast<double>(number)));
    });
    return result;
}
/// Returns the coordinates z of parameters, number by number.
/// @throws std::invalid_argument for one outside the box.
template <inference_task Task>
std::vector<float> z_of(const std::vector<float>& theta) {
    std::vector<float> result(theta.size());
    std::transform(theta.begin(), theta.end(), result.begin(),
                   [](float number) { return static_cast<float>(z_of<Task>(static_cast<double>(number))); });
    return result;
}

/// Draws of the prior, and of x given each.
struct simulations {
    std::vector<float> z; ///< parameters x n, a simulation a column
    std::vector<float> x; ///< numbers x n
};

/// Simulates n times, from the prior on. x belongs to the rounded z that is returned with it, and simulation
/// j depends on the seed and j alone.
/// @throws std::invalid_argument if n is negative.
template <inference_task Task>
simulations simulate_many(philox rng, index_t n) {
    diamond::require_countable(n,
                               sizeof(double) * static_cast<std::size_t>(Task::parameters + Task::numbers));
    simulations result;
    result.z.reserve(static_cast<std::size_t>(Task::parameters * n));
    result.x.reserve(static_cast<std::size_t>(Task::numbers * n));
    for (index_t j = 0; j < n; ++j) {
        number_source of_prior(rng.stream(purpose::data, 0), j), of_data(rng.stream(purpose::data, 1), j);
        double theta[Task::parameters], x[Task::numbers];
        for (double& number : theta) {
            result.z.push_back(static_cast<float>(of_prior.normal()));
            number = theta_of<Task>(static_cast<double>(result.z.back()));
        }
        Task::simulate(theta, of_data, x);
        for (const double number : x) result.x.push_back(static_cast<float>(number));
    }
    return result;
}

/// One observation, the parameters that it was simulated from, and draws of the posterior given it.
struct reference {
    std::vector<double> x;     ///< as many as Task::numbers
    std::vector<double> theta; ///< as many as Task::parameters
    std::vector<float> draws;  ///< theta, parameters x n, a draw a column

    /// Returns log p(x | theta) of a draw.
    template <inference_task Task>
    [[nodiscard]] double log_likelihood(index_t draw) const {
        double at[Task::parameters];
        for (index_t i = 0; i < Task::parameters; ++i)
            at[i] = static_cast<double>(draws[static_cast<std::size_t>(i + Task::parameters * draw)]);
        return Task::log_likelihood(at, x.data());
    }
};

/// Reads the observations of a task and their reference posteriors: NAME_observations.npy, (count, numbers),
/// NAME_parameters.npy, (count, parameters), and NAME_reference.npy, (count, n, parameters).
/// @throws diamond::io::file_error if a file does not exist, is damaged or has another shape, and if a number
/// is not finite or a parameter outside the box of the prior.
template <inference_task Task>
std::vector<reference> reference_of(Task, const std::filesystem::path& folder) {
    using diamond::io::any_extent;
    constexpr auto parameters = static_cast<std::size_t>(Task::parameters),
                   numbers = static_cast<std::size_t>(Task::numbers);
    const auto file = [&](const char* what) { return folder / (std::string(Task::name) + what + ".npy"); };
    const auto require_within = [](const std::filesystem::path& path, const auto& data, double most) {
        for (std::size_t i = 0; i < data.size(); ++i)
            if (!(std::abs(static_cast<double>(data[i])) <= most))
                throw diamond::io::file_error{path, "element " + diamond::digits_of(i) + " is " +
                                                        diamond::digits_of(data[i]) + ", not within " +
                                                        diamond::digits_of(-most) + " to " +
                                                        diamond::digits_of(most)};
    };
    const auto x = diamond::io::read_npy<double>(file("_observations"), {.shape = {any_extent, numbers}});
    const std::size_t count = x.shape[0];
    const auto theta = diamond::io::read_npy<double>(file("_parameters"), {.shape = {count, parameters}});
    const auto draws = diamond::io::read_npy<float>(file("_reference"),
                                                    {.shape = {count, any_extent, parameters}});
    require_within(file("_observations"), x.data, std::numeric_limits<double>::max());
    require_within(file("_parameters"), theta.data, Task::bound);
    require_within(file("_reference"), draws.data, Task::bound);

    const auto part = [&](const auto& all, std::size_t k) {
        using vector = std::remove_cvref_t<decltype(all)>;
        const auto size = static_cast<std::ptrdiff_t>(all.size() / count),
                   first = size * static_cast<std::ptrdiff_t>(k);
        return vector(all.begin() + first, all.begin() + first + size);
    };
    std::vector<reference> result;
    for (std::size_t k = 0; k < count; ++k)
        result.push_back({part(x.data, k), part(theta.data, k), part(draws.data, k)});
    return result;
}

} // namespace inference
