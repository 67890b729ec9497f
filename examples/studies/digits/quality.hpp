/// This header writes quality.md and quality.json.
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include <diamond/io/json.hpp>

#include "generation.hpp"
#include "posterior_quality.hpp"
#include "text.hpp"

namespace digits {

namespace detail {
inline std::string shown(const distance_estimate& d) {
    return number(d.value, "%.4f") + " ± " + number(d.standard_error, "%.1g");
}
inline nlohmann::ordered_json json_of(const distance_estimate& d) {
    return {{"value", d.value}, {"standard_error", d.standard_error}};
}

inline studies::cell cell_of(const distance_estimate& d) {
    return figure(d.value, d.standard_error, "%.4f", "%.1g");
}

inline studies::table table_of(const generation& g) {
    studies::table result{"generation",
                          "The law",
                          "",
                          {"law", "energy distance, pixels", "energy distance, features",
                           "nearest training image", "of held-out's"}};
    for (int c = 0; c < classes; ++c) result.columns.push_back(std::to_string(c));
    const auto add = [&](const generation_row& row) {
        std::vector<studies::cell> cells{row.title, cell_of(row.in_pixels), cell_of(row.in_features),
                                         figure(row.nearest),
                                         figure(row.nearest / g.held_out.nearest, "%.2f")};
        for (const double share : row.shares) cells.push_back(figure(100.0 * share, "%.0f %%"));
        result.add(std::move(cells));
    };
    add(g.held_out);
    for (const auto& row : g.rows) add(row);
    return result;
}

/// Returns one table for each time.
inline std::vector<studies::table> tables_of(const std::vector<posterior_row>& rows) {
    std::vector<studies::table> result;
    double t = -1.0;
    for (const auto& row : rows) {
        if (row.t != t) {
            t = row.t;
            const auto name = "t = " + number(t);
            result.push_back(
                {"posterior, " + name,
                 name,
                 "",
                 {"draws", "evaluations", "pooled", "joint with x_t", "error of the mean", "variance"}});
        }
        result.back().add({row.title, count(row.evaluations), cell_of(row.pooled), cell_of(row.joint),
                           figure(row.mean_error, "%.3f"), figure(row.spread, "%.3f")},
                          row.title + ", " + std::to_string(row.evaluations));
    }
    return result;
}

inline std::vector<studies::table> tables_of(const generation& g, const std::vector<posterior_row>& rows) {
    std::vector<studies::table> result{
        table_of(g),
        {"classifier", "The classifier whose features measure", "", {"", "over the held-out images"}}};
    result.back().add({"right, %", {"%.1f", 100.0 * g.classifier_accuracy}});
    std::ranges::move(tables_of(rows), std::back_inserter(result));
    return result;
}

inline std::string markdown_of_all(const std::vector<studies::table>& tables) {
    std::string text;
    for (const auto& of : tables) text += "\n### " + of.title + "\n\n" + markdown_of(of);
    return text;
}
} // namespace detail

inline void write_quality(const study& s, const generation& g, const std::vector<posterior_row>& rows) {
    nlohmann::ordered_json json{{"classifier_accuracy", g.classifier_accuracy}};
    const auto law = [&](const generation_row& row) {
        return nlohmann::ordered_json{{"law", row.title},
                                      {"pixels", detail::json_of(row.in_pixels)},
                                      {"features", detail::json_of(row.in_features)},
                                      {"nearest", row.nearest},
                                      {"nearest_ratio", row.nearest / g.held_out.nearest},
                                      {"shares", row.shares}};
    };
    json["generation"] = {law(g.held_out)};
    for (const auto& row : g.rows) json["generation"].push_back(law(row));
    json["posterior"] = nlohmann::ordered_json::array();
    for (const auto& row : rows)
        json["posterior"].push_back({{"t", row.t},
                                     {"draws", row.title},
                                     {"evaluations", row.evaluations},
                                     {"pooled", detail::json_of(row.pooled)},
                                     {"joint", detail::json_of(row.joint)},
                                     {"mean_error", row.mean_error},
                                     {"variance_ratio", row.spread}});
    diamond::io::write_json(s.chosen.out / "quality.json", json);

    const std::string h = number(s.bandwidth);
    write_text(s.chosen.out / "quality.md",
               "# What the learned models draw\n\n![samples](samples.png)\n\n![by "
               "label](conditional.png)\n\n## The law\n\n" +
                   std::to_string(s.chosen.samples) + " samples of each law against " +
                   std::to_string(s.data.held_out.count()) + " held-out images with the noise, N(0, " + h +
                   "² I), that the models were trained with. Energy distances are unbiased, so that an "
                   "estimate may be below zero; \"training images\" with that noise are the floor. Features "
                   "are those before the last layer of a classifier that is no reward; it gets " +
                   number(100.0 * g.classifier_accuracy, "%.1f") +
                   " % of the held-out images right. Then the median distance to the nearest training image, "
                   "and the classes it finds.\n\n" +
                   markdown_of(detail::table_of(g)) +
                   "\n## Posterior draws\n\n![posterior draws](posterior.png)\n\nOne draw for each of " +
                   std::to_string(s.data.train.count()) +
                   " noised training images against one of the exact model's: energy distance of the draws, "
                   "pooled, and of the pairs (x_t, z); draws for one x_t never count as a pair, and as every "
                   "image stands for one x_t, the pooled distance of draws that are deaf to it is some 0.004 "
                   "too low at late t. Then the error of the mean of " +
                   std::to_string(s.chosen.mean_draws) +
                   " draws against E[z | x_t], root mean square in units of the exact posterior's standard "
                   "deviation, Monte Carlo part subtracted (0 where it is below), and the variance over the "
                   "exact one's; over " +
                   std::to_string(s.chosen.mean_images) +
                   " of the images for maps, a quarter of them for GLASS up to 8 evaluations and a sixteenth "
                   "beyond.\n" +
                   detail::markdown_of_all(detail::tables_of(rows)));
}

} // namespace digits
