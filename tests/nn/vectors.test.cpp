// A Diamond network under vectors, alone and beside labels: one vector for all columns gives the bits of as
// many equal ones; each column is that of a call with its own condition, or with none; the frame of the
// vectors is the units in which they are read; and what does not fit is refused. A training learns how z
// depends on c, which a closed form says.
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>

#include "io/scratch.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"

namespace nn_vectors_test {

using diamond::condition_vectors, diamond::diamond_arguments, diamond::diamond_mlp, diamond::gaussian_frame,
    diamond::index_t, diamond::label_and_vector, diamond::labels, diamond::linear_schedule, diamond::philox,
    diamond::time_view;

namespace {

constexpr index_t d = 5, size = 3, classes = 2, n = 21;

template <class Batch>
std::optional<gaussian_frame<Batch>> frame_of_vectors(const diamond::backend_of_t<Batch>& context,
                                                      bool rotated = false) {
    diamond::gaussian_frame_numbers numbers{{0.5, -20.0, 3.0}, {0.25, 100.0, 4.0}, {}};
    if (rotated) numbers.basis = {0.6, 0.8, 0, -0.8, 0.6, 0, 0, 0, 1};
    return gaussian_frame<Batch>(context, numbers);
}
template <class Batch, class Head = diamond::no_head>
auto conditioned(const diamond::backend_of_t<Batch>& context, index_t labels,
                 std::optional<gaussian_frame<Batch>> of_vectors, Head head = {}) {
    return diamond_mlp<Batch, linear_schedule, Head>(
        {}, gaussian_frame<Batch>(context, {{0, 1, 0.5, -1, 0}, {1, 0.5, 2, 1, 0.1}, {}}),
        std::move(of_vectors), {.mlp = {.width = 24, .blocks = 2}, .classes = labels}, head);
}
/// Vectors of the frame's size: numbers as the frame expects them.
template <class Batch>
Batch vectors(const diamond::backend_of_t<Batch>& context, index_t columns) {
    const auto normal = diamond::to_host(batches::normal<Batch>(context, size, columns, 9));
    std::vector<typename Batch::value_type> numbers(normal.begin(), normal.end());
    const double mean[] = {0.5, -20.0, 3.0}, deviation[] = {0.5, 10.0, 2.0};
    for (std::size_t k = 0; k < numbers.size(); ++k)
        numbers[k] = static_cast<typename Batch::value_type>(
            mean[k % 3] + deviation[k % 3] * static_cast<double>(numbers[k]));
    return diamond::from_host<typename Batch::value_type>(context, size, columns, numbers);
}
template <class Batch>
double apart(const std::vector<Batch>& a, const std::vector<Batch>& b) {
    double most = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k)
        most = std::max(most, std::abs(static_cast<double>(a[k]) - static_cast<double>(b[k])));
    return most;
}

/// What a network gives under a condition: v, v and its jvp with every column's own times, and both vjp.
template <class Batch>
struct answers {
    using real = typename Batch::value_type;
    std::vector<real> v, own, jvp, of_xbar, of_x_t;

