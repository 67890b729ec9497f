// digits likelihood: bits per dimension of held-out images by a few evaluations of the joint map, beside the
// many-step teacher.
#include "../shared/likelihood.hpp"

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/json.hpp>
#include <diamond/plot/png.hpp>

#include "command_line.hpp"
#include "flow_map_training.hpp"
#include "tasks.hpp"

namespace digits {

namespace {

struct likelihood_settings {
    std::filesystem::path data = default_data(), weights = default_weights(), out = "out/digits_likelihood";
    index_t images = 180; ///< held-out ones, from the first on
    double tolerance = 1e-3;
    std::uint64_t seed = 1;
    index_t seeds = 1; ///< from that one on
    int threads = 0;
};

constexpr index_t few[] = {1, 2, 4, 8};

/// The networks' images put level k at k/8 - 1, not at the middle of its share of [-1, 1]: they are 17/16
/// times the scaled levels.
constexpr double stretch = static_cast<double>(levels) / (levels - 1);

/// Dequantised images on the networks' scale, each level with a uniform of its own.
batch dequantised(const context& where, const images& part, index_t count, diamond::philox rng) {
    floats level(part.data.begin(), part.data.begin() + count * pixels);
    for (real& x : level) x = std::round((x + 1) * real{0.5} * (levels - 1));
    batch result = diamond::from_host<real>(where, pixels, count, level);
    diamond::dequantise(result.read(), levels, rng.stream(diamond::purpose::data), result.mutable_view());
    for (index_t e = 0; e < result.size(); ++e) result.data()[e] *= static_cast<real>(stretch);
    return result;
}

/// Log-densities of those numbers as bits per dimension of the levels.
std::vector<double> bits(std::vector<double> log_density) {
    for (double& value : log_density)
        value = diamond::bits_per_dimension(value + static_cast<double>(pixels) * std::log(stretch), pixels,
                                            levels);
    return log_density;
}

/// One seed: its tables.
std::vector<studies::table> run(const likelihood_settings& chosen) {
    using namespace diamond;
    const diamond::stopwatch clock;
    const context where{.threads = chosen.threads};
    const data_set data = load(chosen.data);
    const auto joint = load_joint(where, chosen.weights);
    const auto teacher = load_network(where, chosen.weights, "teacher");
    // The bandwidth is the teacher's, and the joint map's where its file states one.
    const auto bandwidth = trained_bandwidth(chosen.weights, {"teacher", "joint"}, std::nullopt);
    const auto count = std::min(chosen.images, data.held_out.count());
    const batch x = dequantised(where, data.held_out, count, philox{chosen.seed});
    studies::make_folder_of(chosen.out / "likelihood.md");
    progress_line line;
    line.show("the teacher by many steps, with the exact trace");

    const auto by_jumps = [&](index_t jumps) {
        return likelihood_options{.steps = jumps, .base_deviation = joint.base_deviation()};
    };
    const auto measured = [&](std::string name, auto map, index_t jumps) {
        auto row = studies::likelihoods_of(std::move(name), std::move(map), by_jumps(jumps), x.read());
        row.values = bits(std::move(row.values));
        return row;
    };
    const dormand_prince solver{.relative_tolerance = chosen.tolerance,
                                .absolute_tolerance = chosen.tolerance};
    auto reference = measured("teacher, many steps, exact trace",
                              ode_flow_map{exact_divergence{network_velocity{teacher}}, solver}, 1);
    const auto truth = reference.values;
    std::vector<studies::likelihoods> rows;
    for (const index_t n : few) {
        const auto name = std::to_string(n) + (n == 1 ? " evaluation" : " evaluations");
        line.show(name);
        auto row = measured(name, joint, n);
        studies::add_validity(row, joint, by_jumps(n), x.read());
        rows.push_back(std::move(row));
    }
    const studies::scatter drawn{.title = "Bits per dimension, image by image",
                                 .x = "teacher, many steps with the exact trace",
                                 .y = "joint map, few evaluations",
                                 .reference = truth};
    plot::write_png(chosen.out / "scatter.png", drawn.of(rows));
    for (const index_t n : few)
        rows.push_back(measured("teacher, Euler and Hutchinson, " + std::to_string(n),
                                ode_flow_map{hutchinson_divergence{network_velocity{teacher}},
                                             euler{.steps = n}, philox{chosen.seed}.stream(purpose::user)},
                                1));
    rows.push_back(measured("the joint map's own velocity, many steps",
                            ode_flow_map{exact_divergence{network_velocity{joint.network()}}, solver}, 1));
    rows.push_back(std::move(reference));
    const model exact = data_mixture(
        where, linear_schedule{}, from_host<real>(where, pixels, data.train.count(), data.train.data).read(),
        bandwidth);
    studies::likelihoods by_exact{.name = "exact model of the training images",
                                  .evaluations = 1,
                                  .values = std::vector<double>(static_cast<std::size_t>(count))};
    auto space = exact.make_workspace(where, count);
    exact.log_density(x.read(), 1.0, {}, space, diamond::row(where, count, by_exact.values.data()));
    by_exact.values = bits(std::move(by_exact.values));
    rows.push_back(std::move(by_exact));

    studies::table table{"likelihood",
                         "Bits per dimension",
                         "",
                         {"log p by", "evaluations", "bits per dimension", "minus the teacher's",
                          "root mean square of that", "correlation", "round trip",
                          "there against back, nats"}};
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const auto& row : rows) {
        const auto told = studies::compare(row.values, truth);
        table.add({row.name, digits::count(row.evaluations),
                   figure(told.mean, told.standard_error, "%.4f", "%.1g"), figure(told.difference, "%.4f"),
                   figure(told.root_mean_square, "%.4f"), figure(told.correlation, "%.4f"),
                   figure(row.round_trip), figure(row.gap)});
        json.push_back({{"by", row.name},
                        {"evaluations", row.evaluations},
                        {"bits_per_dimension", told.mean},
                        {"standard_error", told.standard_error},
                        {"difference", told.difference},
                        {"root_mean_square", told.root_mean_square},
                        {"correlation", told.correlation},
                        {"round_trip", row.round_trip},
                        {"gap", row.gap},
                        {"values", row.values}});
    }
    line.finish(markdown_of(table));
    io::write_json(chosen.out / "likelihood.json", json);
    write_text(
        chosen.out / "likelihood.md",
        "# Likelihood of held-out digits\n\n" + std::to_string(count) + " held-out images of " +
            std::to_string(levels) +
            " grey levels, dequantised uniformly; unconditional. The models are of images with noise N(0, " +
            number(bandwidth) +
            "^2 I), whose density is what is compared. Evaluations are those of one image, a Jacobian-vector "
            "product counting as two. The round trip is |X_{0,1} X_{1,0} x - x|, root mean square over "
            "images of " +
            std::to_string(pixels) + " pixels.\n\n![image by image](scatter.png)\n\n" + markdown_of(table));
    std::printf("%s: likelihood.md, likelihood.json and scatter.png, in %.1f s\n",
                chosen.out.string().c_str(), clock.seconds());
    return {std::move(table), seconds_of(clock.seconds())};
}

} // namespace

