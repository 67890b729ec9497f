// Networks and training states through files: exact round trips, and refusals of whatever means something
// else.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/training_checkpoint.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

namespace io_checkpoint_test {

using diamond::diamond_mlp, diamond::index_t, diamond::philox;
using diamond::io::file_error, diamond::io::tensor_file;

namespace {

using batch = diamond::eigen::batch<float>;
using net = diamond_mlp<batch, diamond::variance_preserving_schedule>;
using trained = diamond::trained_network<net>;

std::filesystem::path scratch_file(const char* name) {
    return std::filesystem::temp_directory_path() / (std::string("diamond_checkpoint_") + name);
}

trained make(const diamond::eigen::context& context, bool rotated,
             diamond::mlp_options mlp = {
                 .width = 5, .blocks = 2, .nonlinearity = diamond::activation::gelu}) {
    const double c = std::cos(0.3), s = std::sin(0.3);
    const net network(
        {},
        diamond::gaussian_frame<batch>(
            context,
            {{0.1, -0.2}, {1.5, 0.3}, rotated ? std::vector<double>{c, s, -s, c} : std::vector<double>{}}),
        {.mlp = mlp, .classes = 3});
    batch theta(context, network.parameters(), 1);
    diamond::draw_normal(philox{4}.stream(diamond::purpose::user), theta.mutable_view());
    return {network, std::move(theta)};
}
std::vector<float> values_of(const trained& network, const diamond::eigen::context& context) {
    batch x(context, 2, 9), y(context, 2, 9), out(context, 2, 9);
    diamond::draw_normal(philox{5}.stream(diamond::purpose::user), x.mutable_view());
    diamond::draw_normal(philox{6}.stream(diamond::purpose::user), y.mutable_view());
    auto space = network.make_workspace(context, 9);
    network({x.read(), y.read(), diamond::time_view(0.3), diamond::time_view(0.2), diamond::time_view(0.9)},
            diamond::labels(1), space, out.mutable_view());
    return diamond::to_host(out);
}

} // namespace

TEST_CASE("a network comes back bit for bit") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("network");
    for (const bool rotated : {false, true}) {
        const auto network = make(context, rotated);
        diamond::io::save_network(path, network, {{"note", "from a test"}});
        const auto back = diamond::io::load_network<batch, diamond::variance_preserving_schedule>(context,
                                                                                                  path);
        CHECK(diamond::to_host(back.parameters()) == diamond::to_host(network.parameters()));
        CHECK(values_of(back, context) == values_of(network, context));
        CHECK(diamond::io::read_safetensors(path).metadata.at("note") == "from a test");
    }
    std::filesystem::remove(path);
}

TEST_CASE("a network of each activation comes back, under the activation's name") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("activations");
    using enum diamond::activation;
    for (const auto& [kind, name] : {std::pair{identity, "identity"},
                                     {silu, "silu"},
                                     {gelu, "gelu"},
                                     {diamond::activation::tanh, "tanh"},
                                     {relu, "relu"},
                                     {leaky_relu, "leaky_relu"}}) {
        const auto network = make(context, false, {.width = 5, .blocks = 2, .nonlinearity = kind});
        diamond::io::save_network(path, network);
        CHECK(diamond::io::read_safetensors(path).metadata.at("nonlinearity") == name);
        const auto back = diamond::io::load_network<batch, diamond::variance_preserving_schedule>(context,
                                                                                                  path);
        CHECK(back.architecture().options().mlp.nonlinearity == kind);
        CHECK(values_of(back, context) == values_of(network, context));
    }
    std::filesystem::remove(path);
}