    template <class Network>
    answers(const Network& network, const diamond::backend_of_t<Batch>& context,
            const label_and_vector<Batch>& c, index_t columns, index_t first = 0) {
        const auto all = batches::normal<Batch>(context, d, n, 1),
                   other = batches::normal<Batch>(context, d, n, 2);
        const auto x = all.read().columns(first, columns), y = other.read().columns(first, columns);
        const auto each = [&](double t) {
            return diamond::from_host<double>(context, 1, columns,
                                              std::vector<double>(static_cast<std::size_t>(columns), t));
        };
        const auto t = each(0.3), s = each(0.6), r = each(0.9);
        const diamond_arguments<Batch> shared{x, y, time_view(0.3), time_view(0.6), time_view(0.9)},
            apart{x, y, time_view(t.data()), time_view(s.data()), time_view(r.data())};
        auto space = network.make_workspace(context, columns);
        Batch out(context, d, columns), second(context, d, columns);
        network(shared, c, space, out.mutable_view());
        v = diamond::to_host(out);
        network(apart, c, space, out.mutable_view());
        own = diamond::to_host(out);
        network.jvp(shared, c, y, space, out.mutable_view());
        jvp = diamond::to_host(out);
        network.vjp(shared, c, y, space, out.mutable_view(), second.mutable_view());
        of_xbar = diamond::to_host(out);
        of_x_t = diamond::to_host(second);
    }
    [[nodiscard]] bool operator==(const answers&) const = default;
    /// The largest difference of a number of these from one of column j of others.
    [[nodiscard]] double from_column(const answers& whole, index_t j) const {
        double most = 0.0;
        for (const auto of :
             {&answers::v, &answers::own, &answers::jvp, &answers::of_xbar, &answers::of_x_t}) {
            const auto at = (whole.*of).begin() + d * j;
            most = std::max(most, nn_vectors_test::apart(this->*of, std::vector<real>(at, at + d)));
        }
        return most;
    }
};
/// A part of a composition that takes a condition.
template <class Condition>
struct part {
    using condition_type = Condition;
};
template <class Batch, class Network>
auto with_noise_as_parameters(const Network& net, const diamond::backend_of_t<Batch>& context) {
    Batch theta = batches::normal<Batch>(context, net.parameters(), 1, 4);
    diamond::assign(theta, 0.2 * theta);
    return diamond::trained_network(net, std::move(theta));
}

} // namespace

TEST_CASE_TEMPLATE("a column under a vector is that of a call under its vector alone, and one vector for all "
                   "gives the bits of equal ones",
                   back, BACK_ENDS) {
    using batch = typename back::batch;
    using real = typename back::real;
    using list = std::vector<real>;
    const auto context = back::make();
    const double rounding = sizeof(real) == 4 ? 2e-5 : 1e-12;
    const auto rows = vectors<batch>(context, n);
    const auto host = diamond::to_host(rows);
    for (const index_t labelled : {index_t{0}, classes})
        for (const bool rotated : {false, true}) {
            const auto net = conditioned<batch>(context, labelled, frame_of_vectors<batch>(context, rotated));
            const auto network = with_noise_as_parameters<batch>(net, context);
            CHECK(net.vector_size() == size);
            std::vector<std::int32_t> label, present;
            for (index_t j = 0; j < n; ++j) {
                label.push_back(labelled > 0 ? static_cast<std::int32_t>(j % 3) - 1 : labels::unconditional);
                present.push_back(j % 4 == 3 ? 0 : 1);
            }
            const auto device_label = diamond::from_host(context, 1, n, label),
                       device_present = diamond::from_host(context, 1, n, present);
            const labels each(device_label.data());
            const answers<batch> whole(
                network, context, {each, condition_vectors<batch>(rows.read(), device_present.data())}, n);
            // The numbers of columns without a vector are not read.
            auto spoilt = host;
            for (index_t j = 3; j < n; j += 4)
                for (index_t k = 0; k < size; ++k)
                    spoilt[static_cast<std::size_t>(k + size * j)] = static_cast<real>(NAN);
            const auto other = diamond::from_host<real>(context, size, n, spoilt);
            CHECK(answers<batch>(network, context,
                                 {each, condition_vectors<batch>(other.read(), device_present.data())},
                                 n) == whole);
            double vectors_matter = 0.0, none_matters = 0.0;
            for (index_t j = 0; j < n; ++j) {
                const auto mine = diamond::from_host<real>(
                    context, size, 1, list(host.begin() + size * j, host.begin() + size * (j + 1)));
                const auto alone = condition_vectors<batch>::for_all(mine.read());
                const bool has = present[static_cast<std::size_t>(j)] != 0;
                const labels its(label[static_cast<std::size_t>(j)]);
                const answers<batch> one(network, context, {its, has ? alone : condition_vectors<batch>{}}, 1,
                                         j);
                CHECK(one.from_column(whole, j) < rounding);
                vectors_matter = std::max(
                    vectors_matter,
                    answers<batch>(
                        network, context,
                        {its, condition_vectors<batch>::for_all(rows.read().columns((j + 1) % n, 1))}, 1, j)
                        .from_column(whole, j));
                if (has)
                    none_matters = std::max(
                        none_matters, answers<batch>(network, context, its, 1, j).from_column(whole, j));
            }
            CHECK(vectors_matter > 0.05); // the control: another vector, and none, are told apart
            CHECK(none_matters > 0.05);

            list equal;
            for (index_t j = 0; j < n; ++j) equal.insert(equal.end(), host.begin(), host.begin() + size);
            const auto repeated = diamond::from_host<real>(context, size, n, equal);
            const auto first = rows.read().columns(0, 1);
            for (const labels c : {labels{}, each})
                CHECK(answers<batch>(network, context, {c, condition_vectors<batch>(repeated.read())}, n) ==
                      answers<batch>(network, context, {c, condition_vectors<batch>::for_all(first)}, n));
        }
}

