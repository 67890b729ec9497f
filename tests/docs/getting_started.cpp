// The lines that docs/getting_started.md shows.
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>

namespace mine {
using batch = diamond::eigen::batch<float>;

// [reward]
struct bright_upper_half { // of an 8 x 8 image with pixels from -1 to 1, in nats
    double strength;
    template <class Column>
    DIAMOND_HD double operator()(const Column& image) const {
        double ink = 0.0;
        for (diamond::index_t i = 0; i < 32; ++i) ink += image[i];
        return strength * ink;
    }
};
// [/reward]

/// Stands for what runs a network's weights.
struct my_model {
    /// velocity = u(x, t) for n samples of d numbers, both C-ordered (n, d), and their n times.
    void run(const float* x, const std::vector<float>& times, diamond::index_t d, float* velocity) const {
        for (std::size_t j = 0; j < times.size(); ++j)
            for (std::size_t i = 0; i < static_cast<std::size_t>(d); ++i) {
                const std::size_t k = i + static_cast<std::size_t>(d) * j;
                velocity[k] = times[j] * x[k];
            }
    }
};

// [network]
struct my_network {
    using batch_type = batch;
    std::shared_ptr<const my_model> model; // copies of a network share its weights

    diamond::index_t dimension() const { return 64; }
    using workspace_type = std::vector<float>; // whatever a call needs: here the times
    workspace_type make_workspace(const diamond::eigen::context&, diamond::index_t columns) const {
        return workspace_type(static_cast<std::size_t>(columns));
    }
    // out = u(x, t), a column for each particle; x.data() is C-ordered (columns, 64)
    void operator()(diamond::const_view_t<batch> x, diamond::time_view t, diamond::no_condition,
                    workspace_type& times, diamond::view_t<batch> out) const {
        times.resize(static_cast<std::size_t>(x.columns()));
        for (std::size_t j = 0; j < times.size(); ++j)
            times[j] = static_cast<float>(t[static_cast<diamond::index_t>(j)]);
        model->run(x.data(), times, dimension(), out.data());
    }
};

auto map_of(const my_network& network) {
    return diamond::glass_diamond_map{diamond::linear_schedule{}, network,
                                      diamond::explicit_midpoint{.steps = 8}};
}
// [/network]
static_assert(diamond::diamond_map<decltype(map_of({}))>);
} // namespace mine

using namespace mine;

void shipped_model(const std::filesystem::path& weights) {
    // [shipped]
    const diamond::eigen::context context; // all threads that this process may use
    const auto network = diamond::io::load_network<batch>(context, weights / "diamond.safetensors");
    const diamond::network_diamond_map map{network}; // draws z given x_t, by one evaluation

    const bright_upper_half reward{.strength = 0.5};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 16}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 1024, .steps = 16}};

    const auto result = sampler(context, diamond::philox{.seed = 1}, diamond::labels{7}); // sevens
    // [/shipped]

    // [result]
    const std::vector<double> weight = result.weights(); // they sum to 1
    double mean_reward = 0.0;
    for (std::size_t j = 0; j < weight.size(); ++j) mean_reward += weight[j] * result.rewards[j];
    std::printf("log Z %.2f +- %.2f, mean reward %.2f, %.0f effective particles\n", result.log_z,
                result.log_z_standard_error, mean_reward, result.ess);
    for (const auto& warning : result.warnings) std::printf("warning: %s\n", warning.c_str());
    // A column of 64 pixels for each particle, on the host.
    const std::vector<float> images = diamond::to_host(result.particles);
    // [/result]
    static_cast<void>(images);

    // [islands]
    std::vector<diamond::smc_result<batch>> runs(8);
    for (std::uint64_t k = 0; k < runs.size(); ++k) {
        try {
            runs[k] = sampler(context, diamond::philox{.seed = 1}.split(k), diamond::labels{7});
        } catch (const diamond::dead_weights&) {
            runs[k].log_z = -diamond::infinity; // a run whose weights all died is a zero in the mean
        }
    }
    const auto all = diamond::combine_islands(runs);
    std::printf("log Z %.2f +- %.2f\n", all.log_z, all.standard_error);
    for (const auto& warning : all.warnings) std::printf("warning: %s\n", warning.c_str());
    // [/islands]
}