TEST_CASE("a network with norms comes back with them, and files without norms say nothing of any") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("norms");
    using diamond::normalisation;
    for (const auto kind : {normalisation::layer, normalisation::rms, normalisation::none}) {
        const auto network = make(context, false,
                                  {.width = 5, .blocks = 2, .norm = kind, .norm_epsilon = 1.5e-6});
        diamond::io::save_network(path, network);
        const auto back = diamond::io::load_network<batch, diamond::variance_preserving_schedule>(context,
                                                                                                  path);
        CHECK(back.architecture().options().mlp.norm == kind);
        CHECK(diamond::to_host(back.parameters()) == diamond::to_host(network.parameters()));
        CHECK(values_of(back, context) == values_of(network, context));
        tensor_file file = diamond::io::read_safetensors(path);
        CHECK(file.metadata.contains("normalisation") == (kind != normalisation::none));
        CHECK(file.tensors.contains("layers.1.norm.weight") == (kind != normalisation::none));
        CHECK(file.tensors.contains("layers.3.norm.bias") == (kind == normalisation::layer));
        CHECK(!file.tensors.contains("layers.0.norm.weight"));
        if (kind == normalisation::none) continue;
        CHECK(back.architecture().options().mlp.norm_epsilon == 1.5e-6);
        const auto refused = [&](const char* reason, tensor_file spoilt) {
            CHECK_THROWS_WITH_AS(
                static_cast<void>(
                    diamond::io::network_from<batch, diamond::variance_preserving_schedule>(context, spoilt)),
                doctest::Contains(reason), file_error);
        };
        file.metadata["normalisation"] = "group";
        refused("normalisation 'group', which is none of ours", file);
        file.metadata.erase("normalisation");
        refused("tensors found, and the metadata account for", file);
        file.metadata["normalisation"] = kind == normalisation::layer ? "layer" : "rms";
        file.metadata["normalisation_epsilon"] = "1e-40";
        refused("a norm of epsilon 1e-40", file);
    }
    CHECK_THROWS_WITH_AS(diamond::io::save_network(path, make(context, false), {{"normalisation", "mine"}}),
                         doctest::Contains("the name is the format's own"), std::invalid_argument);
    std::filesystem::remove(path);
}

TEST_CASE("parameters are saved in half of float's bytes, within the unit roundoff of each") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("halves");
    const auto network = make(context, true,
                              {.width = 5, .blocks = 2, .norm = diamond::normalisation::layer});
    const auto load = [&] {
        return diamond::io::load_network<batch, diamond::variance_preserving_schedule>(context, path);
    };
    const auto bytes_of_layers = [&] {
        const diamond::io::safetensors_reader reader{path};
        std::uint64_t bytes = 0;
        for (const auto& [name, place] : reader.header().tensors)
            if (name.starts_with("layers.")) bytes += place.end - place.begin;
        return bytes;
    };
    diamond::io::save_network(path, network);
    const auto whole = bytes_of_layers();
    using diamond::io::precision;
    for (const auto& [as, roundoff, least] :
         {std::tuple{precision::f16, 0x1p-11, 0x1p-25}, {precision::bf16, 0x1p-8, 0.0}}) {
        diamond::io::save_network(path, network, {}, as);
        CHECK(2 * bytes_of_layers() == whole);
        const auto back = load();
        CHECK(back.architecture().frame().numbers() == network.architecture().frame().numbers());
        const auto given = diamond::to_host(network.parameters()),
                   found = diamond::to_host(back.parameters());
        CHECK(found != given);
        for (std::size_t p = 0; p < given.size(); ++p)
            CHECK(std::abs(double{found[p]} - double{given[p]}) <=
                  std::max(roundoff * std::abs(double{given[p]}), least));
        diamond::io::save_network(path, back, {}, as); // what is rounded stays
        CHECK(diamond::to_host(load().parameters()) == found);
    }
    auto large = make(context, true);
    auto theta = diamond::to_host(large.parameters());
    theta[0] = 7e4F;
    const trained too_large{large.architecture(),
                            diamond::from_host<float>(context, large.architecture().parameters(), 1, theta)};
    CHECK_THROWS_WITH_AS(diamond::io::save_network(path, too_large, {}, precision::f16),
                         doctest::Contains("tensor 'layers.0.weight': number 0 is 70000, beyond the range"),
                         std::invalid_argument);
    diamond::io::save_network(path, too_large, {}, precision::bf16);
    CHECK(std::abs(diamond::to_host(load().parameters())[0] - 7e4F) < 7e4F / 256);
    std::filesystem::remove(path);
}

