// MNIST: the sheets that are read, images made of them, the classifiers that ship, and a training that is
// killed and goes on to the same bits.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <mnist/classifier.hpp>

#include <diamond/io/file.hpp>

#include <support/program.hpp>

namespace studies_mnist_test {

namespace {

namespace io = diamond::io;
using diamond::index_t;
using diamond::philox;
using diamond_test::empty_folder;
using diamond_test::quoted;
using diamond_test::run_program;

const std::filesystem::path data_folder = std::filesystem::path(DIAMOND_MNIST) / "data",
                            weights_folder = std::filesystem::path(DIAMOND_MNIST) / "weights";

const mnist::data_set& data() {
    static const auto all = mnist::load(data_folder);
    return all;
}
std::string bytes(const std::filesystem::path& path) { return io::read_text(path, 1 << 26); }
void write(const std::filesystem::path& path, const std::string& text) {
    io::write_atomically(path, {io::bytes_of(text)});
}
mnist::floats one_image(const mnist::images& of, index_t j, const mnist::making& how, index_t step,
                        index_t column) {
    mnist::floats image(static_cast<std::size_t>(mnist::pixels));
    mnist::make_image(of, j, how, philox{3}, step, column, image.data());
    return image;
}
/// The grey level of a number, by which it was made.
int level_of(float x) { return static_cast<int>(std::floor((double{x} + 1.0) * 128.0)); }

} // namespace

TEST_CASE("mnist: the data are what their page says") {
    CHECK(data().train.count() == 60'000);
    CHECK(data().test.count() == 10'000);
    const auto [mean, deviation] = mnist::mean_and_deviation(data().train);
    CHECK(std::abs(mean - 33.3184) < 5e-5);
    CHECK(std::abs(deviation - 78.5675) < 5e-5);
    const std::vector<std::int32_t> first{7, 2, 1, 0, 4, 1, 4, 9, 5, 9};
    CHECK(std::equal(first.begin(), first.end(), data().test.labels.begin()));
    const auto counts = mnist::class_counts(data().train);
    CHECK(std::accumulate(counts.begin(), counts.end(), index_t{}) == 60'000);
    CHECK(counts[0] == 5923);
    CHECK(counts[1] == 6742);
}

TEST_CASE("mnist: images are made of the middle of their levels, or of all of a level's cell") {
    const auto& of = data().test;
    double sum = 0.0, squares = 0.0;
    for (const index_t j : {0, 17, 9999}) {
        const auto middle = one_image(of, j, {.dequantised = false}, 0, j),
                   spread = one_image(of, j, {}, 0, j);
        for (index_t i = 0; i < mnist::pixels; ++i) {
            const auto k = static_cast<std::size_t>(i);
            const int level = of.image(j)[i];
            CHECK(middle[k] == (static_cast<float>(level) + 0.5f) / 128.0f - 1.0f);
            CHECK(level_of(spread[k]) == level);
            const double u = (double{spread[k]} + 1.0) * 128.0 - level - 0.5;
            sum += u / (3 * mnist::pixels);
            squares += u * u / (3 * mnist::pixels);
        }
        CHECK(spread != one_image(of, j, {}, 1, j));
        CHECK(spread == mnist::made_images(of, j, 1, {}, philox{3})); // whatever stands beside it
    }
    // 2352 uniform numbers: five standard errors
    CHECK(std::abs(sum) < 5.0 * std::sqrt(1.0 / 12.0 / 2352.0));
    CHECK(std::abs(squares - 1.0 / 12.0) < 5.0 * std::sqrt(1.0 / 180.0 / 2352.0));
}

TEST_CASE("mnist: images are moved by whole pixels, each way as often") {
    const auto& of = data().test;
    const index_t shift = 2;
    std::vector<int> seen(25);
    for (index_t column = 0; column < 500; ++column) {
        const auto moved = one_image(of, 0, {.dequantised = false, .shift = shift}, 4, column);
        int matches = 0;
        for (index_t down = -shift; down <= shift; ++down)
            for (index_t right = -shift; right <= shift; ++right) {
                bool same = true;
                for (index_t y = 0; y < 28; ++y)
                    for (index_t x = 0; x < 28; ++x) {
                        const bool inside = y - down >= 0 && y - down < 28 && x - right >= 0 &&
                                            x - right < 28;
                        const int level = inside ? of.image(0)[x - right + 28 * (y - down)] : 0;
                        same = same && level_of(moved[static_cast<std::size_t>(x + 28 * y)]) == level;
                    }
                if (!same) continue;
                ++matches;
                ++seen[static_cast<std::size_t>(right + shift + 5 * (down + shift))];
            }
        CHECK(matches == 1);
    }
    CHECK(*std::ranges::min_element(seen) >= 5); // of 20 expected
    CHECK(*std::ranges::max_element(seen) <= 42);
}

TEST_CASE("mnist: what is no sheet is refused, with what to do") {
    const auto folder = empty_folder("mnist_refused");
    const auto refused = [&](const std::string& reason) {
        CHECK_THROWS_WITH_AS(static_cast<void>(mnist::load_part(folder, "test")),
                             doctest::Contains(reason.c_str()), std::exception);
    };
    const auto sheet = folder / "test_images.png", labels = folder / "test_labels.npy";
    refused("no such file: --data names a folder of train_images.png");
    const std::string whole = bytes(data_folder / "test_images.png");
    std::filesystem::copy_file(data_folder / "test_labels.npy", labels);
    refused("no such file: --data names");
    write(sheet, whole.substr(0, whole.size() / 2));
    refused("truncated: its 783260 bytes end before the last chunk");
    write(sheet, whole.substr(0, whole.size() - 1));
    refused("copy the file again, or name another folder by --data");
    auto spoilt = whole;
    spoilt[whole.size() / 3] = static_cast<char>(spoilt[whole.size() / 3] ^ 1);
    write(sheet, spoilt);
    refused("has another checksum");
    write(sheet, "GIF89a");
    refused("not a PNG file");
    std::filesystem::copy_file(std::filesystem::path(DIAMOND_MNIST) / "pictures" / "data.png", sheet,
                               std::filesystem::copy_options::overwrite_existing);
    refused("a picture of 3 channels, where 8 bits of grey are read");
    std::filesystem::copy_file(data_folder / "train_images.png", sheet,
                               std::filesystem::copy_options::overwrite_existing);
    refused("a picture of 7000 x 6720 pixels, where as many labels as there are beside it take 7000 x 1120");
    write(labels, bytes(labels).substr(0, 500));
    refused("truncated");
}

TEST_CASE("mnist: the cotangent of the cross-entropy, by differences") {
    const std::vector<std::int32_t> labels{3, 0};
    mnist::floats scores(20);
    for (std::size_t i = 0; i < scores.size(); ++i)
        scores[i] = static_cast<float>(std::sin(3.0 * static_cast<double>(i)));
    auto cotangent = scores;
    mnist::to_cotangent(cotangent.data(), labels);
    for (std::size_t i = 0; i < scores.size(); ++i) {
        const auto loss = [&](float by) {
            auto moved = scores;
            moved[i] += by;
            return mnist::to_cotangent(moved.data(), labels);
        };
        CHECK(std::abs((loss(0.0625f) - loss(-0.0625f)) / 0.125 - double{cotangent[i]}) < 1e-4);
    }
}

TEST_CASE(
    "mnist: the shipped classifiers are right on 99 % of 2,000 images, and their features make scores") {
    const mnist::context where;
    constexpr index_t count = 2000;
    std::vector<index_t> widths;
    for (const std::string name : {"judge", "reward"}) {
        INFO(name);
        const auto file = weights_folder / (name + ".safetensors");
        const mnist::classifier net(where, file);
        const auto right = net.right_of(data().test, count);
        const auto all = std::accumulate(right.begin(), right.end(), index_t{});
        MESSAGE(name << ": " << all << " of 2000 right, " << net.graph().parameters() << " parameters");
        CHECK(all >= 1980);
        const auto notes = io::safetensors_reader{file}.header().metadata;
        const int stated = std::stoi(notes.at("right"));
        CHECK(stated >= 9900);
        CHECK(2000 - all <= 10'000 - stated); // no more are wrong than of all
        widths.push_back(net.features());

        const auto images = mnist::made_images(data().test, 0, 3, {}, philox{1});
        const auto scores = net.scores_of(images.data(), 3), features = net.features_of(images.data(), 3);
        const auto& last = net.graph().nodes().back();
        const auto theta = diamond::to_host(net.parameters());
        for (index_t j = 0; j < 3; ++j)
            for (index_t c = 0; c < mnist::classes; ++c) {
                const auto at = [&](index_t i) {
                    return double{theta[static_cast<std::size_t>(last.offset + i)]};
                };
                double score = at(mnist::classes * net.features() + c);
                for (index_t i = 0; i < net.features(); ++i)
                    score += at(c + mnist::classes * i) *
                             double{features[static_cast<std::size_t>(i + net.features() * j)]};
                CHECK(
                    score ==
                    doctest::Approx(scores[static_cast<std::size_t>(c + mnist::classes * j)]).epsilon(1e-4));
            }
    }
    CHECK(widths == std::vector<index_t>{64, 48});
    CHECK(std::filesystem::file_size(weights_folder / "judge.safetensors") +
              std::filesystem::file_size(weights_folder / "reward.safetensors") <
          700'000);
}

TEST_CASE("mnist: kill -9 at random moments, resume: identical classifiers") {
    const std::string
        small = "judge --width 2 --batch 64 --share 0.004 --test-images 250 --checkpoint 2 --threads 1 "
                "--seed 5 --out ";
    const auto whole = empty_folder("mnist_judge"), broken = empty_folder("mnist_judge_killed");
    const auto [status, output] = run_program("mnist", small + quoted(whole));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(output.find("judge: step 30 of 30, loss ") != std::string::npos);
    CHECK(output.find("| class | images | wrong by judge | wrong by reward |") != std::string::npos);

    const auto seed = std::random_device{}();
    std::mt19937 random(seed);
    INFO("moments from seed ", seed);
    const auto killed_after = [&](double seconds) {
        return "timeout -s KILL " + std::to_string(seconds) + " '" +
               (std::filesystem::path(DIAMOND_PROGRAMS) / "mnist").string() + "' " + small + quoted(broken) +
               " 2>/dev/null >/dev/null";
    };
    int kills = 0, resumed = 0;
    // longer and longer: on a busy machine, too, it comes to its end
    for (double longest = 0.8; kills < 100; longest *= 1.2, ++kills) {
        const double moment = std::uniform_real_distribution<>(0.2, longest)(random);
        if (std::system(killed_after(moment).c_str()) == 0) break;
        resumed += std::filesystem::exists(broken / "judge.training") ||
                   std::filesystem::exists(broken / "reward.training");
    }
    CHECK(kills > 0);
    CHECK(resumed > 0); // a checkpoint was there to go on from
    for (const std::string name : {"judge", "reward"}) {
        INFO(name, " after ", kills, " kills");
        CHECK(bytes(whole / (name + ".safetensors")) == bytes(broken / (name + ".safetensors")));
        CHECK(!std::filesystem::exists(broken / (name + ".training")));
    }
    CHECK(bytes(whole / "judge.safetensors") != bytes(whole / "reward.safetensors"));
    const auto again = run_program("mnist", small + quoted(whole));
    CHECK(again.status == 0);
    CHECK(again.output.find("reward: already trained in this way") != std::string::npos);
}

TEST_CASE("mnist: what the program says and refuses") {
    const auto help = run_program("mnist", "--help");
    CHECK(help.status == 0);
    for (const std::string name : {"data", "judge", "train"})
        CHECK(help.output.find("\n  " + name) != std::string::npos);
    const auto out = empty_folder("mnist_data");
    const auto [status, output] = run_program("mnist", "data --out " + quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(output.find("| train | 60000 | 33.3184 | 78.5675 |") != std::string::npos);
    for (const std::string name : {"report.md", "report.json", "data.png"})
        CHECK(std::filesystem::exists(out / name));
    diamond_test::check_full_output("mnist", "data --out " + quoted(out));
    const auto refused = [](const std::string& arguments, const std::string& reason) {
        const auto [status, output] = run_program("mnist", arguments);
        INFO(arguments, ": ", output);
        CHECK(status > 0);
        CHECK(output.find(reason) != std::string::npos);
    };
    refused("judge --network nonsense", "--network: nonsense not in {judge,");
    refused("judge --share 2", "--share: '2' is no number from");
    refused("data --data nowhere", "no such file: --data names a folder");
    refused("nonsense", "not expected");
}

} // namespace studies_mnist_test
