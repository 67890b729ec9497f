/// This header writes what a run of `anomaly` finds into its folder: anomaly.md, anomaly.json and
/// anomaly.png.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <diamond/io/json.hpp>
#include <diamond/plot/image_grid.hpp>
#include <diamond/plot/png.hpp>

#include "data_set.hpp"
#include "roc.hpp"
#include "text.hpp"

namespace digits {

/// This type holds images of one kind, and their scores by each of anomaly_findings::scores.
struct scored_images {
    std::string name;
    floats images;
    std::vector<std::vector<double>> scores = {};
    std::vector<roc> curves = {}; ///< each against the held-out images
};

struct anomaly_findings {
    index_t evaluations; ///< spent on one log p
    std::uint64_t seed;
    scored_images held_out;
    std::vector<std::string> scores = {}; ///< the names, that of the joint map first
    std::vector<scored_images> kinds = {};
    /// The shares of images whose label is the likeliest, and of images that the judge classifies correctly.
    double right = NAN, right_by_judge = NAN;
    roc wrong = {}; ///< wrong labels against the right ones
};

namespace detail {

inline studies::cell area(const roc& of) {
    const auto error = standard_error(of);
    return error ? studies::cell("%.4f ± %.1g", of.area, *error) : studies::cell("%.4f", of.area);
}

inline double median(std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
    return values[values.size() / 2];
}

inline studies::table areas_of(const anomaly_findings& found) {
    studies::table result{"areas", "Areas under the ROC curve", "", {"held-out images against"}};
    result.columns.insert(result.columns.end(), found.scores.begin(), found.scores.end());
    for (const auto& kind : found.kinds) {
        std::vector<studies::cell> cells{kind.name};
        for (const auto& curve : kind.curves) cells.push_back(area(curve));
        result.add(std::move(cells));
    }
    return result;
}

/// Returns the table of what labels_text says.
inline studies::table labels_of(const anomaly_findings& found) {
    studies::table result{"labels", "Labels", "", {"", "over all images"}};
    result.add({"likeliest label is the right one, %", {"%.1f", 100.0 * found.right}});
    result.add({"three nearest training images vote right, %", {"%.1f", 100.0 * found.right_by_judge}});
    result.add({"wrong labels against right ones, area", area(found.wrong)});
    return result;
}

inline std::string labels_text(const anomaly_findings& found, std::size_t count) {
    const double error = std::sqrt(found.right * (1.0 - found.right) / static_cast<double>(count));
    return "The likeliest label, argmax over c of log p(image | c), is the right one for " +
           number(100.0 * found.right, "%.1f") + " ± " + number(100.0 * error, "%.1f") +
           " % of the images; three nearest training images vote right for " +
           number(100.0 * found.right_by_judge, "%.1f") +
           " %. The same images with wrong labels against right ones, by log p(image) - log p(image | "
           "label): area " +
           area(found.wrong).shown + ".\n";
}

} // namespace detail

inline void write_anomaly(const std::filesystem::path& folder, const anomaly_findings& found,
                          double bandwidth) {
    const auto count = found.held_out.images.size() / pixels;
    write_text(folder / "anomaly.md",
               "# Anomaly by log p\n\n![the most and the least probable images](anomaly.png)\n\n" +
                   std::to_string(count) +
                   " held-out digits against as many changed or foreign images, each made of one of them. A "
                   "model's score is -log p(image), the joint flow map's by " +
                   std::to_string(found.evaluations) +
                   (found.evaluations == 1 ? " evaluation" : " evaluations") +
                   ", of images with noise N(0, " + number(bandwidth) +
                   "² I), which the Gaussian and the exact model of the training images have, too. Areas "
                   "under the ROC curve, 0.5 for no better than chance and below it for worse, with DeLong's "
                   "standard error over pairs of an image and what it became; none where all changed images "
                   "score above all others.\n\n" +
                   markdown_of(detail::areas_of(found)) + "\n" + detail::labels_text(found, count));

    nlohmann::ordered_json json{{"images", count},
                                {"evaluations", found.evaluations},
                                {"seed", found.seed},
                                {"kinds", nlohmann::ordered_json::array()}};
    const auto of_error = [](std::optional<double> error) {
        return error ? nlohmann::ordered_json(*error) : nlohmann::ordered_json(nullptr);
    };
    for (const auto& kind : found.kinds) {
        auto areas = nlohmann::ordered_json::array();
        // Beside each other score stands by how much the joint map's is larger, on the same images.
        for (std::size_t k = 0; k < found.scores.size(); ++k)
            areas.push_back(
                {{"by", found.scores[k]},
                 {"area", kind.curves[k].area},
                 {"standard_error", of_error(standard_error(kind.curves[k]))},
                 {"joint_minus", kind.curves[0].area - kind.curves[k].area},
                 {"joint_minus_standard_error", of_error(standard_error(kind.curves[0], &kind.curves[k]))},
                 {"median_score", detail::median(kind.scores[k])}});
        json["kinds"].push_back({{"kind", kind.name}, {"areas", areas}});
    }
    json["held_out_median_score"] = detail::median(found.held_out.scores[0]);
    json["right_label"] = found.right;
    json["right_label_by_judge"] = found.right_by_judge;
    json["wrong_label_area"] = found.wrong.area;
    json["wrong_label_standard_error"] = of_error(standard_error(found.wrong));
    diamond::io::write_json(folder / "anomaly.json", json);
}

/// Returns the most and the least probable held-out images by the joint map, and examples of the changed
/// images, with the medians of their scores.
inline diamond::plot::image_grid anomaly_grid(const anomaly_findings& found) {
    constexpr std::size_t most = 16;
    const auto& joint = found.held_out.scores[0];
    const std::size_t count = joint.size(), shown = std::min(most, count);
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t j) { return joint[j]; });
    const auto chosen = [&](const floats& from, const auto& which) {
        floats result;
        for (std::size_t k = 0; k < shown; ++k)
            result.insert(result.end(), from.begin() + static_cast<std::ptrdiff_t>(which(k) * pixels),
                          from.begin() + static_cast<std::ptrdiff_t>((which(k) + 1) * pixels));
        return result;
    };
    const auto range = [&](std::size_t first, std::size_t last) {
        return "−log p " + number(joint[order[first]], "%.0f") + " to " + number(joint[order[last]], "%.0f");
    };
    const auto spread = [&](std::size_t k) { return k * count / shown; };

    diamond::plot::image_grid grid{
        .title = "Held-out digits, and what is no digit, by −log p of the joint flow map",
        .shape = shape,
        .shades = {1, -1},
        .zoom = 5};
    grid.rows.push_back({.label = "most probable",
                         .pixels = chosen(found.held_out.images, [&](std::size_t k) { return order[k]; }),
                         .note = range(0, shown - 1)});
    grid.rows.push_back(
        {.label = "least probable",
         .pixels = chosen(found.held_out.images, [&](std::size_t k) { return order[count - shown + k]; }),
         .note = range(count - shown, count - 1)});
    grid.rows.push_back({.label = "held-out",
                         .pixels = chosen(found.held_out.images, spread),
                         .note = "median " + number(detail::median(joint), "%.0f")});
    for (const auto& kind : found.kinds)
        grid.rows.push_back({.label = kind.name,
                             .pixels = chosen(kind.images, spread),
                             .note = "median " + number(detail::median(kind.scores[0]), "%.0f") + ", area " +
                                     number(kind.curves[0].area, "%.3f")});
    return grid;
}

} // namespace digits
