// A diffusion transformer as a Diamond network: it begins as its frame's Gaussian, its derivatives agree with
// differences, it trains by every loss and goes on after a kill, and options out of range are refused.
#include <filesystem>
#include <optional>
#include <vector>

#include <diamond/io/training_checkpoint.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/dit.hpp>
#include <diamond/train/diamond_trainer.hpp>

#include <support/back_ends.hpp>
#include <support/image_networks.hpp>

namespace nn_dit_test {

using diamond::diamond_dit, diamond::index_t, diamond::linear_schedule, diamond::philox, diamond::dit_options;

namespace {

using batch = diamond::eigen::batch<double>;

dit_options small(index_t classes = 0) {
    return {.shape = {.channels = 2, .height = 4, .width = 4},
            .width = 8,
            .blocks = 1,
            .heads = 2,
            .expansion = 2,
            .classes = classes};
}
template <class Head>
struct make_small {
    index_t classes = 0, vector_size = 0;
    bool basis = false;
    template <class Batch>
    diamond_dit<Batch, linear_schedule, Head> operator()(const diamond::backend_of_t<Batch>& context) const {
        std::optional<diamond::gaussian_frame<Batch>> of_vectors;
        if (vector_size > 0) of_vectors.emplace(context, image_networks::frame_numbers(vector_size));
        return {{},
                diamond::gaussian_frame<Batch>(context, image_networks::frame_numbers(32, basis)),
                of_vectors,
                small(classes)};
    }
};

} // namespace

TEST_CASE("tangents, products and gradients of a DiT agree with differences") {
    const diamond::eigen::context context{.threads = 2};
    image_networks::check_derivatives(make_small<diamond::no_head>{}.operator()<batch>(context), 3);
    image_networks::check_derivatives(
        make_small<diamond::divergence_head>{2, 3, true}.operator()<batch>(context), 4);
}

TEST_CASE("a DiT begins as its frame's Gaussian") {
    const diamond::eigen::context context{.threads = 2};
    const auto network = make_small<diamond::divergence_head>{2}.operator()<batch>(context);
    const diamond::diamond_mlp_with_divergence<batch, linear_schedule> gaussian(
        {}, network.frame(), {.mlp = {.width = 4, .blocks = 0}, .classes = 2});
    image_networks::check_begins_as(network, gaussian, 5);
    CHECK(network.options().classes == 2);
    CHECK(network.classes() == 2);
}

TEST_CASE_TEMPLATE("a DiT gives the same on every back end, and the same bits on any number of threads",
                   back_end, TWO_BACK_ENDS) {
    image_networks::check_back_end<back_end>(make_small<diamond::divergence_head>{2, 3}, 9,
                                             128 * back_end::tolerance);
}

TEST_CASE("a DiT trains, and goes on after a kill to the same bits") {
    using images = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    // Two images, each the other's negative and a class of its own: the label says all.
    const auto one = numbers::normals<float>(32, 7);
    std::vector<float> both(one);
    std::vector<double> variance;
    for (const float x : one) {
        both.push_back(-x);
        variance.push_back(static_cast<double>(x) * static_cast<double>(x) + 0.01);
    }
    const diamond::training_set<images> data(diamond::from_host<float>(context, 32, 2, both), 0.1, {0, 1});
    const diamond_dit<images, linear_schedule> network(
        {}, diamond::gaussian_frame<images>(context, {std::vector<double>(32, 0.0), variance, {}}), small(2));
    const auto trainer = [&](auto loss) {
        return diamond::diamond_trainer(
            network, data, philox{1},
            {.steps = 80, .batch = 64, .diagonal_first = 0.0, .rate = {.peak = 5e-3, .warm_up = 10}}, loss);
    };
    auto whole = trainer(diamond::lagrangian_loss{});
    auto state = whole.start();
    std::vector<double> losses;
    const auto step = [&] {
        whole.step(state);
        losses.push_back(whole.report(state).diagonal_loss);
    };
    while (state.step < 40) step();
    const auto path = std::filesystem::temp_directory_path() / "diamond_dit_training.safetensors";
    diamond::io::save_training(path, state, "a DiT");
    while (state.step < 80) step();
    const auto mean_of = [&](std::size_t from) {
        double sum = 0.0;
        for (std::size_t k = from; k < from + 20; ++k) sum += losses[k] / 20.0;
        return sum;
    };
    CAPTURE(mean_of(0));
    CAPTURE(mean_of(60));
    CHECK(mean_of(60) < 0.98 * mean_of(0));
    auto again = trainer(diamond::lagrangian_loss{});
    auto resumed = diamond::io::load_training<images>(context, path, "a DiT", again.parameters());
    CHECK(resumed.step == 40);
    again.run(resumed);
    CHECK(diamond::to_host(resumed.theta) == diamond::to_host(state.theta));
    CHECK(diamond::to_host(resumed.average) == diamond::to_host(state.average));
    std::filesystem::remove(path);

    const auto steps = [&](auto loss) {
        auto other = trainer(loss);
        auto at = other.start();
        for (int k = 0; k < 3; ++k) other.step(at);
        return other.report(at).off_diagonal_loss;
    };
    CHECK(steps(diamond::eulerian_loss{}) > 0.0);
    CHECK(steps(diamond::semigroup_loss{.midpoint = true}) > 0.0);
    CHECK(steps(diamond::mean_flow_loss{}) > 0.0);
}

TEST_CASE("options of a DiT out of range are refused") {
    const diamond::network_rows rows{.dimension = 32};
    const auto refused = [&](const auto& change, const char* sentence) {
        auto options = small();
        change(options);
        CHECK_THROWS_WITH_AS(static_cast<void>(diamond::dit_layers(options, rows)), sentence,
                             std::invalid_argument);
    };
    refused([](auto& o) { o.width = 0; }, "a DiT of width 0: 1 to 1048576 is needed");
    refused([](auto& o) { o.patch = 0; }, "a DiT of patch 0: 1 to 1048576 is needed");
    refused([](auto& o) { o.blocks = 0; }, "a DiT of blocks 0: 1 to 1048576 is needed");
    refused([](auto& o) { o.expansion = 0; }, "a DiT of expansion 0: 1 to 1048576 is needed");
    refused([](auto& o) { o.patch = 3; }, "a DiT of patches of 3 pixels for images of 2 x 4 x 4: height and "
                                          "width must be multiples of the patch");
    refused([](auto& o) { o.heads = 3; },
            "a DiT of width 8 and 3 heads: the width must be a multiple of the heads");
    refused([](auto& o) { o.shape.channels = 3; },
            "a network of dimension 32 for images of 3 x 4 x 4: they have one number for each channel and "
            "pixel");
    refused([](auto& o) { o.nonlinearity = static_cast<diamond::activation>(-1); },
            "a DiT of nonlinearity -1: it is none of ours");
}

} // namespace nn_dit_test
