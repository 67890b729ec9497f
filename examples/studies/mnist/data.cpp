// mnist data: what the data are, in figures and in a picture.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <diamond/plot/image_grid.hpp>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "data_set.hpp"
#include "results.hpp"

namespace mnist {

namespace {

struct settings {
    std::filesystem::path data = default_data(), out = "out/mnist/data";
    index_t shift = 2;
    std::uint64_t seed = 1;
};

/// Draws the first image of each class, and below it as networks are trained on it.
diamond::plot::image_grid picture_of(const images& of, const settings& s) {
    constexpr int drawn = 4;
    std::vector<index_t> first(classes, -1);
    for (index_t j = of.count() - 1; j >= 0; --j)
        first[static_cast<std::size_t>(of.labels[static_cast<std::size_t>(j)])] = j;
    diamond::plot::image_grid grid{.title = "MNIST, the first of each class, and shifted by up to " +
                                            std::to_string(s.shift) + " with noise within a grey level",
                                   .shape = shape,
                                   .shades = {-1, 1},
                                   .zoom = 2};
    for (int row = 0; row <= drawn; ++row) {
        floats all;
        for (const index_t j : first) {
            if (j < 0) continue;
            floats image(static_cast<std::size_t>(pixels));
            make_image(of, j, {.dequantised = row > 0, .shift = row > 0 ? s.shift : 0},
                       diamond::philox{s.seed}, row, j, image.data());
            all.insert(all.end(), image.begin(), image.end());
        }
        grid.rows.push_back({.label = row == 0 ? "as they are" : row == 1 ? "augmented" : "", .pixels = all});
    }
    return grid;
}

void run(const settings& s) {
    const data_set data = load(s.data);
    studies::make_folder_of(s.out / "report.md");
    results told;
    told.picture(s.out, "data", picture_of(data.train, s));
    told.table("parts", "Parts", "Images, and mean and standard deviation of their grey levels 0 to 255.",
               {{"part", "part"},
                {"images", "images"},
                {"mean", "mean", "%.4f"},
                {"deviation", "deviation", "%.4f"}});
    for (const auto& [name, part] : {std::pair{"train", &data.train}, std::pair{"test", &data.test}}) {
        const auto [mean, deviation] = mean_and_deviation(*part);
        told.add({{"part", name}, {"images", part->count()}, {"mean", mean}, {"deviation", deviation}});
    }
    told.table("classes", "Classes", "Images of each class.",
               {{"class", "class"}, {"train", "train"}, {"test", "test"}});
    const auto train = class_counts(data.train), test = class_counts(data.test);
    for (std::size_t c = 0; c < train.size(); ++c)
        told.add({{"class", c}, {"train", train[c]}, {"test", test[c]}});
    told.write(s.out, "The data of MNIST");
    std::printf("\n%s: report.md, report.json and data.png\n", s.out.string().c_str());
}

} // namespace

command add_data(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& sub = *app.add_subcommand(
        "data", "says what the data are, and draws images as they are and as networks are trained on them");
    sub.add_option("--shift", s->shift, "the most pixels by which an image is moved along each axis")
        ->check(CLI::Range(0, 27))
        ->capture_default_str();
    sub.add_option("--seed", s->seed, "of everything drawn")->check(not_negative)->capture_default_str();
    add_data_folder(sub, s->data);
    sub.add_option("--out", s->out, "folder to write to")->capture_default_str();
    return {&sub, [s] { run(*s); }};
}

} // namespace mnist
