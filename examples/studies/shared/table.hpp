/// This header defines tables that people read as Markdown and programs as JSON, and combines the tables of
/// several seeds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/core/errors.hpp>

namespace studies {

template <class... Numbers>
std::string text(const char* format, Numbers... numbers) {
    std::string result(static_cast<std::size_t>(std::snprintf(nullptr, 0, format, numbers...)), ' ');
    std::snprintf(result.data(), result.size() + 1, format, numbers...);
    return result;
}
/// Returns the words for this many network evaluations.
inline std::string evaluations(std::ptrdiff_t count) {
    return std::to_string(count) + (count == 1 ? " evaluation" : " evaluations");
}

namespace detail {

/// This type is a figure of a format: the words before it, and how it is printed.
struct placed_figure {
    std::string before, conversion;

    /// Returns whether this figure is the error of the figure before it, as "± " says.
    [[nodiscard]] bool is_error() const { return before.ends_with("± "); }
};

/// This type takes a printf format of doubles apart.
struct figure_format {
    std::vector<placed_figure> figures;
    std::string end;

    explicit figure_format(std::string_view format) {
        for (std::size_t at = 0; at < format.size(); ++at) {
            if (format[at] != '%') {
                end += format[at];
            } else if (format[at + 1] == '%') {
                end += format[at++];
            } else {
                const std::size_t last = format.find_first_of("fge", at);
                figures.push_back({std::exchange(end, {}), std::string(format.substr(at, last + 1 - at))});
                at = last;
            }
        }
    }
};

inline std::string printed(const std::string& format, std::span<const double> numbers) {
    const figure_format parts(format);
    diamond::require(parts.figures.size() == numbers.size(), [&] {
        return "'" + format + "' shows " + std::to_string(parts.figures.size()) + " figures, not " +
               std::to_string(numbers.size());
    });
    std::string shown;
    for (std::size_t k = 0; k < numbers.size(); ++k)
        shown += parts.figures[k].before + text(parts.figures[k].conversion.c_str(), numbers[k]);
    return shown + parts.end;
}

} // namespace detail

/// A cell of a table holds a text, or figures and how they are shown.
struct cell {
    std::string shown;
    nlohmann::ordered_json value; ///< a text, a number or a list of numbers
    std::string format = {};
    std::vector<double> figures = {};

    cell(const char* words) : shown(words), value(words) {}
    cell(std::string words) : shown(std::move(words)), value(shown) {}
    /// Makes a cell from a printf format and as many doubles as it shows. One that follows "± " is the error
    /// of the one before.
    cell(std::string as, std::vector<double> numbers)
        : shown(detail::printed(as, numbers)),
          value(numbers),
          format(std::move(as)),
          figures(std::move(numbers)) {
        if (figures.size() == 1) value = figures.front();
    }
    template <class... Doubles>
    cell(const char* as, double first, Doubles... others)
        : cell(std::string(as), std::vector<double>{first, others...}) {}
};

struct table {
    struct row {
        std::string name; ///< unique among the rows of its table
        std::vector<cell> cells;
    };
    std::string name, title, explanation;
    std::vector<std::string> columns; ///< the first says what the rows are called
    std::vector<row> rows = {};

    /// Adds a row that is named by its first cell, or by `name` if several rows have the same first cell.
    /// @throws std::invalid_argument if two rows have one name.
    const row& add(std::vector<cell> cells, std::string name = {}) {
        if (name.empty()) name = cells.front().shown;
        diamond::require(cells.size() == columns.size(), [&] {
            return "table '" + this->name + "', row '" + name + "': " + std::to_string(cells.size()) +
                   " cells for " + std::to_string(columns.size()) + " columns";
        });
        diamond::require(std::ranges::none_of(rows, [&](const row& other) { return other.name == name; }),
                         [&] { return "table '" + this->name + "' has two rows '" + name + "'"; });
        return rows.emplace_back(std::move(name), std::move(cells));
    }
};

inline std::string markdown_of(const table::row& row) {
    std::string line = "|";
    for (const auto& cell : row.cells) line += " " + cell.shown + " |";
    return line;
}
/// Returns the line of column names and the line below it.
inline std::string head_of(const table& of) {
    std::string names = "|", below = "|";
    for (const auto& column : of.columns) {
        names += " " + column + " |";
        below += " --- |";
    }
    return names + "\n" + below;
}
inline std::string markdown_of(const table& of) {
    std::string lines = head_of(of) + "\n";
    for (const auto& row : of.rows) lines += markdown_of(row) + "\n";
    return lines;
}
/// Returns the values by table, row and column.
inline nlohmann::ordered_json json_of(const std::vector<table>& tables) {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    for (const auto& of : tables)
        for (const auto& row : of.rows)
            for (std::size_t k = 1; k < row.cells.size(); ++k)
                json[of.name][row.name][of.columns[k]] = row.cells[k].value;
    return json;
}

namespace detail {

/// Combines cells without figures over the seeds: one text, or the different texts and how often each occurs.
inline cell words_over_seeds(const std::vector<const cell*>& of_seed) {
    std::vector<std::pair<std::string, std::size_t>> counted;
    for (const cell* one : of_seed) {
        const auto at = std::ranges::find(counted, one->shown, &std::pair<std::string, std::size_t>::first);
        if (at == counted.end())
            counted.emplace_back(one->shown, 1);
        else
            ++at->second;
    }
    if (counted.size() == 1) return counted.front().first;
    std::string all;
    for (const auto& [words, count] : counted)
        all += (all.empty() ? "" : "; ") + words + text(" (%zu of %zu seeds)", count, of_seed.size());
    return all;
}

/// This type holds mean, standard deviation over the seeds, and their number. The JSON has null for the
/// deviation of one seed.
struct spread_figure {
    double mean = 0.0, deviation = 0.0;
    std::size_t seeds;

