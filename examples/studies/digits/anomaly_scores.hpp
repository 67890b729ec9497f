/// This header defines scores of anomaly, which are higher for stranger images: -log p by a model, or the
/// distance to known images.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <diamond/oracle/gaussian.hpp>

#include "digits_flow_map.hpp"
#include "tasks.hpp"

namespace digits {

struct score {
    std::string name;
    std::function<std::vector<double>(const floats& images)> of;
};

/// Returns -log p(image | label) by the joint flow map.
inline std::vector<double> surprise(diamond::log_likelihood<digits_flow_map>& likelihood,
                                    const context& where, const floats& images, diamond::labels label = {}) {
    const auto x = diamond::from_host<real>(where, pixels, static_cast<index_t>(images.size()) / pixels,
                                            images);
    std::vector<double> values(static_cast<std::size_t>(x.columns()));
    likelihood(x.read(), label, diamond::row(where, x.columns(), values.data()));
    for (double& value : values) value = -value;
    return values;
}

namespace detail {

/// Returns the score -log p_1 of a model that knows it.
template <class Model>
score surprise_of(std::string name, const context& where, Model model) {
    return {std::move(name), [&where, model = std::move(model)](const floats& images) {
                const auto x = diamond::from_host<real>(where, pixels,
                                                        static_cast<index_t>(images.size()) / pixels, images);
                auto space = model.make_workspace(where, x.columns());
                std::vector<double> values(static_cast<std::size_t>(x.columns()));
                model.log_density(x.read(), diamond::time_view(1.0), diamond::no_condition{}, space,
                                  diamond::row(where, x.columns(), values.data()));
                for (double& value : values) value = -value;
                return values;
            }};
}

/// Returns the Gaussian with the mean and the covariance of the images, with noise N(0, h^2 I) added.
inline auto fitted_gaussian(const context& where, const images& train, double bandwidth) {
    const auto n = static_cast<double>(train.count());
    std::vector<double> mean(pixels, 0.0), covariance(pixels * pixels, 0.0);
    for (index_t j = 0; j < train.count(); ++j)
        for (index_t i = 0; i < pixels; ++i)
            mean[static_cast<std::size_t>(i)] += static_cast<double>(
                                                     train.data[static_cast<std::size_t>(pixels * j + i)]) /
                                                 n;
    for (index_t j = 0; j < train.count(); ++j)
        for (index_t k = 0; k < pixels; ++k)
            for (index_t i = 0; i < pixels; ++i)
                covariance[static_cast<std::size_t>(i + pixels * k)] +=
                    (static_cast<double>(train.data[static_cast<std::size_t>(pixels * j + i)]) -
                     mean[static_cast<std::size_t>(i)]) *
                    (static_cast<double>(train.data[static_cast<std::size_t>(pixels * j + k)]) -
                     mean[static_cast<std::size_t>(k)]) /
                    n;
    for (index_t i = 0; i < pixels; ++i)
        covariance[static_cast<std::size_t>(i + pixels * i)] += diamond::square(bandwidth);
    return diamond::gaussian<batch, diamond::linear_schedule>(where, {}, mean, covariance);
}

/// Returns the distance to the nearest training image.
inline std::vector<double> nearest(const images& train, const floats& images) {
    std::vector<double> result;
    for (std::size_t first = 0; first < images.size(); first += pixels) {
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t other = 0; other < train.data.size(); other += pixels) {
            double sum = 0.0;
            for (std::size_t i = 0; i < pixels; ++i)
                sum += diamond::square(static_cast<double>(images[first + i] - train.data[other + i]));
            least = std::min(least, sum);
        }
        result.push_back(std::sqrt(least));
    }
    return result;
}

} // namespace detail

/// Returns all scores, that of the joint map first. `where`, `train` and `likelihood` must outlive them.
inline std::vector<score> all_scores(const context& where, const images& train, double bandwidth,
                                     diamond::log_likelihood<digits_flow_map>& likelihood) {
    return {{"joint flow map", [&](const floats& images) { return surprise(likelihood, where, images); }},
            detail::surprise_of("Gaussian", where, detail::fitted_gaussian(where, train, bandwidth)),
            {"nearest training image", [&](const floats& images) { return detail::nearest(train, images); }},
            detail::surprise_of("exact model", where,
                                diamond::data_mixture(
                                    where, diamond::linear_schedule{},
                                    diamond::from_host<real>(where, pixels, train.count(), train.data).read(),
                                    bandwidth))};
}

} // namespace digits
