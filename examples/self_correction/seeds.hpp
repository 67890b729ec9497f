// What several seeds say together: of each number of each table its mean and its spread.
#pragma once

#include <cmath>
#include <vector>

#include "report.hpp"

namespace self_correction {

/// One cell of all seeds: the mean and the standard deviation of its numbers, and how many of the seeds have one; a text that all share.
inline cell over_seeds(const std::vector<nlohmann::ordered_json>& of_seed) {
    std::vector<double> numbers;
    for (const auto& value : of_seed) {
        const auto& number = value.is_array() && !value.empty() ? value.front() : value;
        if (number.is_number() && std::isfinite(number.get<double>())) numbers.push_back(number.get<double>());
    }
    if (numbers.empty()) {
        for (const auto& value : of_seed)
            if (value != of_seed.front()) return "differs";
        return of_seed.front().is_string() ? of_seed.front().get<std::string>() : std::string("–");
    }
    const auto count = static_cast<double>(numbers.size());
    double     mean = 0.0, square = 0.0;
    for (const double x : numbers) mean += x / count;
    for (const double x : numbers) square += (x - mean) * (x - mean);
    cell result = numbers.size() > 1 ? cell("%.4g ± %.2g", mean, std::sqrt(square / (count - 1.0))) : cell("%.4g", mean);
    if (numbers.size() < of_seed.size()) result.shown += text(" (%zu of %zu seeds)", numbers.size(), of_seed.size());
    return result;
}

/// Tables of the same names, rows and columns into one, each cell over all seeds. @throws where a seed lacks a row.
inline void tell_over_seeds(report& told, const std::vector<nlohmann::ordered_json>& of_seed) {
    for (const auto& [name, rows] : of_seed.front().items()) {
        std::vector<std::string> columns{"over the seeds"};
        for (const auto& [column, value] : rows.front().items()) columns.push_back(column);
        told.table(name, name, text("Means over %zu seeds, each with trainings and runs of its own; of a range its lower end; behind ± their standard deviation over the seeds.", of_seed.size()), columns);
        for (const auto& [row, cells] : rows.items()) {
            std::vector<cell> shown{row.c_str()};
            for (std::size_t k = 1; k < columns.size(); ++k) {
                std::vector<nlohmann::ordered_json> values;
                for (const auto& tables : of_seed) values.push_back(tables.at(name).at(row).at(columns[k]));
                shown.push_back(over_seeds(values));
            }
            told.row(shown);
        }
        told.end_table();
    }
}

} // namespace self_correction