namespace {
/// A schedule of one's own, whose name does not tell its parameter.
struct own_schedule {
    double bend = 0.0;
    [[nodiscard]] double alpha(double t) const { return t + bend * t * (1.0 - t); }
    [[nodiscard]] double sigma(double t) const { return 1.0 - t; }
    [[nodiscard]] double d_alpha(double t) const { return 1.0 + bend * (1.0 - 2.0 * t); }
    [[nodiscard]] double d_sigma(double) const { return -1.0; }
    [[nodiscard]] std::string name() const { return "bent"; }
};
template <class Schedule>
void save_with(const std::filesystem::path& path, const diamond::eigen::context& context, Schedule schedule) {
    const diamond::diamond_mlp<batch, Schedule> network(
        schedule, diamond::gaussian_frame<batch>(context, {{0.1, -0.2}, {1.5, 0.3}, {}}),
        {.mlp = {.width = 5, .blocks = 1}});
    batch theta(context, network.parameters(), 1);
    diamond::draw_normal(philox{4}.stream(diamond::purpose::user), theta.mutable_view());
    diamond::io::save_network(path, diamond::trained_network{network, std::move(theta)});
}
} // namespace

TEST_CASE("a schedule's parameters are in the file: one with others is refused with both") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("parameters");
    const auto loaded = [&](auto schedule) {
        return diamond::io::load_network<batch>(context, path, schedule).schedule();
    };
    const auto refused = [&](auto schedule, const char* theirs, const char* ours) {
        CHECK_THROWS_WITH_AS(static_cast<void>(loaded(schedule)), doctest::Contains(theirs), file_error);
        CHECK_THROWS_WITH_AS(static_cast<void>(loaded(schedule)), doctest::Contains(ours), file_error);
    };
    save_with(path, context, diamond::cosine_schedule{0.2});
    CHECK(loaded(diamond::cosine_schedule{0.2}).offset == 0.2);
    refused(diamond::cosine_schedule{}, "'cosine 0.2'", "'cosine 0.008'");
    refused(diamond::linear_schedule{}, "'cosine 0.2'", "'linear'");
    save_with(path, context, diamond::variance_preserving_schedule{0.2, 15.0});
    CHECK(loaded(diamond::variance_preserving_schedule{0.2, 15.0}).rate_last == 15.0);
    refused(diamond::variance_preserving_schedule{}, "'variance_preserving 0.2 15'",
            "'variance_preserving 0.1 20'");
    save_with(path, context, own_schedule{0.3});
    CHECK(loaded(own_schedule{0.3}).bend == 0.3);
    refused(own_schedule{}, "of 0.30625 0.75 0.575 0.5 0.80625 0.25", "are 0.25 0.75 0.5 0.5 0.75 0.25");
    { // before a file said so, it was the usual offset that was read
        save_with(path, context, diamond::cosine_schedule{});
        tensor_file file = diamond::io::read_safetensors(path);
        file.metadata["schedule"] = "cosine";
        file.metadata.erase("checksum");
        CHECK_NOTHROW(
            static_cast<void>(diamond::io::network_from<batch, diamond::cosine_schedule>(context, file)));
        CHECK_THROWS_WITH_AS(
            static_cast<void>(diamond::io::network_from<batch>(context, file, diamond::cosine_schedule{0.2})),
            doctest::Contains("'cosine 0.008'"), file_error);
    }
    std::filesystem::remove(path);
}

