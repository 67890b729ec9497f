// The lines that docs/concepts/diamond_network.md shows.
#include <memory>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace mine {
using batch = diamond::eigen::batch<float>;

/// Stands for what runs a network's weights.
struct my_model {
    static constexpr diamond::index_t d = 64;

    /// v of one column at its three times.
    void run(const float* xbar, const float* x_t, double t, double s, double r, float* v) const {
        for (diamond::index_t i = 0; i < d; ++i) v[i] = x_t[i] * static_cast<float>(t * (s + r)) - xbar[i];
    }
};

// [network]
struct my_network { // const and re-entrant
    using batch_type = batch;
    std::shared_ptr<const my_model> model; // copies of a network share its weights

    diamond::index_t dimension() const { return my_model::d; }
    // Those that it was trained with.
    diamond::linear_schedule schedule() const { return {}; }
    diamond::linear_schedule inner_schedule() const { return {}; }
    struct workspace {}; // whatever a call needs: here nothing
    workspace make_workspace(const diamond::eigen::context&, diamond::index_t) const { return {}; }
    // out = v(xbar, x_t, t, s, r), all d x N; at.t, at.s and at.r are a time a column, or one for all.
    void operator()(const diamond::diamond_arguments<batch>& at, diamond::no_condition, workspace&,
                    diamond::view_t<batch> out) const {
        for (diamond::index_t j = 0; j < out.columns(); ++j) {
            const diamond::index_t first = j * dimension();
            model->run(at.xbar.data() + first, at.x_t.data() + first, at.t[j], at.s[j], at.r[j],
                       out.data() + first);
        }
    }
};
auto map_of(const my_network& network) { return diamond::network_diamond_map{network}; }
// [/network]
static_assert(diamond::diamond_network<my_network> && diamond::diagnose_diamond_network<my_network>());
static_assert(diamond::diamond_map<decltype(map_of({}))>);
} // namespace mine
