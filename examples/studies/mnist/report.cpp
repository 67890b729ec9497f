// mnist report: every part of the study, in quick sizes or in full, and this run's figures beside those of
// the report that the study has.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/crc32.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/io/file.hpp>
#include <diamond/io/json.hpp>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "parts.hpp"
#include "study.hpp"

namespace mnist {

namespace {

struct settings {
    study_settings study;
    bool full = false, fresh = false;
    std::vector<std::string> parts = {"all"};
};

const std::vector<part>& parts() {
    static const std::vector<part> all{sample_part(), likelihood_part(), posterior_part(),
                                       align_part(),  inpaint_part(),    self_guidance_part()};
    return all;
}

/// Returns what the figures of a part depend on: its size, the seed, and the numbers of all models.
std::string setting_of(const settings& s) {
    diamond::crc32<0x82f63b78> sum;
    for (const auto& which : models) {
        const auto file = model_file(s.study.weights, which.name);
        if (!std::filesystem::exists(file)) continue;
        const auto text = diamond::io::read_text(file, std::size_t{1} << 28);
        sum.add(diamond::io::bytes_of(text));
    }
    return std::string(s.full ? "full" : "quick") + ", seed " + std::to_string(s.study.seed) + ", models " +
           std::to_string(sum.value());
}

/// Adds a table of each row's first figure beside that of the report that the study has.
void set_beside(const row& shipped, results& found) {
    const auto key_of = [](const row& of) -> std::string {
        for (const auto& [key, value] : of.items())
            if (value.is_number_float() && key != "seconds" && key != "t" && key != "evaluations" &&
                key != "rewards")
                return key;
        return {};
    };
    // What names a row: its texts but those of findings, its budget or its evaluations where they are a
    // number of the method, and its time.
    const auto is_name = [](const std::string& key, const row& value) {
        if (key == "shares" || key == "failure") return false;
        return value.is_string() || key == "budget" || key == "t" ||
               (key == "evaluations" && value.is_number_integer());
    };
    const auto is_same = [&](const row& a, const row& b) {
        for (const auto& [key, value] : a.items())
            if (is_name(key, value) && (!b.contains(key) || b[key] != value)) return false;
        return true;
    };
    const auto own = found.rows();
    found.table("beside", "This run beside the shipped report",
                "The first figure of each row whose counterpart the shipped report has, whose text says in "
                "which sizes.",
                {{"of", "table"},
                 {"method", "method"},
                 {"evaluations", "evaluations"},
                 {"figure", "figure"},
                 {"here", "here"},
                 {"full", "shipped"}});
    for (const auto& each : own) {
        const std::string key = key_of(each);
        if (key.empty()) continue;
        for (const auto& other : shipped) {
            if (!is_same(each, other)) continue;
            row line{{"of", each.at("table")}, {"method", each.value("method", "")}, {"figure", key}};
            if (each.contains("evaluations")) line["evaluations"] = each["evaluations"];
            line["here"] = each[key];
            if (each.contains(key + "_se")) line["here_se"] = each[key + "_se"];
            line["full"] = other.contains(key) ? other[key] : row();
            if (other.contains(key + "_se")) line["full_se"] = other[key + "_se"];
            found.add(std::move(line));
            break;
        }
    }
}

void run(const settings& s) {
    const diamond::stopwatch clock;
    studies::make_folder_of(s.study.out / "report.md");
    const study all(s.study);
    const std::string setting = setting_of(s);
    results found;
    for (const auto& each : parts()) {
        const bool chosen = std::ranges::any_of(
            s.parts, [&](const auto& name) { return name == "all" || name == each.name; });
        if (!chosen) continue;
        const auto kept = s.study.out / (each.name + ".part.json");
        if (!s.fresh && found.load(kept, setting)) {
            std::fprintf(stderr, "%s: done before in this way; --fresh does it again\n", each.name.c_str());
            continue;
        }
        const diamond::stopwatch own;
        results here;
        each.measure(all, s.full, here);
        here.line("\n" + each.name + ": " + studies::text("%.0f", own.seconds()) + " s.");
        here.save(kept, setting);
        found.append(here);
    }
    const auto shipped = default_report() / "report.json";
    if (!s.full && std::filesystem::exists(shipped)) set_beside(row(diamond::io::read_json(shipped)), found);
    const std::string size = s.full ? "in full" : "in quick sizes";
    found.line("\nBy `mnist report" + std::string(s.full ? " --full" : "") + " --seed " +
               std::to_string(s.study.seed) + "`, " + std::to_string(all.where().concurrency()) +
               " threads, in " + studies::text("%.0f", clock.seconds()) + " s.");
    found.write(s.study.out, "MNIST, " + size);
    std::printf("%s: report.md, report.json and the pictures\n", s.study.out.string().c_str());
}

} // namespace

void run_quick_report() {
    settings s;
    s.study.data = default_data();
    s.study.weights = default_weights();
    run(s);
}

command add_report(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& sub = *app.add_subcommand("report", "runs every part and writes one report; parts that were done "
                                              "before in the same way are kept");
    sub.add_flag("--full", s->full, "in the sizes of the papers' tables: hours, not minutes");
    std::vector<std::string> names{"all"};
    for (const auto& each : parts()) names.push_back(each.name);
    sub.add_option("--parts", s->parts, "which, one or several")
        ->check(CLI::IsMember(names))
        ->capture_default_str();
    sub.add_flag("--fresh", s->fresh, "ignore what an earlier run left");
    add_study_options(sub, s->study);
    return {&sub, [s] { run(*s); }};
}

} // namespace mnist
