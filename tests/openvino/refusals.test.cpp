// What does not fit is refused when it is loaded or called, in a sentence with the file and what it has.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/openvino/network.hpp>

#include "data.hpp"

namespace openvino_refusals_test {

using diamond::index_t, diamond_test::batch, diamond_test::file;

namespace {

const diamond::eigen::context context{.threads = 1};
constexpr index_t d = 3, n = 4;

/// Checks that a call throws a sentence that has each of these parts.
template <class Error = std::invalid_argument, class Call>
void refused(const Call& call, const std::vector<std::string>& parts) {
    std::string said = "nothing";
    try {
        call();
    } catch (const Error& error) {
        said = error.what();
    }
    CAPTURE(said);
    for (const std::string& part : parts) {
        CAPTURE(part);
        CHECK(said.find(part) != std::string::npos);
    }
}
template <class Condition = diamond::no_condition>
using network = diamond::openvino_network<batch, Condition>;
template <class Network = network<>>
void load_refused(const std::string& name, const std::vector<std::string>& parts,
                  const typename Network::options& options = {}) {
    CAPTURE(name);
    refused([&] { const Network net(context, file(name), options); }, parts);
}

/// A file of the folder for what tests write.
std::filesystem::path written(const std::string& name, const std::string& bytes) {
    const auto path = std::filesystem::temp_directory_path() / ("diamond_openvino_" + name);
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
}
std::string bytes_of(const std::string& name) {
    std::ifstream stream(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    REQUIRE(text.find(from) != std::string::npos);
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;)
        text.replace(at, from.size(), to);
    return text;
}

} // namespace

TEST_CASE("a file that is none is refused") {
    load_refused("missing.onnx", {"missing.onnx: there is no such file"});
    load_refused("layouts", {"layouts: there is no such file"}); // a folder
    const std::string whole = bytes_of("flow.onnx");
    REQUIRE(whole.size() > 1000);
    const std::vector<std::pair<std::string, std::string>> spoilt{
        {"empty.onnx", ""},
        {"text.onnx", "version https://git-lfs.github.com/spec/v1\n"},
        {"zeros.onnx", std::string(1000, '\0')},
        {"other_operation.onnx", replaced(whole, "Tanh", "Tank")}};
    for (const auto& [name, bytes] : spoilt) {
        CAPTURE(name);
        refused([&, path = written(name, bytes)] { const network<> net(context, path); }, {name + ": "});
    }
    // Wherever it is cut; a protobuf message may end between two of its parts, and then lacks an input.
    for (std::size_t length = 0; length < whole.size(); length += 47)
        refused(
            [&, path = written("cut.onnx", whole.substr(0, length))] { const network<> net(context, path); },
            {"cut.onnx: "});
}
TEST_CASE("a byte that was changed anywhere gives a network or a sentence") {
    const std::string whole = bytes_of("flow.onnx");
    index_t taken = 0, sentences = 0;
    for (std::size_t at = 0; at < whole.size(); at += 7) {
        std::string changed = whole;
        changed[at] = static_cast<char>(~changed[at]);
        try {
            const network<> net(context, written("changed.onnx", changed));
            ++taken; // a weight, say, which nothing in the file vouches for
        } catch (const std::invalid_argument& error) {
            CHECK(std::string(error.what()).find("changed.onnx: ") != std::string::npos);
            ++sentences;
        }
    }
    MESSAGE(taken << " taken, " << sentences << " refused");
    CHECK(sentences > 0);
}
TEST_CASE("inputs and outputs of other names, types and shapes are refused with what the file has") {
    const std::string has = "; the file has ";
    load_refused("layouts/named.onnx",
                 {"there is no input 'x', as the options name it" + has +
                  "state f32 [?,3], clock f32 [?,1] -> u f32 [?,3], minus_u f32 [?,3]"});
    load_refused("layouts/named.onnx", {"there is no input 'time'"}, {.x = "state", .t = "time"});
    load_refused("layouts/named.onnx", {"2 outputs, of which the options must name one"},
                 {.x = "state", .t = "clock"});
    load_refused("layouts/named.onnx", {"there is no output 'v', as the options name it"},
                 {.x = "state", .t = "clock", .output = "v"});
    load_refused("layouts/time_column.onnx", {"the input 't' is named twice in the options"}, {.x = "t"});
    load_refused("refused/more.onnx", {"the input 'guidance' is one that nothing is given to" + has});
    load_refused("layouts/vector.onnx", {"the input 'condition' is one that nothing is given to"});

    load_refused("refused/double.onnx",
                 {"input 'x' is of type f64: it must be float32, or half of that" + has});
    load_refused("refused/integers.onnx", {"input 'x' is of type i32"});
    load_refused("refused/integer_time.onnx", {"the time 't' is of type i64 instead of float numbers"});
    load_refused("refused/no_rank.onnx", {"input 'x' is not of shape (N, d)" + has + "x f32 [?], t f32 [?]"});
    load_refused("refused/pair_of_times.onnx", {"the time 't' is none of (), (1), (N) and (N, 1)"});
    load_refused("refused/open.onnx", {"input 'x' leaves open how many numbers a column has"});
    load_refused("refused/wider.onnx", {"an output has 4 numbers a column, where the state has 3" + has});
    load_refused("refused/one_column.onnx", {"the time 't' may be one for all columns or one for each"});
    for (const char* name : {"baked", "added", "twice", "first"})
        load_refused("refused/" + std::string(name) + ".onnx",
                     {"this file cannot be used for any number of columns"});
}
TEST_CASE("conditions that the file or the options do not know are refused") {
    using labelled = network<diamond::labels>;
    using conditioned = network<diamond::condition_vectors<batch>>;
    load_refused<labelled>("layouts/label_int32.onnx", {"give .classes beside the name of its labels"});
    load_refused<labelled>("refused/float_label.onnx",
                           {"the labels 'condition' are of type f32 instead of integers"},
                           {.condition = {.classes = 3}});
    load_refused<labelled>("refused/label_pair.onnx", {"the labels 'condition' are neither (N) nor (N, 1)"},
                           {.condition = {.classes = 3}});
    load_refused<labelled>("layouts/time_each.onnx",
                           {"there is no input 'condition', as the options name it"},
                           {.condition = {.classes = 3}});
    load_refused<conditioned>("layouts/label_int32.onnx", {"input 'condition' is of type i32"});
    load_refused<conditioned>("layouts/vector.onnx",
                              {".none has 2 numbers where the vectors 'condition' have 3"},
                              {.condition = {.none = {1, 2}}});

    const batch x(context, d, n), c(context, 2, n);
    batch out(context, d, n);
    const labelled by_label(context, file("layouts/label_int32.onnx"), {.condition = {.classes = 3}});
    auto labels_space = by_label.make_workspace(context, n);
    refused([&] { by_label(x, 0.5, {}, labels_space, out); }, {"give .none beside the name of its labels"});
    refused([&] { by_label(x, 0.5, diamond::labels(3), labels_space, out); },
            {"label 3 for a network of 3 classes"});
    const conditioned by_vector(context, file("layouts/vector.onnx"));
    auto vector_space = by_vector.make_workspace(context, n);
    refused([&] { by_vector(x, 0.5, {}, vector_space, out); }, {"give .none beside the name of its vectors"});
    refused([&] { by_vector(x, 0.5, diamond::condition_vectors<batch>(c.read()), vector_space, out); },
            {"a condition of 2 numbers for a network that takes 3"});
}
TEST_CASE("files of products that are missing or do not fit are refused") {
    using differentiable = diamond::differentiable_openvino_network<batch>;
    load_refused<differentiable>("layouts/time_each.onnx", {"time_each.vjp.onnx: there is no such file"});
    load_refused<differentiable>("refused/pair.onnx",
                                 {"pair.vjp.onnx: a product with the Jacobian in dimension "
                                  "2, where the network beside it has 3"});
    load_refused<differentiable>("refused/undirected.onnx",
                                 {"undirected.vjp.onnx: there is no input 'cotangent'"});
}
TEST_CASE("files of products that are another network's are refused") {
    using differentiable = diamond::differentiable_openvino_network<batch>;
    const auto mixed = [](const std::string& value, const std::string& vjp, const std::string& jvp) {
        written("mixed.vjp.onnx", bytes_of(vjp));
        written("mixed.jvp.onnx", bytes_of(jvp));
        const differentiable net(context, written("mixed.onnx", bytes_of(value)));
    };
    CHECK_NOTHROW(mixed("flow.onnx", "flow.vjp.onnx", "flow.jvp.onnx"));
    refused([&] { mixed("layouts/time_each.onnx", "flow.vjp.onnx", "flow.jvp.onnx"); },
            {"mixed.onnx: the products in the files beside it are those of another network"});
    refused([&] { mixed("flow.onnx", "layouts/linear.vjp.onnx", "flow.jvp.onnx"); },
            {"mixed.onnx: the files of its products contradict each other"});
}
TEST_CASE("batches of other shapes, or that overlap, are refused") {
    const network<> net(context, file("layouts/time_each.onnx"));
    auto space = net.make_workspace(context, n);
    batch x(context, d, n), out(context, d, n), narrow(context, 2, n), few(context, d, n - 1);
    refused([&] { net(narrow, 0.5, {}, space, narrow); },
            {"time_each.onnx: the network has dimension 3, the batch has 2 rows"});
    refused([&] { net(x, 0.5, {}, space, few); }, {"openvino_network: 3 x 3 against 3 x 4"});
    refused([&] { net(x, 0.5, {}, space, x); }, {"out overlaps what is read"});
}
TEST_CASE("an output with other columns than its input is refused when it is found") {
    const network<> net(context, file("refused/positive.onnx")); // the columns with a positive number
    auto space = net.make_workspace(context, n);
    batch x(context, d, n), out(context, d, n); // whose addresses stay
    const auto evaluate = [&](const std::vector<float>& numbers) {
        context.from_host(numbers.data(), d * n, x.data());
        net(x, 0.5, {}, space, out);
        return diamond::to_host(out);
    };
    const std::vector<float> all{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
        some{1, 2, 3, -4, -5, -6, 7, 8, 9, 10, 11, 12};
    CHECK(evaluate(all)[4] == 2.5f);
    refused<std::runtime_error>([&] { static_cast<void>(evaluate(some)); },
                                {"positive.onnx: on 4 columns an output is of shape"});
    CHECK(evaluate(all)[4] == 2.5f);
}

} // namespace openvino_refusals_test