TEST_CASE_TEMPLATE("a vector is read in the units of its frame", back, BACK_ENDS) {
    using batch = typename back::batch;
    using real = typename back::real;
    const auto context = back::make();
    const double rounding = sizeof(real) == 4 ? 2e-5 : 1e-12;
    const auto raw = vectors<batch>(context, n);
    const auto host = diamond::to_host(raw);
    std::vector<real> standard(host.size());
    const double mean[] = {0.5, -20.0, 3.0}, deviation[] = {0.5, 10.0, 2.0};
    for (std::size_t k = 0; k < host.size(); ++k)
        standard[k] = static_cast<real>((static_cast<double>(host[k]) - mean[k % 3]) / deviation[k % 3]);
    const auto units = diamond::from_host<real>(context, size, n, standard);
    const auto net = conditioned<batch>(context, 0, frame_of_vectors<batch>(context));
    const auto plain = conditioned<batch>(
        context, 0, std::optional(gaussian_frame<batch>(context, {{0, 0, 0}, {1, 1, 1}, {}})));
    const auto framed = with_noise_as_parameters<batch>(net, context),
               unframed = with_noise_as_parameters<batch>(plain, context);
    const answers<batch> a(framed, context, condition_vectors<batch>(raw.read()), n),
        b(unframed, context, condition_vectors<batch>(units.read()), n);
    CHECK(apart(a.v, b.v) < rounding);
    CHECK(apart(a.own, b.own) < rounding);
}

TEST_CASE("vectors of one context serve calls on another, as where threads share a condition") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context own{.threads = 1}, others{.threads = 2};
    const auto network = with_noise_as_parameters<batch>(
        conditioned<batch>(own, 0, frame_of_vectors<batch>(own, true)), own);
    const auto here = vectors<batch>(own, n), there = vectors<batch>(others, n);
    const answers<batch> expected(network, own, condition_vectors<batch>(here.read()), n),
        found(network, own, condition_vectors<batch>(there.read()), n);
    CHECK(found.v == expected.v);
    CHECK(found.own == expected.own);
    CHECK(found.of_x_t == expected.of_x_t);
}

