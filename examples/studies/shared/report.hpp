/// This header defines a report that is printed while it grows.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/file.hpp>
#include <diamond/plot/png.hpp>

#include "table.hpp"

namespace studies {

/// A report consists of lines, of tables, each followed by warnings about what should not be trusted, and of
/// pictures.
class report {
public:
    void line(const std::string& what) {
        text_ += what + "\n";
        std::printf("%s\n", what.c_str());
        std::fflush(stdout);
    }
    /// Begins a table. `name` is its key in the JSON, and the first of `columns` says what its rows are
    /// called.
    void table(const std::string& name, const std::string& title, const std::string& explanation,
               std::vector<std::string> columns) {
        tables_.push_back({name, title, explanation, std::move(columns)});
        line("\n### " + title + "\n\n" + explanation + "\n\n" + head_of(tables_.back()));
    }
    /// Adds a row. Where several rows have the same first cell, each needs a `name` of its own.
    void row(std::vector<cell> cells, std::string name = {}) {
        line(markdown_of(tables_.back().add(std::move(cells), std::move(name))));
    }
    void warn(const std::string& of_row, const std::string& what) {
        warnings_.push_back("- " + of_row + ": " + what + ".");
    }
    /// Prints the warnings since the last table.
    void end_table() {
        if (!warnings_.empty()) line("\nWarnings:\n");
        for (const auto& warning : warnings_) {
            line(warning);
            all_warnings_[tables_.back().name].push_back(warning);
        }
        warnings_.clear();
    }
    /// Adds figures that the text states elsewhere, for programs and for tables over seeds.
    void record(studies::table figures) { tables_.push_back(std::move(figures)); }
    /// Writes a picture and refers to it here.
    template <class Picture>
    void picture(const std::filesystem::path& folder, const std::string& name, const Picture& drawn) {
        diamond::plot::write_png(folder / (name + ".png"), drawn);
        text_ += "\n![" + name + "](" + name + ".png)\n";
    }
    [[nodiscard]] const std::vector<studies::table>& tables() const { return tables_; }
    /// Returns a number, a number and its error, or a text by table, row and column, and the warnings by
    /// table.
    [[nodiscard]] nlohmann::ordered_json json() const {
        nlohmann::ordered_json result{{"tables", json_of(tables_)}};
        if (!all_warnings_.empty()) result["warnings"] = all_warnings_;
        return result;
    }
    void write(const std::filesystem::path& path) const {
        diamond::io::write_atomically(path, {diamond::io::bytes_of(text_)});
    }

private:
    std::string text_;
    std::vector<studies::table> tables_;
    nlohmann::ordered_json all_warnings_;
    std::vector<std::string> warnings_;
};

} // namespace studies