void measurements(const diamond::eigen::context& context, const std::vector<float>& seen) {
    // [measurements]
    // Some coordinates, counted from 0: the first row of an image of 8 x 8 pixels.
    const diamond::mask_measurement<batch> mask{context, 64, {0, 1, 2, 3, 4, 5, 6, 7}};
    // The means of its blocks of 2 x 2 pixels, 4 x 4 numbers.
    const diamond::down_sampling_measurement<batch> small{{.channels = 1, .height = 8, .width = 8}, 2};
    // W z + b with W in R^{m x d}, column by column: the sum of all pixels.
    const diamond::affine_measurement ink{context, std::vector<float>(64, 1.0f), std::vector<float>{0.0f}};

    // r(z) = -|A(z) - seen|^2 / (2 s^2), here with s = 0.1 and as many numbers seen as A has.
    const diamond::gaussian_measurement_reward reward{context, mask, seen, 0.1};
    // [/measurements]
    static_cast<void>(small.outputs() + ink.outputs() + reward.dimension());

    // [operators]
    const diamond::image_shape shape{.channels = 1, .height = 8, .width = 8};
    // The circular convolution with a kernel, here of 3 x 3 weights of a Gaussian.
    const diamond::blur_measurement<batch> blur{context, shape, diamond::gaussian_blur(0.8, 3)};
    // W z with W sparse: the difference of two pixels. sparse_matrix_of takes an Eigen::SparseMatrix.
    const diamond::sparse_measurement<batch> edge{
        context, {.rows = 1, .columns = 64, .entries = {{0, 27, -1.0}, {0, 28, 1.0}}}};
    // An operator and its transpose as functions, which are tried against each other.
    const diamond::operator_measurement<batch> doubled{context, 64, 64,
                                                       [](auto z, auto out) { assign(out, 2.0 * z); },
                                                       [](auto y, auto out) { assign(out, 2.0 * y); }};
    // Any A(z) with (dA/dz)^T cotangent: the exponentials of the pixels.
    const diamond::function_measurement<batch> light{
        64, 64, [](auto z, auto out) { assign(out, exp(z)); },
        [](auto z, auto cotangent, auto out) { assign(out, exp(z) * cotangent); }};
    // [/operators]
    // [noise]
    // Noise of each number's own deviation.
    const auto of_each = diamond::whitened_measurement_reward(context, mask, seen,
                                                              {0.1, 0.1, 0.1, 0.1, 0.4, 0.4, 0.4, 0.4});
    // Noise whose variance is not known, with an inverse gamma prior: it is integrated out.
    const diamond::student_measurement_reward unknown{context, mask, seen, {.shape = 2.0, .scale = 0.01}};
    // [/noise]
    static_cast<void>(blur.outputs() + edge.outputs() + doubled.outputs() + light.outputs() +
                      of_each.dimension() + unknown.dimension());
}

void posterior(const batch& particles, const std::vector<double>& weights, const std::vector<double>& truth) {
    // [posterior]
    const auto samples = diamond::samples_on_host(particles, weights); // result.particles, result.weights()
    const auto [mean, deviation] = diamond::summarise(samples);
    const auto [lower, upper] = diamond::intervals(samples, 0.9);
    const auto eight = diamond::draw_equal(samples, 8, diamond::philox{.seed = 1}); // particles of equal
                                                                                    // weight
    // [/posterior]
    // [calibration]
    diamond::calibration record{{.level = 0.9}}; // then for each of many problems
    record.add(samples, truth);
    std::printf("coverage %.2f, spread/error %.2f, CRPS %.3f\n", record.coverage().value,
                record.spread_skill().value, record.crps().value);
    // [/calibration]
    static_cast<void>(mean.size() + deviation.size() + lower.size() + upper.size() + eight.size());
}

// [main]
int main() {
    try {
        shipped_model("diamond/examples/studies/digits/weights");
    } catch (const std::exception& error) { // says what is wrong and what to do
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
// [/main]