    explicit spread_figure(const std::vector<double>& of_seed) : seeds(of_seed.size()) {
        const auto n = static_cast<double>(seeds);
        for (const double x : of_seed) mean += x / n;
        for (const double x : of_seed) deviation += (x - mean) * (x - mean);
        deviation = std::sqrt(deviation / (n - 1.0));
    }
    static constexpr double rounding = 1e-12; // of the mean of equal figures
    static constexpr int most_decimals = 7;   // more are easier to read as powers of ten
    /// Returns the figure as text: two digits of the deviation, and the mean with the same decimals. Where
    /// all seeds agree, it is the mean alone, as a seed prints it.
    [[nodiscard]] std::string shown(const std::string& conversion) const {
        if (seeds == 0) return "–";
        if (seeds == 1 || deviation <= rounding * std::abs(mean)) return text(conversion.c_str(), mean);
        const int decimals = 1 - static_cast<int>(std::floor(std::log10(deviation)));
        return decimals > most_decimals
                 ? text("%.4g ± %.2g", mean, deviation)
                 : text("%.*f ± %.*f", std::max(decimals, 0), mean, std::max(decimals, 0), deviation);
    }
    [[nodiscard]] nlohmann::ordered_json json() const {
        const auto number = [](double x, bool known) {
            return known ? nlohmann::ordered_json(x) : nlohmann::ordered_json(nullptr);
        };
        return {
            {"mean", number(mean, seeds > 0)}, {"deviation", number(deviation, seeds > 1)}, {"seeds", seeds}};
    }
};

} // namespace detail

/// Combines one cell of all seeds: for each figure the mean ± the standard deviation over the seeds and, if
/// it is missing for some, the number of seeds that have it. The errors that single seeds state are left out.
inline cell over_seeds(const std::vector<const cell*>& of_seed) {
    const auto with_figures = std::ranges::find_if(of_seed,
                                                   [](const cell* one) { return !one->figures.empty(); });
    if (with_figures == of_seed.end()) return detail::words_over_seeds(of_seed);
    const detail::figure_format parts((*with_figures)->format);
    std::string shown;
    auto values = nlohmann::ordered_json::array();
    std::size_t fewest = of_seed.size();
    for (std::size_t k = 0; k < parts.figures.size(); ++k) {
        if (parts.figures[k].is_error()) continue;
        std::vector<double> found;
        for (const cell* one : of_seed)
            if (k < one->figures.size() && std::isfinite(one->figures[k])) found.push_back(one->figures[k]);
        const detail::spread_figure figure(found);
        shown += parts.figures[k].before + figure.shown(parts.figures[k].conversion);
        values.push_back(figure.json());
        fewest = std::min(fewest, figure.seeds);
    }
    shown += parts.end;
    if (fewest < of_seed.size()) shown += text(" (%zu of %zu seeds)", fewest, of_seed.size());
    cell result(std::move(shown));
    result.value = values.size() == 1 ? values.front() : values;
    return result;
}

/// Combines tables with the same names, rows and columns into one each.
/// @throws std::invalid_argument if the tables of the seeds differ in them.
inline std::vector<table> over_seeds(const std::vector<std::vector<table>>& of_seed) {
    std::vector<table> result;
    for (std::size_t i = 0; i < of_seed.front().size(); ++i) {
        const table& first = of_seed.front()[i];
        for (const auto& tables : of_seed)
            diamond::require(
                tables.size() == of_seed.front().size() && tables[i].name == first.name &&
                    tables[i].columns == first.columns &&
                    std::ranges::equal(tables[i].rows, first.rows, {}, &table::row::name, &table::row::name),
                [&] { return "table '" + first.name + "' has other rows or columns at another seed"; });
        result.push_back({first.name, first.title, first.explanation, first.columns});
        for (std::size_t j = 0; j < first.rows.size(); ++j) {
            std::vector<cell> cells{first.rows[j].cells.front()};
            for (std::size_t k = 1; k < first.columns.size(); ++k) {
                std::vector<const cell*> ones;
                for (const auto& tables : of_seed) ones.push_back(&tables[i].rows[j].cells[k]);
                cells.push_back(over_seeds(ones));
            }
            result.back().add(std::move(cells), first.rows[j].name);
        }
    }
    return result;
}

} // namespace studies
