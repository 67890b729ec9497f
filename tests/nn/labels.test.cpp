// A label that a network does not have is refused wherever it meets it: one for all columns, or one a column,
// at its own number; in training sets, too. It used to be read as the empty label (label = classes), or as an
// input that was never trained.
#include <cstdint>
#include <string>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/trained_network.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/numbers.hpp"

namespace nn_labels_test {

using diamond::diamond_mlp, diamond::diamond_trainer, diamond::gaussian_frame, diamond::index_t,
    diamond::labels, diamond::linear_schedule, diamond::philox;

namespace {

template <class Batch, class Network>
auto trained(const Network& net, const diamond::backend_of_t<Batch>& context) {
    Batch theta(context, net.parameters(), 1);
    net.initialise(philox{5}, theta.mutable_view());
    return theta;
}
template <class Batch>
auto small(const diamond::backend_of_t<Batch>& context, index_t classes) {
    return diamond_mlp<Batch, linear_schedule>({},
                                               gaussian_frame<Batch>(context, {{0.5, -1.0}, {0.5, 1.5}, {}}),
                                               {.mlp = {.width = 6, .blocks = 1}, .classes = classes});
}

/// A network of a user's own: u(x, t | c) = c - x, which checks its labels.
template <class Batch>
struct own_field {
    using batch_type = Batch;
    using condition_type = labels;
    struct workspace {};
    [[nodiscard]] static index_t dimension() { return 2; }
    [[nodiscard]] static workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) { return {}; }
    struct pull {
        diamond::const_view_t<Batch> x;
        labels label;
        diamond::view_t<Batch> out;
        DIAMOND_HD void operator()(index_t i, index_t j) const {
            out(i, j) = static_cast<typename Batch::value_type>(label[j]) - x(i, j);
        }
    };
    void operator()(diamond::const_view_t<Batch> x, diamond::time_view, const labels& c, workspace&,
                    diamond::view_t<Batch> out) const {
        diamond::require_labels(x.context(), c, x.columns(), 3);
        x.context().for_each(x.rows(), x.columns(), pull{x, c, out});
    }
};

} // namespace