TEST_CASE("what means something else is refused with the reason") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("refused");
    diamond::io::save_network(path, make(context, true));
    const tensor_file whole = diamond::io::read_safetensors(path);
    const auto refused = [&](const char* reason, const auto& spoil) {
        tensor_file file = whole;
        spoil(file);
        CHECK_THROWS_WITH_AS(
            static_cast<void>(
                diamond::io::network_from<batch, diamond::variance_preserving_schedule>(context, file)),
            doctest::Contains(reason), file_error);
    };
    for (const char* key : {"format", "version", "schedule", "inner_schedule", "parametrisation",
                            "time_direction", "preconditioning", "architecture", "width", "blocks",
                            "nonlinearity", "time_frequencies", "classes"})
        refused((std::string("do not say '") + key + "'").c_str(),
                [&](tensor_file& f) { f.metadata.erase(key); });
    refused("a newer diamond is needed", [](tensor_file& f) { f.metadata["version"] = "2.0"; });
    refused("major.minor is expected", [](tensor_file& f) { f.metadata["version"] = "one"; });
    refused("major.minor is expected", [](tensor_file& f) { f.metadata["version"] = "1.x"; });
    refused("must be orthonormal", [](tensor_file& f) {
        f.tensors["frame.basis"] = diamond::io::make_tensor({2, 2}, std::vector<double>{1.0, 0.5, 0.0, 1.0});
    });
    refused("mean has nan as a coordinate", [](tensor_file& f) {
        f.tensors["frame.mean"] = diamond::io::make_tensor({2}, std::vector<double>{1.0, NAN});
    });
    refused("schedule 'linear'", [](tensor_file& f) { f.metadata["schedule"] = "linear"; });
    refused("schedule 'variance_preserving 0.1 12'",
            [](tensor_file& f) { f.metadata["schedule"] = "variance_preserving 0.1 12"; });
    refused("time_direction 'data_to_noise'",
            [](tensor_file& f) { f.metadata["time_direction"] = "data_to_noise"; });
    refused("width '-5'", [](tensor_file& f) { f.metadata["width"] = "-5"; });
    refused("blocks '99999999999999999999'",
            [](tensor_file& f) { f.metadata["blocks"] = "99999999999999999999"; });
    refused("nonlinearity 'softsign'", [](tensor_file& f) { f.metadata["nonlinearity"] = "softsign"; });
    refused("no tensor 'layers.3.bias'", [](tensor_file& f) { f.tensors.erase("layers.3.bias"); });
    refused("no tensor 'frame.mean'", [](tensor_file& f) { f.tensors.erase("frame.mean"); });
    refused("tensor 'layers.0.weight'", [](tensor_file& f) { f.metadata["width"] = "6"; });
    refused("the metadata account for",
            [](tensor_file& f) { f.tensors["layers.9.bias"] = f.tensors["layers.0.bias"]; });
    refused("must be positive", [](tensor_file& f) {
        f.tensors["frame.variance"] = diamond::io::make_tensor({2}, std::vector<double>{1.0, 0.0});
    });
    refused("not finite", [](tensor_file& f) {
        f.tensors["layers.0.bias"] = diamond::io::make_tensor({5}, std::vector<float>(5, NAN));
    });
    { // a newer minor is read
        tensor_file file = whole;
        file.metadata["version"] = "1.7";
        CHECK_NOTHROW(static_cast<void>(
            diamond::io::network_from<batch, diamond::variance_preserving_schedule>(context, file)));
    }
    std::filesystem::remove(path);
}

TEST_CASE("a file that is no network is refused by its header, before its data are read") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("sparse");
    const auto refused = [&](const std::string& header, std::uintmax_t data) {
        const auto length = std::bit_cast<std::array<char, 8>>(std::uint64_t{header.size()});
        std::ofstream{path, std::ios::binary} << std::string(length.begin(), length.end()) << header;
        std::error_code unsupported;
        std::filesystem::resize_file(path, 8 + header.size() + data, unsupported);
        if (unsupported) return std::string("no sparse files here");
        try {
            static_cast<void>(
                diamond::io::load_network<batch, diamond::variance_preserving_schedule>(context, path));
        } catch (const file_error& error) {
            return error.reason();
        }
        return std::string();
    };
    const auto tensor = [](const std::string& shape, std::uintmax_t from, std::uintmax_t to) {
        return R"({"dtype":"F64","shape":[)" + shape + R"(],"data_offsets":[)" + std::to_string(from) + "," +
               std::to_string(to) + "]}";
    };
    constexpr std::uintmax_t large = 1'000'000'000'000;
    CHECK(refused("{\"a\":" + tensor("125000000000", 0, large) + "}", large) ==
          "the metadata do not say 'format'");
    // one that says it is a network, but for the shape of a layer
    diamond::io::save_network(path, make(context, false));
    std::string metadata;
    for (const auto& [key, value] : diamond::io::read_safetensors(path).metadata)
        if (key != "checksum") metadata += (metadata.empty() ? "\"" : ",\"") + key + "\":\"" + value + "\"";
    const auto network = [&](const std::string& shape) {
        return "{\"__metadata__\":{" + metadata + "},\"frame.mean\":" + tensor("2", 0, 16) +
               ",\"frame.variance\":" + tensor("2", 16, 32) +
               ",\"layers.0.weight\":" + tensor(shape, 32, large) + "}";
    };
    CHECK(refused(network("124999999996"), large)
              .starts_with("tensor 'layers.0.weight': F64 of shape (124999999996,) found"));
    std::filesystem::remove(path);
}

