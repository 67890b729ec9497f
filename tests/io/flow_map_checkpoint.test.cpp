// Joint flow maps through files: exact round trips with sign, divisor and base deviation, and refusals of a
// file that does not say them.
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/align/objective.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/train/warm_start.hpp>

namespace io_flow_map_checkpoint_test {

using diamond::diamond_mlp_with_divergence, diamond::philox;
using diamond::io::file_error, diamond::io::tensor_file;

namespace {

using batch = diamond::eigen::batch<float>;
using net = diamond_mlp_with_divergence<batch, diamond::linear_schedule>;
using map = diamond::io::mlp_flow_map<batch>;

std::filesystem::path scratch_file(const char* name) {
    return std::filesystem::temp_directory_path() / (std::string("diamond_joint_") + name);
}

map make(const diamond::eigen::context& context, bool rotated, double sign) {
    const double c = std::cos(0.3), s = std::sin(0.3);
    const net network(
        {},
        diamond::gaussian_frame<batch>(
            context,
            {{0.1, -0.2}, {1.5, 0.3}, rotated ? std::vector<double>{c, s, -s, c} : std::vector<double>{}}),
        {.mlp = {.width = 5, .blocks = 2}, .classes = 3},
        {.divisor = 0.1 + 0.2, .resolution = 1.0 / 3.0, .sign = sign});
    batch theta(context, network.parameters(), 1);
    diamond::draw_normal(philox{4}.stream(diamond::purpose::user), theta.mutable_view());
    return map(diamond::trained_network(network, std::move(theta)), {.base_deviation = 1.7});
}
std::pair<std::vector<float>, std::vector<double>> values_of(map of, const diamond::eigen::context& context) {
    batch x(context, 2, 9), out(context, 2, 9);
    std::vector<double> m(9);
    diamond::draw_normal(philox{5}.stream(diamond::purpose::user), x.mutable_view());
    of(x.read(), {0.9, 0.2}, diamond::labels(1), out.mutable_view(), diamond::row(context, 9, m.data()));
    return {diamond::to_host(out), m};
}

} // namespace

TEST_CASE("a flow map with divergence comes back bit for bit") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("map");
    for (const bool rotated : {false, true}) {
        const auto original = make(context, rotated, rotated ? -1.0 : 1.0);
        diamond::io::save_flow_map(path, original, {{"note", "from a test"}});
        const auto back = diamond::io::load_flow_map<batch>(context, path);
        CHECK(values_of(back, context) == values_of(original, context));
        CHECK(back.base_deviation() == 1.7);
        CHECK_THROWS_WITH_AS(static_cast<void>(diamond::log_likelihood{back}), doctest::Contains("1.7"),
                             std::invalid_argument); // densities of another base are none of its
        CHECK_THROWS_WITH_AS(static_cast<void>(diamond::negative_log_likelihood{back}),
                             doctest::Contains("1.7"), std::invalid_argument);
        const auto file = diamond::io::read_safetensors(path);
        CHECK(file.metadata.at("divergence") == (rotated ? "-div" : "+div"));
        CHECK(file.metadata.at("note") == "from a test");
        CHECK_THROWS_WITH_AS(static_cast<void>(diamond::io::load_network<batch>(context, path)),
                             doctest::Contains("joint_network"), file_error);
        // a head of the other sign gives the other m, and that alone: the divergence's row is not guessed
        auto other = file;
        other.metadata.at("divergence") = rotated ? "+div" : "-div";
        const auto turned = values_of(diamond::io::flow_map_from<batch>(context, other), context);
        CHECK(turned.first == values_of(original, context).first);
        CHECK(turned.second != values_of(original, context).second);
    }
    std::filesystem::remove(path);
}