TEST_CASE_TEMPLATE(
    "a label that is none of the network's is refused, in whichever column and by whatever calls the network",
    back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make();
    constexpr index_t n = 5;
    // a device tells of the column and the classes alone, and when it is waited for
    constexpr bool says = back::context::host_memory;
    const auto net = small<batch>(context, 3);
    const diamond::trained_network network(net, trained<batch>(net, context));
    const auto none = small<batch>(context, 0);
    const diamond::trained_network unlabelled(none, trained<batch>(none, context));
    const diamond::diamond_mlp_with_divergence<batch, linear_schedule> joint_net({}, net.frame(),
                                                                                 net.options());
    const diamond::trained_network joint(joint_net, trained<batch>(joint_net, context));
    const auto x = batches::normal<batch>(context, 2, n, 1);
    batch out(context, 2, n);
    const diamond::time_view half(0.5);

    // What calls a network with a condition.
    const auto each = [&](auto&& check) {
        check("the network", [&](const labels& c) {
            auto space = network.make_workspace(context, n);
            network(diamond::diamond_arguments<batch>{x.read(), x.read(), half, half, half}, c, space,
                    out.mutable_view());
        });
        check("its products", [&](const labels& c) {
            auto space = network.make_workspace(context, n);
            network.jvp(diamond::diamond_arguments<batch>{x.read(), x.read(), half, half, half}, c, x.read(),
                        space, out.mutable_view());
        });
        check("a network with divergence", [&](const labels& c) {
            auto space = joint.make_workspace(context, n);
            joint(diamond::diamond_arguments<batch>{x.read(), x.read(), half, half, half}, c, space,
                  out.mutable_view());
        });
        check("its Diamond map", [&](const labels& c) {
            diamond::network_diamond_map{network}(x.read(), {0.0, 1.0}, x.read(), half, c,
                                                  out.mutable_view());
        });
        check("its flow map", [&](const labels& c) {
            diamond::network_flow_map{network}(x.read(), {0.0, 1.0}, c, out.mutable_view());
        });
        check("its velocity, guided", [&](const labels& c) {
            diamond::ode_flow_map map(diamond::guided_field{diamond::network_velocity{network}, 2.0},
                                      diamond::euler{.steps = 1});
            map(x.read(), {0.0, 1.0}, c, out.mutable_view());
        });
        check("a field of one's own, guided", [&](const labels& c) {
            diamond::ode_flow_map map(diamond::guided_field{own_field<batch>{}, 2.0},
                                      diamond::euler{.steps = 1});
            map(x.read(), {0.0, 1.0}, c, out.mutable_view());
        });
        check("a posterior draw", [&](const labels& c) {
            diamond::diamond_map_posterior posterior(diamond::network_diamond_map{network});
            batch draws(context, 2, 2 * n);
            posterior(x.read(), 0.5, c, philox{3}.stream(diamond::purpose::value, 1, 2),
                      draws.mutable_view());
        });
        check("a chain", [&](const labels& c) {
            diamond::chain chain(diamond::early_stop_kernel{diamond::network_diamond_map{network}},
                                 {.particles = n, .steps = 2});
            chain(context, philox{7}, c);
        });
    };
    const auto told = [&](const auto& call, const labels& c) -> std::string {
        try {
            call(c);
            static_cast<void>(diamond::to_host(out)); // waits
            return "";
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
    };
    each([&](const char* name, const auto& call) {
        CAPTURE(name);
        const auto with = [&](std::int32_t bad, index_t column) {
            std::vector<std::int32_t> own{0, -1, 2, 1, 0};
            own[static_cast<std::size_t>(column)] = bad;
            const auto stored = diamond::from_host(context, 1, n, own);
            return told(call, labels(stored.data()));
        };
        CHECK(with(2, 4) == "");
        CHECK(with(-1, 0) == "");
        CHECK(told(call, labels()) == "");
        CHECK(told(call, labels(2)) == "");
        for (const std::int32_t bad : {3, 4, 999, INT32_MAX, -2, INT32_MIN}) {
            CAPTURE(bad);
            CHECK(told(call, labels(bad))
                      .find("label " + std::to_string(bad) +
                            " for a network of 3 classes: it takes 0 to 2") != std::string::npos);
            for (const index_t column : {0, 4}) {
                const auto found = with(bad, column);
                CAPTURE(found);
                CHECK(found.find("of column ") != std::string::npos);
                CHECK(found.find("for a network of 3 classes: it takes 0 to 2") != std::string::npos);
                if (says) CHECK(found.find("label " + std::to_string(bad)) != std::string::npos);
            }
        }
        CHECK(told(call, labels(static_cast<const std::int32_t*>(nullptr))).find("a null pointer") !=
              std::string::npos);
    });
    // A network without classes takes the empty label alone.
    const auto bare = [&](const labels& c) {
        diamond::network_flow_map{unlabelled}(x.read(), {0.0, 1.0}, c, out.mutable_view());
    };
    const auto stored = diamond::from_host(context, 1, n, std::vector<std::int32_t>{-1, -1, 0, -1, -1}),
               empty = diamond::from_host(context, 1, n, std::vector<std::int32_t>(5, -1));
    CHECK(told(bare, labels()) == "");
    CHECK(told(bare, labels(empty.data())) == "");
    CHECK(told(bare, labels(0))
              .find("label 0 for a network of 0 classes: it takes labels::unconditional alone") !=
          std::string::npos);
    CHECK(told(bare, labels(stored.data()))
              .find("of column 2 for a network of 0 classes: it takes labels::unconditional alone") !=
          std::string::npos);
}

TEST_CASE("labels stay refused where particles were gathered and repeated: SMC with values") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    const auto net = small<batch>(context, 3);
    const diamond::network_diamond_map map{diamond::trained_network(net, trained<batch>(net, context))};
    const auto first = [](const auto& z) { return static_cast<double>(z[0]); };
    diamond::smc sampler{diamond::early_stop_kernel{map},
                         diamond::posterior_value{diamond::diamond_map_posterior{map}, first, {.samples = 2}},
                         {.particles = 4, .steps = 3, .threshold = 2.0, .pilot_particles = 0}};
    const std::vector<std::int32_t> right{0, 1, 2, -1}, wrong{0, 1, 2, 3};
    CHECK_NOTHROW(sampler(context, philox{1}, labels(right.data())));
    CHECK_THROWS_WITH_AS(sampler(context, philox{1}, labels(wrong.data())),
                         doctest::Contains("label 3 of column 3 for a network of 3 classes"),
                         std::invalid_argument);
}

TEST_CASE("a training set's labels are the network's") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    using set = diamond::training_set<batch>;
    const auto points = [&] { return diamond::from_host<float>(context, 2, 3, {0, 1, 2, -1, -2, 0.5f}); };
    CHECK_THROWS_WITH_AS(set(points(), 0.1, {0, -2, 1}), doctest::Contains("label 1 is -2"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(set(points(), 0.1, {0, 1}), doctest::Contains("3 points was given 2 labels"),
                         std::invalid_argument);
    const set three(points(), 0.1, {0, 2, -1}), nothing(points(), 0.1), empty(points(), 0.1, {-1, -1, -1});
    CHECK(three.classes() == 3);
    CHECK(nothing.classes() == 0);
    CHECK(empty.classes() == 0);
    const auto train = [&](index_t classes, const set& data) {
        diamond_trainer trainer(small<batch>(context, classes), data, philox{1}, {.steps = 2, .batch = 8});
        auto state = trainer.start();
        trainer.run(state);
    };
    CHECK_NOTHROW(train(3, three));
    CHECK_NOTHROW(train(4, three));
    CHECK_NOTHROW(train(0, nothing));
    CHECK_NOTHROW(train(0, empty));
    CHECK_THROWS_WITH_AS(train(2, three),
                         doctest::Contains("label 2 for a network of 2 classes: it takes 0 to 1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        train(0, three),
        doctest::Contains("label 2 for a network of 0 classes: it takes labels::unconditional alone"),
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(train(3, nothing), doctest::Contains("without labels for a network of 3 classes"),
                         std::invalid_argument);
}

} // namespace nn_labels_test