TEST_CASE_TEMPLATE("conditions that a network does not take are refused", back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make();
    const auto network = with_noise_as_parameters<batch>(
        conditioned<batch>(context, 0, frame_of_vectors<batch>(context)), context);
    const auto without = with_noise_as_parameters<batch>(conditioned<batch>(context, 2, std::nullopt),
                                                         context);
    const auto rows = vectors<batch>(context, n), wrong = batches::normal<batch>(context, size + 1, n, 1);
    const auto call = [&](const auto& to, const label_and_vector<batch>& c) {
        static_cast<void>(answers<batch>(to, context, c, n));
    };
    CHECK_NOTHROW(call(network, {}));
    CHECK_THROWS_WITH_AS(call(network, condition_vectors<batch>(wrong.read())),
                         doctest::Contains("a condition of 4 numbers for a network that takes 3"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(call(network, condition_vectors<batch>(rows.read().columns(0, n - 1))),
                         doctest::Contains("conditions of 20 columns for a batch of 21"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(call(without, condition_vectors<batch>(rows.read())),
                         doctest::Contains("a condition of 3 numbers for a network that takes 0"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(call(network, labels(1)), doctest::Contains("label 1 for a network of 0 classes"),
                         std::invalid_argument);
}

TEST_CASE("a part that takes a label or a vector has it of both, and refuses what it would not see") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    using of_labels = part<labels>;
    using of_vectors = part<condition_vectors<batch>>;
    const auto rows = vectors<batch>(context, n);
    const label_and_vector<batch> label{labels(1)}, vector{condition_vectors<batch>(rows.read())},
        both{labels(1), condition_vectors<batch>(rows.read())};
    using diamond::detail::condition_for;
    CHECK(condition_for<of_labels>(label)[0] == 1);
    CHECK(condition_for<of_vectors>(vector).rows().data() == rows.data());
    for (const auto* given : {&vector, &both})
        CHECK_THROWS_WITH_AS(static_cast<void>(condition_for<of_labels>(*given)),
                             doctest::Contains("a condition with a vector where that part is not taken"),
                             std::invalid_argument);
    for (const auto* given : {&label, &both})
        CHECK_THROWS_WITH_AS(static_cast<void>(condition_for<of_vectors>(*given)),
                             doctest::Contains("a condition with a label"), std::invalid_argument);
}

TEST_CASE("a file keeps the frame of the vectors") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    const diamond_test::scratch folder;
    const auto rows = vectors<batch>(context, n);
    for (const bool rotated : {false, true}) {
        const auto network = with_noise_as_parameters<batch>(
            conditioned<batch>(context, classes, frame_of_vectors<batch>(context, rotated)), context);
        diamond::io::save_network(folder / "network.safetensors", network);
        const auto loaded = diamond::io::load_network<batch, linear_schedule>(context,
                                                                              folder / "network.safetensors");
        const label_and_vector<batch> c{labels(1), condition_vectors<batch>(rows.read())};
        CHECK(answers<batch>(loaded, context, c, n) == answers<batch>(network, context, c, n));

        auto file = diamond::io::read_safetensors(folder / "network.safetensors");
        file.tensors.erase("condition.variance");
        CHECK_THROWS_WITH_AS(
            static_cast<void>(diamond::io::network_from<batch, linear_schedule>(context, file)),
            doctest::Contains("condition.variance"), diamond::io::file_error);
    }
}

TEST_CASE("a training learns how points depend on their vectors, and without them") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    constexpr index_t points = 4000;
    // c ~ N(0, I) scaled and moved; z = A (c in units) + 0.3 eps in two dimensions.
    const auto c = diamond::to_host(batches::normal<batch>(context, 2, points, 21)),
               noise = diamond::to_host(batches::normal<batch>(context, 2, points, 22));
    std::vector<float> z(2 * points);
    std::vector<double> vector(2 * points);
    for (std::size_t j = 0; j < points; ++j) {
        z[2 * j] = c[2 * j] + 0.3F * noise[2 * j];
        z[2 * j + 1] = 0.5F * c[2 * j] - c[2 * j + 1] + 0.3F * noise[2 * j + 1];
        vector[2 * j] = 100.0 + 30.0 * static_cast<double>(c[2 * j]);
        vector[2 * j + 1] = 0.01 * static_cast<double>(c[2 * j + 1]);
    }
    const auto train = [&](const std::vector<double>& of) {
        return diamond::train_diamond_map(
            diamond::from_host<float>(context, 2, points, z), philox{3},
            diamond::recipe_options{.smooth = {.relative_bandwidth = 0.05},
                                    .vectors = of,
                                    .network = {.width = 32, .blocks = 2},
                                    .training = {.steps = 1200, .batch = 256, .report_every = 400}});
    };
    auto map = train(vector);
    constexpr index_t draws = 4000;
    const auto moments = [&](auto& by, const label_and_vector<batch>& under) {
        auto x = batches::normal<batch>(context, 2, draws, 33), out = batch(context, 2, draws);
        batch nothing(context, 2, draws);
        diamond::set_to_zero(nothing.mutable_view());
        by(x.read(), {0.0, 1.0}, nothing.read(), time_view(0.0), under, out.mutable_view());
        const auto drawn = diamond::to_host(out);
        std::vector<double> result(4, 0.0);
        for (std::size_t j = 0; j < draws; ++j)
            for (std::size_t i = 0; i < 2; ++i) {
                result[i] += static_cast<double>(drawn[2 * j + i]) / draws;
                result[2 + i] += std::pow(static_cast<double>(drawn[2 * j + i]), 2) / draws;
            }
        for (std::size_t i = 0; i < 2; ++i) result[2 + i] = std::sqrt(result[2 + i] - std::pow(result[i], 2));
        return result;
    };
    const auto distance = [&](auto& by, double first, double second) {
        const auto given = diamond::from_host<float>(
            context, 2, 1,
            std::vector<float>{static_cast<float>(100.0 + 30.0 * first), static_cast<float>(0.01 * second)});
        const auto found = moments(by, condition_vectors<batch>::for_all(given.read()));
        return std::hypot(found[0] - first, found[1] - (0.5 * first - second)) +
               std::hypot(found[2] - 0.3, found[3] - 0.3);
    };
    CHECK(distance(map, 1.0, -1.0) < 0.3);
    CHECK(distance(map, -0.5, 0.7) < 0.3);
    const auto prior = moments(map, {}); // z ~ N(0, [[1.09, 0.5], [0.5, 1.34]])
    CHECK(std::hypot(prior[0], prior[1]) < 0.2);
    CHECK(std::hypot(prior[2] - std::sqrt(1.09), prior[3] - std::sqrt(1.34)) < 0.2);
    // The control: vectors of other points say nothing.
    std::vector<double> turned(vector.begin() + 2, vector.end());
    turned.insert(turned.end(), vector.begin(), vector.begin() + 2);
    auto spoilt = train(turned);
    CHECK(distance(spoilt, 1.0, -1.0) > 0.8);
}

TEST_CASE("a training set's vectors are the network's") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    using set = diamond::training_set<batch>;
    const auto points = [&](index_t count) { return batches::normal<batch>(context, d, count, 1); };
    const auto train = [&](const set& data, std::optional<gaussian_frame<batch>> frame) {
        diamond::diamond_trainer trainer(conditioned<batch>(context, 0, std::move(frame)), data, philox{1},
                                         {.steps = 2, .batch = 8});
        auto state = trainer.start();
        trainer.run(state);
    };
    const set with(points(9), 0.1, {}, vectors<batch>(context, 9)), without(points(9), 0.1);
    CHECK_NOTHROW(train(with, frame_of_vectors<batch>(context)));
    CHECK_THROWS_WITH_AS(train(with, std::nullopt),
                         doctest::Contains("vectors of 3 numbers for a network that takes 0"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(train(without, frame_of_vectors<batch>(context)),
                         doctest::Contains("vectors of 0 numbers for a network that takes 3"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(set(points(9), 0.1, {}, vectors<batch>(context, 8)),
                         doctest::Contains("a training set of 9 points was given 8 vectors"),
                         std::invalid_argument);
    auto spoilt = diamond::to_host(vectors<batch>(context, 9));
    spoilt[7] = NAN;
    CHECK_THROWS_WITH_AS(set(points(9), 0.1, {}, diamond::from_host<float>(context, size, 9, spoilt)),
                         doctest::Contains("a training set's vector 2 has nan as number 1"),
                         std::invalid_argument);
    // A number that is the same for all points is read as it is, about its mean.
    auto constant = diamond::to_host(vectors<batch>(context, 9));
    for (std::size_t j = 0; j < 9; ++j) constant[3 * j] = 7.0F;
    const auto frame = diamond::fit_vector_frame(
        set(points(9), 0.1, {}, diamond::from_host<float>(context, size, 9, constant)));
    CHECK(frame.mean[0] == doctest::Approx(7.0));
    CHECK(frame.variance[0] == 1.0);
    using wide = diamond::eigen::batch<double>;
    const std::vector<double> tenths(1000, 0.1);
    const diamond::training_set<wide> same(diamond::from_host<double>(context, 1, 1000, tenths), 0.1, {},
                                           diamond::from_host<double>(context, 1, 1000, tenths));
    CHECK(diamond::fit_vector_frame(same).variance[0] == 1.0);
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::fit_vector_frame(without)),
                         doctest::Contains("of which it has none"), std::invalid_argument);
}

} // namespace nn_vectors_test