TEST_CASE("any bit that a disk or a copy turns is found, or means nothing") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("spoilt");
    const auto network = make(context, true);
    diamond::io::save_network(path, network);
    std::ifstream in{path, std::ios::binary};
    const std::string whole{std::istreambuf_iterator<char>{in}, {}};
    const auto expected = diamond::to_host(network.parameters());
    int passed = 0;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        auto spoilt = whole;
        spoilt[at] = static_cast<char>(spoilt[at] ^ (1 << at % 8));
        try {
            const auto file = diamond::io::parse_safetensors(diamond::io::bytes_of(spoilt), "spoilt");
            const auto back = diamond::io::network_from<batch, diamond::variance_preserving_schedule>(context,
                                                                                                      file);
            CHECK(diamond::to_host(back.parameters()) == expected); // a letter of the word "checksum" itself
            ++passed;
        } catch (const file_error&) {
        }
    }
    CHECK(passed <= 8 + 7); // "checksum", "crc32c "
    std::filesystem::remove(path);
}

TEST_CASE("a file from before checksums, and one whose numbers others made halves, are read") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("older");
    diamond::io::save_network(path, make(context, true));
    auto file = diamond::io::read_safetensors(path);
    CHECK(file.metadata.at("checksum").starts_with("crc32c "));
    file.metadata.erase("checksum");
    diamond::io::write_safetensors(path, file);
    const auto whole = diamond::io::load_network<batch, diamond::variance_preserving_schedule>(context, path);
    CHECK(diamond::to_host(whole.parameters()) == diamond::to_host(make(context, true).parameters()));
    file.tensors["layers.0.bias"] = {diamond::io::dtype::bf16, {5}, {}};
    for (const auto byte : {0x80, 0x3f, 0x00, 0xc0, 0x00, 0x00, 0x80, 0xbf, 0x00, 0x40})
        file.tensors["layers.0.bias"].bytes.push_back(std::byte(byte));
    diamond::io::write_safetensors(path, file);
    const auto halves = diamond::to_host(
        diamond::io::load_network<batch, diamond::variance_preserving_schedule>(context, path).parameters());
    const auto& layer = whole.architecture().layers()[0];
    const float expected[] = {1, -2, 0, -1, 2};
    for (std::size_t i = 0; i < 5; ++i)
        CHECK(halves[static_cast<std::size_t>(layer.bias()) + i] == expected[i]);
    std::filesystem::remove(path);
}

