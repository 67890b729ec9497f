// What is kept beside a network: a workspace for as long as it fits, a bill; and what a copy leaves behind.
#include <memory>
#include <stdexcept>
#include <utility>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/schedule/counted_network.hpp>

namespace schedule_counted_network_test {

namespace {

using batch = diamond::eigen::batch<float>;
using diamond::index_t;

/// Counts its workspaces.
struct counting_network {
    using batch_type = batch;
    struct workspace {
        index_t columns;
    };
    std::shared_ptr<int> made = std::make_shared<int>(0);

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] workspace make_workspace(const diamond::eigen::context&, index_t columns) const {
        ++*made;
        return {columns};
    }
};

} // namespace

TEST_CASE("a workspace is made anew when a batch grows or comes from another context, and only then") {
    const diamond::eigen::context one{.threads = 1}, other{.threads = 1};
    const batch few(one, 2, 3), many(one, 2, 5), elsewhere(other, 2, 5);
    const counting_network network;
    diamond::counted_network held(network);
    CHECK(*network.made == 0);
    CHECK(held.workspace(few.read()).columns == 3);
    CHECK(held.workspace(few.read()).columns == 3);
    CHECK(*network.made == 1);
    CHECK(held.workspace(many.read()).columns == 5);
    CHECK(held.workspace(few.read()).columns == 5); // fits
    CHECK(*network.made == 2);
    static_cast<void>(held.workspace(elsewhere.read()));
    CHECK(*network.made == 3);
}

TEST_CASE("a copy has the network, and no workspace and no bill; a move takes all") {
    const diamond::eigen::context context{.threads = 1};
    const batch x(context, 2, 3);
    const counting_network network;
    diamond::counted_network held(network);
    static_cast<void>(held.workspace(x.read()));
    held.spent().forward = 7;
    auto copy = held;
    CHECK(copy.spent() == diamond::cost{});
    static_cast<void>(copy.workspace(x.read()));
    CHECK(*network.made == 2);
    copy = held;
    static_cast<void>(copy.workspace(x.read()));
    CHECK(*network.made == 3);
    auto& same = held;
    held = same;
    CHECK(held.spent().forward == 7);
    auto moved = std::move(held);
    CHECK(moved.spent().forward == 7);
    static_cast<void>(moved.workspace(x.read()));
    CHECK(*network.made == 3);
}

TEST_CASE("a batch of another dimension is refused") {
    const diamond::eigen::context context{.threads = 1};
    const batch x(context, 3, 4);
    diamond::counted_network held(counting_network{});
    CHECK_THROWS_WITH_AS(static_cast<void>(held.workspace(x.read())),
                         "the network has dimension 2, the batch has 3 rows", std::invalid_argument);
}

} // namespace schedule_counted_network_test