command add_likelihood(CLI::App& app) {
    const auto s = std::make_shared<likelihood_settings>();
    auto& sub = *app.add_subcommand("likelihood",
                                    "bits per dimension of held-out images by 1, 2, 4 and 8 evaluations, "
                                    "beside the many-step teacher; writes likelihood.md and .json");
    sub.add_option("--weights", s->weights,
                   "folder of joint.safetensors and teacher.safetensors; the default are the shipped ones");
    sub.add_option("--images", s->images, "held-out images")
        ->check(CLI::Range(2, 360))
        ->capture_default_str();
    sub.add_option("--tolerance", s->tolerance, "of the teacher's adaptive solver")
        ->check(between(1e-9, 1))
        ->capture_default_str();
    sub.add_option("--seed", s->seed, "of dequantisation and probes")
        ->check(not_negative)
        ->capture_default_str();
    studies::add_seeds(sub, s->seeds);
    sub.add_option("--threads", s->threads, "0: one per core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    sub.add_option("--data", s->data, "folder of images.npy, labels.npy and held_out.npy");
    sub.add_option("--out", s->out, "folder to write to")->capture_default_str();
    return {&sub, [s] { studies::run_over_seeds(*s, "likelihood", "Likelihood of held-out digits", run); }};
}

} // namespace digits
