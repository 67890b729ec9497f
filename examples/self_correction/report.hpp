// Tables that are read as Markdown and by programs as JSON, and what should not be trusted behind each of them.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/json.hpp>

#include "../learned_2d/report.hpp"

namespace self_correction {

using learned::text;

/// A number as it is shown and as it is.
struct cell {
    std::string shown;
    nlohmann::ordered_json value;

    cell(const char* name) : shown(name), value(name) {}
    cell(std::string name) : shown(std::move(name)), value(shown) {}
    cell(const char* format, double number) : shown(text(format, number)), value(number) {}
    cell(const char* format, double number, double error) : shown(text(format, number, error)), value({number, error}) {}
};

/// Printed as it comes; `write` leaves all so far as report.md and report.json.
class report {
public:
    void line(const std::string& what) { told_.line(what); }
    /// `name` is the table's in the JSON; in `columns` the first is what its rows are called.
    void table(const std::string& name, const std::string& title, const std::string& explanation, std::vector<std::string> columns) {
        told_.line("\n### " + title + "\n\n" + explanation);
        told_.head(columns);
        name_    = name;
        columns_ = std::move(columns);
    }
    void row(const std::vector<cell>& cells) {
        std::vector<std::string> shown;
        auto& of_row = json_["tables"][name_][cells.front().shown];
        for (std::size_t k = 0; k < cells.size(); ++k) {
            shown.push_back(cells[k].shown);
            if (k > 0) of_row[columns_[k]] = cells[k].value;
        }
        told_.row(shown);
    }
    void warn(const std::string& of_row, const std::string& what) { warnings_.push_back("- " + of_row + ": " + what + "."); }
    /// The warnings since the last table.
    void end_table() {
        if (!warnings_.empty()) told_.line("\nWarnings:\n");
        for (const auto& warning : warnings_) {
            told_.line(warning);
            json_["warnings"][name_].push_back(warning);
        }
        warnings_.clear();
    }
    template <class Picture>
    void picture(const std::filesystem::path& folder, const std::string& name, const Picture& drawn) {
        told_.picture(folder, name, drawn);
    }
    /// By table, row and column: a number, a number and its error, or a text.
    [[nodiscard]] const nlohmann::ordered_json& tables() const { return json_["tables"]; }
    void write(const std::filesystem::path& folder) const {
        told_.write(folder / "report.md");
        diamond::io::write_json(folder / "report.json", json_);
    }

private:
    learned::report told_;
    nlohmann::ordered_json json_;
    std::string name_;
    std::vector<std::string> columns_, warnings_;
};

} // namespace self_correction
