/// This header holds what the parts of the study find: rows for programs, and the same rows as tables for
/// people.
#pragma once

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/io/file.hpp>
#include <diamond/io/json.hpp>
#include <diamond/plot/png.hpp>

#include "../shared/table.hpp"

namespace mnist {

using row = nlohmann::ordered_json;

/// This type says how a table shows the numbers of a key: by a printf format for one double. Where a row has
/// the same key with "_se" behind it, that number follows as the error.
struct column {
    std::string key, title, format = "%.3g";
};

/// Results are an array of rows {"table", "method", "evaluations", ...}, each an object of texts and numbers,
/// where null stands for a number that there is none of, and the report of them in Markdown. What is added is
/// printed.
class results {
public:
    void line(const std::string& what) {
        text_ += what + "\n";
        std::printf("%s\n", what.c_str());
        std::fflush(stdout);
    }
    /// Begins a table. `name` is what its rows have as "table".
    void table(std::string name, const std::string& title, const std::string& explanation,
               std::vector<column> columns) {
        name_ = std::move(name);
        columns_ = std::move(columns);
        std::string head = "|", rule = "|";
        for (const auto& each : columns_) {
            head += " " + each.title + " |";
            rule += " --- |";
        }
        line("\n## " + title + "\n\n" + explanation + "\n\n" + head + "\n" + rule);
    }
    /// Adds a row of the table; numbers that are not finite become null.
    void add(row numbers) {
        row whole{{"table", name_}};
        for (auto& [key, value] : numbers.items())
            whole[key] = value.is_number_float() && !std::isfinite(value.get<double>()) ? row() : value;
        std::string shown = "|";
        for (const auto& each : columns_) shown += " " + cell_of(whole, each) + " |";
        line(shown);
        rows_.push_back(std::move(whole));
    }
    /// Writes a picture and refers to it.
    template <class Picture>
    void picture(const std::filesystem::path& folder, const std::string& name, const Picture& drawn) {
        diamond::plot::write_png(folder / (name + ".png"), drawn);
        text_ += "\n![" + name + "](" + name + ".png)\n";
    }
    /// Adds what another run found.
    void append(const results& other) {
        text_ += other.text_;
        for (const auto& each : other.rows_) rows_.push_back(each);
    }

    [[nodiscard]] const std::vector<row>& rows() const { return rows_; }
    [[nodiscard]] const std::string& text() const { return text_; }
    /// Writes report.json, the rows, and report.md, with this title.
    void write(const std::filesystem::path& folder, const std::string& title) const {
        diamond::io::write_json(folder / "report.json", row(rows_));
        const std::string whole = "# " + title + "\n" + text_;
        diamond::io::write_atomically(folder / "report.md", {diamond::io::bytes_of(whole)});
    }
    /// Keeps the whole of it under the name of a part, and what it was made with.
    void save(const std::filesystem::path& file, const std::string& setting) const {
        diamond::io::write_json(file, row{{"setting", setting}, {"text", text_}, {"rows", rows_}});
    }
    /// Takes what save() kept, if it was made with this setting. @return whether it was.
    bool load(const std::filesystem::path& file, const std::string& setting) {
        if (!std::filesystem::exists(file)) return false;
        // In the order in which the keys were written, of which read_json knows nothing.
        const auto kept = row::parse(diamond::io::read_text(file, std::size_t{1} << 28), nullptr, false);
        if (!kept.is_object() || kept.value("setting", "") != setting) return false;
        text_ += kept.at("text").get<std::string>();
        for (const auto& each : kept.at("rows")) rows_.push_back(each);
        return true;
    }

private:
    static std::string cell_of(const row& of, const column& shown) {
        const auto found = of.find(shown.key);
        if (found == of.end() || found->is_null()) return "–";
        if (found->is_string()) return found->get<std::string>();
        if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
        std::string text = studies::text(shown.format.c_str(), found->get<double>());
        const auto error = of.find(shown.key + "_se");
        if (error != of.end() && !error->is_null())
            text += " ± " + studies::text("%.1g", error->get<double>());
        return text;
    }

    std::string text_, name_;
    std::vector<column> columns_;
    std::vector<row> rows_;
};

} // namespace mnist