TEST_CASE("what would not be read again is not written, and the old file stays") {
    const diamond::eigen::context context{.threads = 1};
    const auto path = scratch_file("not_written");
    const auto good = make(context, true);
    diamond::io::save_network(path, good);
    const auto refused = [&](const char* reason, const auto& save) {
        CHECK_THROWS_WITH_AS(save(), doctest::Contains(reason), std::invalid_argument);
        CHECK(diamond::to_host(
                  diamond::io::load_network<batch, diamond::variance_preserving_schedule>(context, path)
                      .parameters()) == diamond::to_host(good.parameters()));
    };
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
        auto theta = diamond::to_host(good.parameters());
        theta[7] = bad;
        const trained spoilt(good.architecture(),
                             diamond::from_host<float>(context, good.architecture().parameters(), 1, theta));
        refused("parameter 7 is ", [&] { diamond::io::save_network(path, spoilt); });
    }
    refused("a note 'schedule': the name is the format's own", [&] {
        diamond::io::save_network(path, good, {{"schedule", "mine"}});
    });
    refused("UTF-8", [&] { diamond::io::save_network(path, good, {{"note", "\xff"}}); });
    const net deep({}, diamond::gaussian_frame<batch>(context, {{0.0}, {1.0}, {}}),
                   {.mlp = {.width = 1, .blocks = 1025}});
    const trained too_deep(deep, batch(context, deep.parameters(), 1));
    refused("blocks 1025: files hold at most 1024", [&] { diamond::io::save_network(path, too_deep); });
    std::filesystem::remove(path);
}

TEST_CASE("a training goes on from its file as if it had never stopped") {
    const diamond::eigen::context context{.threads = 2};
    const auto path = scratch_file("training");
    const diamond::training_set<batch> data(diamond::from_host<float>(context, 2, 3, {0, 1, 2, -1, -2, 0.5f}),
                                            0.3);
    const diamond_mlp<batch, diamond::linear_schedule> network(
        {}, diamond::gaussian_frame<batch>(context, {{0.0, 0.0}, {2.0, 1.0}, {}}),
        {.mlp = {.width = 8, .blocks = 1}});
    diamond::diamond_trainer trainer(network, data, philox{1}, {.steps = 10, .batch = 64});
    auto whole = trainer.start();
    trainer.run(whole);
    auto state = trainer.start();
    trainer.run(state, [](const auto& report) { return report.step < 3; });
    diamond::io::save_training(path, state, "a test");
    auto resumed = diamond::io::load_training<batch>(context, path, "a test", network.parameters());
    CHECK(resumed.step == 4);
    trainer.run(resumed);
    CHECK(diamond::to_host(resumed.theta) == diamond::to_host(whole.theta));
    CHECK(diamond::to_host(resumed.average) == diamond::to_host(whole.average));
    CHECK(resumed.losses().sums() == whole.losses().sums());
    CHECK(resumed.losses().diagonal().step.size() == 10);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(diamond::io::load_training<batch>(context, path, "another", network.parameters())),
        doctest::Contains("setting 'a test'"), file_error);
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::io::load_training<batch>(context, path, "a test", 7)),
                         doctest::Contains("tensor 'theta'"), file_error);
    const auto refused = [&](const char* why, const auto& spoil) {
        auto file = diamond::io::read_safetensors(path);
        spoil(file.tensors);
        CHECK_THROWS_WITH_AS(static_cast<void>(diamond::io::training_from<batch>(context, file, "a test",
                                                                                 network.parameters())),
                             doctest::Contains(why), file_error);
    };
    const auto not_saved = [&](const char* why, const auto& spoil) {
        auto spoilt = trainer.start();
        spoil(spoilt);
        CHECK_THROWS_WITH_AS(diamond::io::save_training(path, spoilt, "a test"), doctest::Contains(why),
                             std::invalid_argument);
        CHECK(diamond::io::load_training<batch>(context, path, "a test", network.parameters()).step == 4);
    };
    not_saved("number of 'mean' 3 is nan", [](auto& s) { s.mean.data()[3] = NAN; });
    not_saved("a sum of losses of -1", [](auto& s) { s.loss_sums.data()[0] = -1; });
    not_saved("a training at step -2", [](auto& s) { s.step = -2; });
    refused("no tensor 'losses'", [](auto& tensors) { tensors.erase("losses"); });
    refused("tensor 'losses': F64 of shape",
            [](auto& tensors) { tensors["losses"] = diamond::io::make_tensor({3}, std::vector<double>(3)); });
    refused("'losses' is negative or not finite", [](auto& tensors) {
        tensors["losses"] = diamond::io::make_tensor({2, 100, 3}, std::vector<double>(600, -1.0));
    });
    std::filesystem::remove(path);
}

} // namespace io_checkpoint_test
