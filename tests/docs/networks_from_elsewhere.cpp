// Networks of other conventions as networks of this library: what docs/networks_from_elsewhere.md shows.
#include "networks_from_elsewhere.hpp"

#include <diamond/backend/eigen.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/readings.hpp>

namespace elsewhere {

using batch = diamond::eigen::batch<float>;

// A network stands here for whatever runs the weights: it writes F(state, time) into out.
struct backbone {
    using batch_type = batch;
    diamond::index_t dimension() const { return 2; }
    struct workspace_type {};
    workspace_type make_workspace(const diamond::eigen::context&, diamond::index_t) const { return {}; }
    void operator()(diamond::const_view_t<batch> x, diamond::time_view t, diamond::no_condition,
                    workspace_type&, diamond::view_t<batch> out) const {
        diamond::assign(out, t * x);
    }
};

struct backbone_of_two_times {
    using batch_type = batch;
    diamond::index_t dimension() const { return 2; }
    struct workspace_type {};
    workspace_type make_workspace(const diamond::eigen::context&, diamond::index_t) const { return {}; }
    void operator()(diamond::const_view_t<batch> x, double r, double tau, diamond::no_condition,
                    workspace_type&, diamond::view_t<batch> out) const {
        diamond::assign(out, (tau - r) * x);
    }
};

// [compose]
using diamond::denoiser_network, diamond::linear_schedule;

using flow = rectified_flow<backbone>;                                       // a velocity field as it is
using edm = denoiser_network<linear_schedule, edm_denoiser<backbone>>;       // a denoiser becomes one
using ddpm = denoiser_network<linear_schedule, discrete_denoiser<backbone>>; // so do eps, v and x0 by steps

static_assert(diamond::velocity_field<flow> && diamond::velocity_field<edm> && diamond::velocity_field<ddpm>);
// [/compose]

template class rectified_flow<backbone>;
template class edm_denoiser<backbone>;
template class discrete_denoiser<backbone>;
template class mean_flow_map<backbone_of_two_times>;
static_assert(diamond::flow_map<mean_flow_map<backbone_of_two_times>>);

} // namespace elsewhere
