// A U-Net as a Diamond network: it begins as its frame's Gaussian, its derivatives agree with differences, it
// trains by every loss and goes on after a kill, and options out of range are refused.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <variant>
#include <vector>

#include <diamond/io/training_checkpoint.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/unet.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>
#include <diamond/train/warm_start.hpp>

#include <support/back_ends.hpp>
#include <support/image_networks.hpp>

namespace nn_unet_test {

using diamond::diamond_unet, diamond::index_t, diamond::linear_schedule, diamond::philox,
    diamond::unet_options;

namespace {

using batch = diamond::eigen::batch<double>;

unet_options small(index_t classes = 0, index_t patch = 1) {
    return {.shape = {.channels = 2, .height = 4, .width = 4},
            .patch = patch,
            .width = 4,
            .multipliers = {1, 2},
            .attention = {2 / patch},
            .heads = 2,
            .groups = 2,
            .embedding = 6,
            .classes = classes};
}
template <class Head>
struct make_small {
    index_t classes = 0, vector_size = 0;
    bool basis = false;
    index_t patch = 1;
    template <class Batch>
    diamond_unet<Batch, linear_schedule, Head> operator()(const diamond::backend_of_t<Batch>& context) const {
        std::optional<diamond::gaussian_frame<Batch>> of_vectors;
        if (vector_size > 0) of_vectors.emplace(context, image_networks::frame_numbers(vector_size));
        return {{},
                diamond::gaussian_frame<Batch>(context, image_networks::frame_numbers(32, basis)),
                of_vectors,
                small(classes, patch)};
    }
};

} // namespace

TEST_CASE("tangents, products and gradients of a U-Net agree with differences") {
    const diamond::eigen::context context{.threads = 2};
    image_networks::check_derivatives(make_small<diamond::no_head>{}.operator()<batch>(context), 3);
    image_networks::check_derivatives(
        make_small<diamond::divergence_head>{2, 3, true}.operator()<batch>(context), 4);
    image_networks::check_derivatives(
        make_small<diamond::divergence_head>{.patch = 2}.operator()<batch>(context), 3);
}

TEST_CASE("a U-Net of patches has them as the pixels of its finest map") {
    const diamond::eigen::context context{.threads = 2};
    const auto network = make_small<diamond::no_head>{.patch = 2}.operator()<batch>(context);
    index_t finest = 0;
    for (const auto& node : network.stack().nodes())
        if (std::holds_alternative<diamond::convolution>(node.layer))
            finest = std::max(finest, node.shape.height);
    CHECK(finest == 2);
    CHECK(network.parameters() > make_small<diamond::no_head>{}.operator()<batch>(context).parameters());
    const diamond::diamond_mlp<batch, linear_schedule> gaussian({}, network.frame(),
                                                                {.mlp = {.width = 4, .blocks = 0}});
    image_networks::check_begins_as(network, gaussian, 5);
}

TEST_CASE("a U-Net begins as its frame's Gaussian") {
    const diamond::eigen::context context{.threads = 2};
    const auto network = make_small<diamond::divergence_head>{2}.operator()<batch>(context);
    const diamond::diamond_mlp_with_divergence<batch, linear_schedule> gaussian(
        {}, network.frame(), {.mlp = {.width = 4, .blocks = 0}, .classes = 2});
    image_networks::check_begins_as(network, gaussian, 5);
    CHECK(network.options().classes == 2);
    CHECK(network.classes() == 2);
}

TEST_CASE_TEMPLATE("a U-Net gives the same on every back end, and the same bits on any number of threads",
                   back_end, TWO_BACK_ENDS) {
    image_networks::check_back_end<back_end>(make_small<diamond::divergence_head>{2, 3}, 9,
                                             128 * back_end::tolerance);
}

TEST_CASE("a U-Net trains, and goes on after a kill to the same bits") {
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
    const diamond_unet<images, linear_schedule> network(
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
    const auto path = std::filesystem::temp_directory_path() / "diamond_unet_training.safetensors";
    diamond::io::save_training(path, state, "a U-Net");
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
    auto resumed = diamond::io::load_training<images>(context, path, "a U-Net", again.parameters());
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

TEST_CASE("a U-Net with divergence starts from one without") {
    const diamond::eigen::context context{.threads = 2};
    const auto plain = make_small<diamond::no_head>{}.operator()<batch>(context);
    const auto joint = make_small<diamond::divergence_head>{}.operator()<batch>(context);
    const image_networks::numbers_of_call at(plain, 3), with(joint, 3);
    image_networks::call_on call(context, plain, at);
    image_networks::call_on other(context, joint, with);
    joint.initialise(philox{1}, other.theta.mutable_view());
    diamond::warm_start(joint, diamond::trained_network(plain, call.brought(at.theta, plain.parameters(), 1)),
                        other.theta.mutable_view());
    const auto v = call.value(), both = other.value();
    for (std::size_t j = 0; j < 3; ++j)
        for (std::size_t i = 0; i < 32; ++i) CHECK(both[i + 33 * j] == v[i + 32 * j]);
    auto options = small();
    options.nonlinearity = diamond::activation::gelu;
    const diamond_unet<batch, linear_schedule> smooth({}, plain.frame(), options);
    CHECK_THROWS_WITH_AS(
        diamond::warm_start(joint, diamond::trained_network(smooth, batch(context, smooth.parameters(), 1)),
                            other.theta.mutable_view()),
        doctest::Contains("of the sampler's graph of"), std::invalid_argument);
}

TEST_CASE("the frame of pixels has the moments of the points and their noise") {
    const diamond::eigen::context context{.threads = 2};
    const diamond::training_set<batch> data(diamond::from_host<double>(context, 2, 3, {1, 5, 2, 5, 6, 8}),
                                            0.5);
    const auto frame = diamond::fit_pixel_frame(data);
    CHECK(frame.basis.empty());
    CHECK(frame.mean[0] == doctest::Approx(3));
    CHECK(frame.mean[1] == doctest::Approx(6));
    CHECK(frame.variance[0] == doctest::Approx(14.0 / 3 + 0.25));
    CHECK(frame.variance[1] == doctest::Approx(2.25));
    const diamond::training_set<batch> constant(diamond::from_host<double>(context, 2, 2, {1, 5, 2, 5}), 0.0);
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::fit_pixel_frame(constant)),
                         "coordinate 1 of the points is 5 for all of them: give them a bandwidth above 0",
                         std::invalid_argument);
}

TEST_CASE("options of a U-Net out of range are refused") {
    const diamond::network_rows rows{.dimension = 32};
    const auto refused = [&](const auto& change, const char* sentence) {
        auto options = small();
        change(options);
        CHECK_THROWS_WITH_AS(static_cast<void>(diamond::unet_layers(options, rows)), sentence,
                             std::invalid_argument);
    };
    refused([](auto& o) { o.width = 0; }, "a U-Net of width 0: 1 to 1048576 is needed");
    refused([](auto& o) { o.patch = 0; }, "a U-Net of patch 0: 1 to 1048576 is needed");
    refused([](auto& o) { o.patch = 4; },
            "a U-Net of 2 resolutions for images of 2 x 4 x 4: height and width must be multiples of 8");
    refused([](auto& o) { o.blocks = 0; }, "a U-Net of blocks 0: 1 to 1048576 is needed");
    refused([](auto& o) { o.multipliers = {}; }, "a U-Net has the multipliers of 1 to 16 resolutions");
    refused([](auto& o) { o.multipliers = {1, 0}; }, "a U-Net of multiplier 0: 1 to 1048576 is needed");
    refused([](auto& o) { o.groups = 3; },
            "a U-Net of 4 channels in 3 groups: these must divide the channels");
    refused([](auto& o) { o.heads = 3; },
            "a U-Net with attention of 3 heads in 8 channels: these must be a multiple of the heads");
    refused([](auto& o) { o.attention = {3}; },
            "a U-Net with attention at height 3, which none of its resolutions has");
    refused(
        [](auto& o) {
            o.multipliers = {1, 1, 1, 1};
        },
        "a U-Net of 4 resolutions for images of 2 x 4 x 4: height and width must be multiples of 8");
    refused([](auto& o) { o.shape.channels = 3; },
            "a network of dimension 32 for images of 3 x 4 x 4: they have one number for each channel and "
            "pixel");
    refused([](auto& o) { o.nonlinearity = static_cast<diamond::activation>(17); },
            "a U-Net of nonlinearity 17: it is none of ours");
}

} // namespace nn_unet_test
