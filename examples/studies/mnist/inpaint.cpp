// mnist inpaint: images of which a part is unknown, or that are small, by the Diamond map and a measurement.
#include "inpaint.hpp"

#include <memory>
#include <string>
#include <vector>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "parts.hpp"

namespace mnist {

namespace {

struct settings {
    study_settings study;
    inpaint_options inpaint;
    bool full = false;
};

} // namespace

part inpaint_part() { return part_of("inpaint", measure_inpaint); }

command add_inpaint(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    s->study.out = "out/mnist/inpaint";
    auto& o = s->inpaint;
    auto& sub = *app.add_subcommand("inpaint", "fills in images and enlarges small ones by posteriors given "
                                               "measurements, and holds them against truths");
    add_study_options(sub, s->study);
    sub.add_flag("--full", s->full, "as the report has it: by every method, 64 truths of each measurement");
    sub.add_option("--model", o.model, "which Diamond map")
        ->check(CLI::IsMember(std::vector<std::string>{"taught", "diamond"}))
        ->capture_default_str();
    sub.add_option("--kinds", o.kinds, "of measurements")
        ->check(CLI::IsMember(kind_names()))
        ->capture_default_str();
    sub.add_option("--methods", o.methods, "which of them; --full takes more")
        ->check(CLI::IsMember(inpaint_names()))
        ->capture_default_str();
    const auto add = [&](const char* name, index_t& of, index_t least, const char* what) {
        sub.add_option(name, of, what)->check(CLI::Range(least, index_t{100'000}))->capture_default_str();
    };
    add("--problems", o.problems, 0, "truths drawn from the model, for each measurement");
    add("--test-images", o.test_images, 0, "truths of the test part");
    add("--particles", o.particles, 8, "of a run");
    add("--steps", o.steps, 3, "of a run");
    add("--island", o.island, 2, "particles of a small island, of which about one independent draw comes");
    sub.add_option("--deviation", o.deviation, "of the noise of each number that is seen")
        ->check(between(1e-3, 10))
        ->capture_default_str();
    sub.add_option("--variance", o.variance, "of a pixel, by which guides guess")
        ->check(between(1e-4, 100))
        ->capture_default_str();
    return {&sub, [s, &sub] {
                auto chosen = s->inpaint;
                if (s->full) {
                    const auto full = inpaint_options::full();
                    const auto take = [&](const char* name, auto inpaint_options::*member) {
                        if (sub.count(name) == 0) chosen.*member = full.*member;
                    };
                    take("--methods", &inpaint_options::methods);
                    take("--problems", &inpaint_options::problems);
                    take("--test-images", &inpaint_options::test_images);
                    take("--particles", &inpaint_options::particles);
                    take("--steps", &inpaint_options::steps);
                }
                studies::make_folder_of(s->study.out / "report.md");
                results told;
                measure_inpaint(study(s->study), chosen, told);
                told.write(s->study.out, "MNIST: posteriors given measurements");
            }};
}

} // namespace mnist
