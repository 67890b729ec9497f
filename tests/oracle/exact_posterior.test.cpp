/// The exact posterior's workspace: made anew when the batch grows or comes from another context, and only
/// then.
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/schedule/linear.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"

namespace oracle_exact_posterior_test {

using diamond::index_t;

namespace {

/// A model that can draw nothing but what it is given, and looks at its workspace.
struct watchful {
    using batch_type = diamond::eigen::batch<double>;
    using context_type = diamond::eigen::context;
    using view = diamond::view_t<batch_type>;
    using const_view = diamond::const_view_t<batch_type>;
    struct workspace {
        const context_type* context;
        index_t columns;
    };
    int* made;

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] workspace make_workspace(const context_type& context, index_t columns) const {
        ++*made;
        return {&context, columns};
    }
    void operator()(const_view, diamond::time_view, diamond::no_condition, workspace&, view) const {}
    void draw_posterior(const_view x, double, diamond::no_condition, diamond::noise_stream, workspace& space,
                        view) const {
        CHECK(space.context == &x.context());
        CHECK(space.columns >= x.columns());
    }
};

} // namespace

TEST_CASE("a workspace belongs to a context and to a number of columns") {
    const auto first = back_ends::eigen<double>::make(1), second = back_ends::eigen<double>::make(1);
    int made = 0;
    diamond::exact_posterior sampler{watchful{&made}};
    const auto call = [&](const diamond::eigen::context& context, index_t columns) {
        const auto x = batches::normal<watchful::batch_type>(context, 2, columns, 1);
        watchful::batch_type out(context, 2, columns);
        sampler(x, 0.5, {}, diamond::philox{1}.stream(diamond::purpose::value), out);
        return made;
    };
    CHECK(call(first, 4) == 1);
    CHECK(call(first, 3) == 1);
    CHECK(call(first, 5) == 2);
    CHECK(call(second, 5) == 3); // of the same size, but another's memory
    CHECK(call(second, 2) == 3);
    CHECK(call(first, 2) == 4);
    CHECK(call(first, 0) == 4);
}

} // namespace oracle_exact_posterior_test