TEST_CASE("a file that does not say sign, divisor or base deviation is refused") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("refused");
    diamond::io::save_flow_map(path, make(context, false, 1.0));
    const auto file = diamond::io::read_safetensors(path);
    std::filesystem::remove(path);
    const auto refused = [&](const char* key, const char* value, const char* reason) {
        auto spoilt = file;
        if (value)
            spoilt.metadata.at(key) = value;
        else
            spoilt.metadata.erase(key);
        CHECK_THROWS_WITH_AS(static_cast<void>(diamond::io::flow_map_from<batch>(context, spoilt)),
                             doctest::Contains(reason), file_error);
    };
    for (const char* key : {"divergence", "divergence_divisor", "divergence_resolution", "base_deviation",
                            "format", "schedule"})
        refused(key, nullptr, key);
    refused("divergence", "div", "'+div' or '-div'");
    refused("divergence_divisor", "0", "positive");
    refused("divergence_divisor", "nan", "positive");
    refused("base_deviation", "-1", "positive");
    refused("base_deviation", "1e999", "positive");
    refused("divergence_resolution", "0.1x", "positive");
    refused("format", "diamond_network", "joint_network");
}

TEST_CASE("a warm start is the sampler, with the Gaussian's divergence") {
    const diamond::eigen::context context{.threads = 1};
    const diamond::diamond_mlp_options shape{
        .mlp = {.width = 7, .blocks = 2, .norm = diamond::normalisation::layer}, .classes = 2};
    const diamond::gaussian_frame<batch> frame(context, {{0.1, -0.2, 1.0}, {1.5, 0.3, 0.1}, {}});
    const diamond::diamond_mlp<batch, diamond::linear_schedule> architecture({}, frame, shape);
    batch theta(context, architecture.parameters(), 1);
    diamond::draw_normal(philox{4}.stream(diamond::purpose::user), theta.mutable_view());
    const diamond::trained_network sampler(architecture, std::move(theta));
    const net network({}, frame, shape);
    batch start(context, network.parameters(), 1);
    network.initialise(philox{1}, start.mutable_view());
    diamond::network_flow_map before{diamond::trained_network(
        network, diamond::from_host<float>(context, start.size(), 1, diamond::to_host(start)))};
    diamond::warm_start(network, sampler, start.mutable_view());
    diamond::network_flow_map joint{diamond::trained_network(network, std::move(start))};
    diamond::network_flow_map plain{sampler};
    batch x(context, 3, 9), expected(context, 3, 9), found(context, 3, 9);
    std::vector<double> m(9), gaussian(9);
    diamond::draw_normal(philox{5}.stream(diamond::purpose::user), x.mutable_view());
    before(x.read(), {0.8, 0.1}, diamond::labels(1), found.mutable_view(),
           diamond::row(context, 9, gaussian.data()));
    joint(x.read(), {0.8, 0.1}, diamond::labels(1), found.mutable_view(), diamond::row(context, 9, m.data()));
    plain(x.read(), {0.8, 0.1}, diamond::labels(1), expected.mutable_view());
    // the last layer's products are of one more row, so the sums may be taken in another order: a few
    // roundings of 24 bits
    for (diamond::index_t e = 0; e < 27; ++e)
        CHECK(found.data()[e] == doctest::Approx(expected.data()[e]).epsilon(1e-5));
    CHECK(m == gaussian);

    batch other(context, 2 * network.parameters(), 1); // as many as any of these needs
    const net otherwise(
        {}, frame, {.mlp = {.width = 7, .blocks = 2, .norm = diamond::normalisation::rms}, .classes = 2});
    CHECK_THROWS_WITH_AS(diamond::warm_start(otherwise, sampler, other.mutable_view()),
                         doctest::Contains("of another activation or norm"), std::invalid_argument);
    const net wider({}, frame, {.mlp = {.width = 8, .blocks = 2}, .classes = 2});
    CHECK_THROWS_WITH_AS(diamond::warm_start(wider, sampler, other.mutable_view()),
                         doctest::Contains("layer 0 is 8 x"), std::invalid_argument);
    const net elsewhere({}, diamond::gaussian_frame<batch>(context, {{0.1, -0.2, 1.0}, {1.5, 0.3, 0.2}, {}}),
                        shape);
    CHECK_THROWS_WITH_AS(diamond::warm_start(elsewhere, sampler, other.mutable_view()),
                         doctest::Contains("frame"), std::invalid_argument);
    const net unlabelled({}, frame, {.mlp = {.width = 7, .blocks = 2}});
    CHECK_THROWS_WITH_AS(diamond::warm_start(unlabelled, sampler, other.mutable_view()),
                         doctest::Contains("classes"), std::invalid_argument);
}

} // namespace io_flow_map_checkpoint_test
