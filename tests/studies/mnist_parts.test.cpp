// The parts of the study of MNIST on the shipped models, in tiny sizes: each leaves rows, a page and
// pictures, and the report keeps what was done before.
#include <filesystem>
#include <string>
#include <vector>

#include <diamond/io/json.hpp>

#include <support/program.hpp>

namespace studies_mnist_parts_test {

namespace {

using diamond_test::empty_folder;
using diamond_test::quoted;
using diamond_test::run_program;

/// Runs a part and returns its rows.
nlohmann::json rows_of(const std::string& part, const std::string& arguments) {
    const auto out = empty_folder("mnist_" + part);
    const auto [status, output] = run_program("mnist", part + " --threads 2 --seed 3 " + arguments +
                                                           " --out " + quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(std::filesystem::exists(out / "report.md"));
    bool picture = false;
    for (const auto& entry : std::filesystem::directory_iterator(out))
        picture = picture || entry.path().extension() == ".png";
    CHECK(picture);
    const auto rows = diamond::io::read_json(out / "report.json");
    REQUIRE(rows.is_array());
    for (const auto& row : rows) CHECK(row.at("table").is_string());
    return rows;
}
/// Returns a number of the first row that has these texts.
double number_of(const nlohmann::json& rows, const std::vector<std::pair<std::string, std::string>>& texts,
                 const std::string& key) {
    for (const auto& row : rows) {
        bool same = true;
        for (const auto& [name, text] : texts) same = same && row.value(name, "") == text;
        if (same && row.contains(key) && row.at(key).is_number()) return row.at(key).get<double>();
    }
    FAIL("no such row");
    return 0.0;
}

} // namespace

TEST_CASE("mnist sample: the Diamond map is nearer to digits in one evaluation than flow matching is") {
    const auto rows = rows_of("sample",
                              "--samples 60 --reference 200 --nearest 10 --evaluations 1 --euler-steps 4");
    const double diamond = number_of(rows, {{"network", "taught"}}, "energy"),
                 gaussian = number_of(rows, {{"method", "Gaussian of the training images"}}, "energy");
    CHECK(diamond < 0.5 * gaussian);
}

TEST_CASE("mnist likelihood: the joint map's bits are near those of many steps, the Gaussian's are not") {
    const auto rows = rows_of(
        "likelihood",
        "--images 6 --exact-images 1 --nodes 2 --steps 1 --sketch 1 --probes 2 --evaluations 4");
    const double many = number_of(rows, {{"method", "many steps, Hutchinson"}}, "bits");
    CHECK(std::abs(number_of(rows, {{"method", "LSD-F2D2"}}, "bits") - many) < 0.4);
    CHECK(number_of(rows, {{"method", "Gaussian of each pixel"}}, "bits") > many + 1.0);
}

TEST_CASE("mnist posterior, align, inpaint, self-guidance: each runs") {
    CHECK(!rows_of("posterior", "--pairs 10 --mean-images 4 --mean-draws 2 --most-solved 8 --times 0.5")
               .empty());
    CHECK(
        !rows_of("align", "--budget 20 --samples 8 --real-images 100 --rewards weights --methods draws beam")
             .empty());
    CHECK(!rows_of("inpaint",
                   "--problems 1 --test-images 0 --kinds small --methods draws --particles 8 --steps 3")
               .empty());
    CHECK(!rows_of("self-guidance", "--samples 40 --reference 100 --jumps 1 --map lagrangian").empty());
}

TEST_CASE(
    "mnist report: a part that was done in this way is kept, and figures stand beside the shipped ones") {
    const auto out = empty_folder("mnist_report");
    const std::string run = "report --parts self-guidance --threads 2 --out " + quoted(out);
    const auto first = run_program("mnist", run);
    INFO(first.output);
    REQUIRE(first.status == 0);
    CHECK(first.output.find("| self_guidance | LSD-F2D2, unguided | 1 |") != std::string::npos);
    const auto rows = diamond::io::read_json(out / "report.json");
    const auto again = run_program("mnist", run);
    CHECK(again.status == 0);
    CHECK(again.output.find("self-guidance: done before in this way") != std::string::npos);
    CHECK(diamond::io::read_json(out / "report.json") == rows);
}

TEST_CASE("mnist: what the parts refuse") {
    const auto out = empty_folder("mnist_refused");
    const auto refused = [](const std::string& arguments, const std::string& reason) {
        const auto [status, output] = run_program("mnist", arguments);
        INFO(arguments, ": ", output);
        CHECK(status > 0);
        CHECK(output.find(reason) != std::string::npos);
    };
    refused("sample --weights " + quoted(out), "teacher.safetensors");
    refused("likelihood --images 0", "--images");
    refused("align --methods nonsense", "nonsense not in {");
    refused("inpaint --deviation nan", "--deviation");
    refused("self-guidance --step-size -1", "--step-size");
    refused("posterior --times 2", "--times");
}

} // namespace studies_mnist_parts_test
