/// This header implements --seeds: a program runs once for each seed, each time in a folder of its own, and
/// summarises the results.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <diamond/core/scalar.hpp>
#include <diamond/io/json.hpp>

#include "output_folder.hpp"
#include "progress_line.hpp"
#include "table.hpp"

namespace studies {

/// Calls run(options), which returns the tables of one seed, for each seed. `options` have `seed`, `seeds`
/// and `out`. If there are several seeds, each runs in the folder seed_<number> of `out`, and `out` gets
/// <name>.md and <name>.json with their tables combined.
template <class Options, class Run>
void run_over_seeds(const Options& chosen, const std::string& name, const std::string& title,
                    const Run& run) {
    if (chosen.seeds == 1) return static_cast<void>(run(chosen));
    const auto more = static_cast<std::uint64_t>(chosen.seeds) - 1;
    diamond::require(chosen.seed <= std::numeric_limits<std::uint64_t>::max() - more, [&] {
        return text("--seeds %td from --seed %llu: seeds end at 2^64 - 1", chosen.seeds,
                    static_cast<unsigned long long>(chosen.seed));
    });
    const std::filesystem::path out(chosen.out), markdown = out / (name + ".md"),
                                                 json = out / (name + ".json");
    make_folder_of(markdown);
    const auto write = [](const std::filesystem::path& to, const std::string& words) {
        diamond::io::write_atomically(to, {diamond::io::bytes_of(words)});
    };
    write(markdown, "Not all seeds are done, or the run was broken off.\n");
    std::filesystem::remove(json);

    std::vector<std::vector<table>> of_seed;
    auto seeds = nlohmann::ordered_json::array();
    for (diamond::index_t k = 0; k < chosen.seeds; ++k) {
        Options one = chosen;
        one.seed += static_cast<std::uint64_t>(k);
        one.seeds = 1;
        const auto seed = text("seed_%llu", static_cast<unsigned long long>(one.seed));
        one.out = (out / seed).string();
        progress_line().finish(seed + text(", %td of %td", k + 1, chosen.seeds));
        seeds.push_back(one.seed);
        of_seed.push_back(run(one));
    }
    const auto tables = over_seeds(of_seed);
    std::string
        words = "# " + title +
                text(", over %td seeds from %llu\n\n", chosen.seeds,
                     static_cast<unsigned long long>(chosen.seed)) +
                "Figures are means over the seeds, behind ± their standard deviation over them; where fewer "
                "have one, it is said how many. How each is measured, warnings, pictures and the errors that "
                "a seed tells of its own figures stand in the report of its folder.\n";
    for (const auto& of : tables)
        words += "\n### " + of.name + "\n\n" + (of.explanation.empty() ? "" : of.explanation + "\n\n") +
                 markdown_of(of);
    write(markdown, words);
    diamond::io::write_json(json, nlohmann::ordered_json{{"seeds", seeds}, {"tables", json_of(tables)}});
    std::printf("\n%s\n%s: %s.md and %s.json, and a folder of each seed\n", words.c_str(),
                out.string().c_str(), name.c_str(), name.c_str());
}

} // namespace studies
