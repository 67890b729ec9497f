// digits sample: draws of the learned models, and how good they are.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <diamond/plot/image_grid.hpp>
#include <diamond/plot/png.hpp>

#include "command_line.hpp"
#include "guided_network.hpp"
#include "quality.hpp"

namespace digits {

namespace {

constexpr std::size_t shown = 20; // images in a row
constexpr diamond::plot::value_range ink_on_paper{1, -1};

floats first(const floats& samples, std::size_t count) {
    return {samples.begin(),
            samples.begin() + static_cast<index_t>(std::min(samples.size(), count * pixels))};
}

void draw_samples(const study& s, const generation& g) {
    diamond::plot::image_grid grid{
        .title = "Draws of the learned models", .shape = shape, .shades = ink_on_paper, .zoom = 5};
    for (const auto& row : g.rows)
        if (row.title != "training images")
            grid.rows.push_back({.label = row.title,
                                 .pixels = first(row.samples, shown),
                                 .note = "features " + number(row.in_features.value, "%.3f")});
    grid.rows.push_back({.label = "held-out, with noise", .pixels = first(g.held_out.samples, shown)});
    diamond::plot::write_png(s.chosen.out / "samples.png", grid);
}

void draw_conditional(const study& s) {
    const double w = s.chosen.guidance_weight;
    diamond::plot::image_grid grid{.title = "By label, one evaluation" +
                                            (w == 1.0 ? "" : ", guidance weight " + number(w)),
                                   .shape = shape,
                                   .shades = ink_on_paper,
                                   .zoom = 5};
    const guided_network net{s.diamond, w};
    for (int label = 0; label < classes; ++label)
        grid.rows.push_back(
            {.label = std::to_string(label),
             .pixels = s.ended(diamond::network_flow_map<guided_network<network>>{net}, 1,
                               static_cast<index_t>(shown), 50 + label, diamond::labels(label))});
    diamond::plot::write_png(s.chosen.out / "conditional.png", grid);
}

void draw_posteriors(const study& s) {
    constexpr std::size_t columns = 14;
    const index_t stride = s.data.train.count() / static_cast<index_t>(columns);
    diamond::plot::image_grid grid{
        .title = "Posterior draws, one evaluation", .shape = shape, .shades = ink_on_paper, .zoom = 5};
    const auto drawers = all_drawers(s);
    for (const double t : outer_times) {
        if (t == 0.0) continue;
        const noised_images at(s, t);
        batch x(s.where, pixels, columns);
        floats denoised;
        for (index_t j = 0; j < x.columns(); ++j) {
            std::copy_n(at.states().data() + pixels * j * stride, pixels, x.data() + pixels * j);
            denoised.insert(denoised.end(), at.denoised().data() + pixels * j * stride,
                            at.denoised().data() + pixels * (j * stride + 1));
        }
        grid.rows.push_back({.label = "t = " + number(t) + ": xₜ", .pixels = diamond::to_host(x)});
        grid.rows.push_back({.label = "exact E[z | xₜ]", .pixels = denoised});
        for (const auto& d : drawers)
            if (d.evaluations == 1 && (d.title.starts_with("exact") || d.title.ends_with(" map")))
                grid.rows.push_back({.label = d.title.starts_with("exact") ? "exact draw" : d.title,
                                     .pixels = at.drawn(d, x.read(), at.stream(600, 1))});
    }
    diamond::plot::write_png(s.chosen.out / "posterior.png", grid);
}

/// One seed: its tables.
std::vector<studies::table> run(const sample_settings& chosen) {
    const diamond::stopwatch clock;
    const context where{.threads = chosen.threads};
    const data_set data = load(chosen.data);
    std::vector<std::string> names{"teacher", "diamond"};
    std::optional<network> taught;
    if (std::filesystem::exists(network_file(chosen.weights, "taught"))) {
        taught = load_network(where, chosen.weights, "taught");
        names.push_back("taught");
    }
    const double bandwidth = trained_bandwidth(chosen.weights, names, chosen.bandwidth);
    const model exact = diamond::data_mixture(
        where, diamond::linear_schedule{},
        diamond::from_host<real>(where, pixels, data.train.count(), data.train.data).read(), bandwidth);
    const study s{where,
                  chosen,
                  data,
                  bandwidth,
                  exact,
                  load_network(where, chosen.weights, "teacher"),
                  load_network(where, chosen.weights, "diamond"),
                  taught,
                  diamond::philox{chosen.seed}};
    studies::make_folder_of(chosen.out / "quality.md");
    progress_line line;
    line.show("samples");
    const generation g = measure_generation(s);
    draw_samples(s, g);
    draw_conditional(s);
    draw_posteriors(s);
    for (const auto& row : g.rows)
        line.finish(row.title + ": energy distance " + detail::shown(row.in_pixels) + ", of features " +
                    detail::shown(row.in_features));
    double t = -1.0;
    const auto rows = measure_posteriors(s, [&](const std::string& text) { line.show(text); });
    for (const auto& row : rows) {
        if (row.t != t) line.finish("posteriors at t = " + number(row.t));
        t = row.t;
        line.finish("  " + row.title + ", " + std::to_string(row.evaluations) + ": pooled " +
                    detail::shown(row.pooled) + ", joint " + detail::shown(row.joint) + ", mean off by " +
                    number(row.mean_error, "%.3f"));
    }
    write_quality(s, g, rows);
    std::printf("%s: quality.md, quality.json and the pictures, in %.1f s\n", chosen.out.string().c_str(),
                clock.seconds());
    auto tables = detail::tables_of(g, rows);
    tables.push_back(seconds_of(clock.seconds()));
    return tables;
}

} // namespace

command add_sample(CLI::App& app) {
    const auto s = std::make_shared<sample_settings>(
        sample_settings{.data = default_data(), .weights = default_weights()});
    auto& sub = *app.add_subcommand("sample",
                                    "draws from the learned models, and measures their law and their "
                                    "posteriors; writes pictures, quality.md and quality.json");
    sub.add_option("--weights", s->weights, "folder of the networks; the default are the shipped ones");
    sub.add_option("--samples", s->samples, "of each law")
        ->check(CLI::Range(32, 1 << 16))
        ->capture_default_str();
    sub.add_option("--mean-images", s->mean_images, "noised images whose posterior means are measured")
        ->check(CLI::Range(1, 1437))
        ->capture_default_str();
    sub.add_option("--mean-draws", s->mean_draws, "draws for such a mean")
        ->check(CLI::Range(2, 1 << 12))
        ->capture_default_str();
    sub.add_option("--most-solved", s->most_solved, "most evaluations of GLASS by ODE for a draw")
        ->check(CLI::Range(1, 1 << 12))
        ->capture_default_str();
    sub.add_option("--guidance-weight", s->guidance_weight,
                   "w of classifier-free guidance, in the picture by label")
        ->check(between(-100, 100))
        ->capture_default_str();
    sub.add_option(
           "--bandwidth", s->bandwidth,
           "standard deviation h of the noise on the images; default what the networks were trained with")
        ->check(between(0.01, 10));
    sub.add_option("--seed", s->seed, "of everything drawn")->check(not_negative)->capture_default_str();
    studies::add_seeds(sub, s->seeds);
    sub.add_option("--threads", s->threads, "0: one per core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    sub.add_option("--data", s->data, "folder of images.npy, labels.npy and held_out.npy");
    sub.add_option("--out", s->out, "folder to write to")->capture_default_str();
    return {&sub, [s] { studies::run_over_seeds(*s, "quality", "What the learned models draw", run); }};
}

} // namespace digits
