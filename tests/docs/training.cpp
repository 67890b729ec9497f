// The lines that docs/training.md shows.
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/npy.hpp>
#include <diamond/io/training_checkpoint.hpp>
#include <diamond/train/recipes.hpp>
#include <diamond/train/warm_start.hpp>

namespace {

using batch = diamond::eigen::batch<float>;
using plain_mlp = diamond::diamond_mlp<batch, diamond::linear_schedule>;
using divergence_mlp = diamond::diamond_mlp_with_divergence<batch, diamond::linear_schedule>;

} // namespace

void recipes(const diamond::eigen::context& context, const std::filesystem::path& file) {
    using namespace diamond;
    // [recipe]
    // numpy.save("points.npy", points), of shape (n, d), floats or integers: a row is a point.
    const auto array = io::read_npy<float>("points.npy", {.shape = {io::any_extent, 2}}); // here d = 2
    const auto n = static_cast<index_t>(array.shape[0]), d = static_cast<index_t>(array.shape[1]);
    batch points = from_host<float>(context, d, n, array.data); // d x n: a column is a point

    const auto map = train_diamond_map(std::move(points), philox{.seed = 1});
    io::save_network(file, map.network(), {{"trained_on", "points.npy"}}); // takes the network
    // [/recipe]
    const std::vector<float>& numbers = array.data;
    // [recipe_options]
    const auto flow = train_flow_map(from_host<float>(context, 2, n, numbers), philox{.seed = 1},
                                     {.smooth = {.bandwidth = 0.1, .relative_bandwidth = 0.0},
                                      .network = {.width = 128, .blocks = 3},
                                      .training = {.steps = 6000, .batch = 512, .report_every = 500},
                                      .observer =
                                          [](const training_report& at) {
                                              std::printf("step %td: %.3f, %.3f\n", at.step + 1,
                                                          at.diagonal_loss, at.off_diagonal_loss);
                                              return true; // false ends the training here
                                          }},
                                     semigroup_loss{.midpoint = true});
    // [/recipe_options]
    // [use]
    chain prior{early_stop_kernel{map}, {.particles = 1000, .steps = 4}}; // samples of the points' law
    const auto drawn = prior(context, philox{.seed = 2});
    io::write_npy("drawn.npy", to_host(drawn.particles), {1000, 2}); // NumPy's (n, d) again

    const auto to_the_right = [](const auto& z) { return 2.0 * static_cast<double>(z[0]); };
    smc steered{early_stop_kernel{map}, posterior_value{diamond_map_posterior{map}, to_the_right}};
    const auto tilted = steered(context, philox{.seed = 3}); // particles with weights, and log Z
    // [/use]
    // [use_flow]
    chain by_flow{ode_kernel{flow}, {.particles = 1000, .steps = 4}};
    const auto samples = by_flow(context, philox{.seed = 2});
    flow_density density{stepped_flow_map{flow, {.steps = 4}}};
    const std::vector<double> log_p = log_densities_of(density, samples.particles);
    io::save_flow_map("flow.safetensors", flow, {{"trained_on", "points.npy"}}); // takes the map
    // [/use_flow]
    static_cast<void>(tilted.log_z + log_p.front());
}

// [parts]
auto train(const batch& points) {
    // The law to learn: each time that a point is drawn, N(0, bandwidth^2 I) is added anew.
    const auto data = diamond::smooth_points(points, {.bandwidth = 0.1, .relative_bandwidth = 0.0});
    // The network, in the coordinates of the data's own Gaussian; it learns what is not Gaussian.
    using architecture = diamond::diamond_mlp<batch, diamond::linear_schedule>;
    const diamond::diamond_mlp_options shape{.mlp = {.width = 64, .blocks = 2}};
    const architecture inner{
        {}, {points.context(), diamond::in_own_coordinates(data.frame.numbers())}, shape};

    diamond::diamond_trainer trainer{
        inner,
        data.inside,
        diamond::philox{1},
        {.steps = 3000, .batch = 256, .rate = {.peak = 1e-2}, .report_every = 1000}};
    auto state = trainer.start();
    trainer.run(state, [](const diamond::training_report& at) {
        std::printf("step %td: loss %.3f, off the diagonal %.3f\n", at.step + 1, at.diagonal_loss,
                    at.off_diagonal_loss);
        return true;
    });
    // The same network in the coordinates of the points, with the moving average of the parameters.
    return diamond::trained_network{architecture{{}, data.frame, shape}, trainer.averaged(state)};
}
// [/parts]

// [images]
auto train_on_images(const diamond::training_set<batch>& images) { // columns of 1 x 8 x 8
    const auto& context = images.context();
    const diamond::gaussian_frame<batch> frame{context, diamond::fit_pixel_frame(images)};
    const diamond::diamond_unet<batch, diamond::linear_schedule> network{
        {},
        frame,
        {.shape = {.channels = 1, .height = 8, .width = 8},
         .width = 16,
         .multipliers = {1, 2}, // 16 channels of 8 x 8, 32 of 4 x 4
         .attention = {4}}};    // at the height of 4
    diamond::diamond_trainer trainer{
        network, images, diamond::philox{1}, {.steps = 3000, .batch = 64, .rate = {.peak = 2e-3}}};
    auto state = trainer.start();
    trainer.run(state);
    return diamond::trained_network{network, trainer.averaged(state)};
}
// [/images]

void resumed(const diamond::training_set<batch>& inside, const plain_mlp& net,
             const std::filesystem::path& file) {
    using namespace diamond;
    diamond_trainer trainer{net, inside, philox{1}, {.steps = 6000}};
    // [resume]
    // It says what is trained and how; a file that says something else is refused.
    const auto setting = "my points, bandwidth 0.1, width 128";
    auto state = std::filesystem::exists(file)
                   ? io::load_training<batch>(inside.context(), file, setting, trainer.parameters())
                   : trainer.start();
    trainer.run(state, [&](const training_report& at) {
        if ((at.step + 1) % 500 == 0) io::save_training(file, state, setting);
        return true; // false stops here, and the state goes on later to the same bits
    });
    const trained_network trained{net, trainer.averaged(state)};
    // [/resume]
    static_cast<void>(trained);
}

void flow_map(const diamond::training_set<batch>& inside, const diamond::gaussian_frame<batch>& inner,
              const diamond::diamond_mlp_options& shape) {
    using namespace diamond;
    const divergence_mlp net{{}, inner, shape};
    // [flow_map]
    diamond_trainer trainer{net,
                            inside,
                            philox{1},
                            {.steps = 6000, .batch = 512, .rate = {.peak = 5e-3}},
                            uniform_time{.at_zero = 1.0}, // a flow map is a Diamond map at t = 0
                            both_ways_pair{},             // to data for samples, to noise for densities
                            lagrangian_loss{}};
    // [/flow_map]
    static_cast<void>(trainer.parameters());
}

void taught(const diamond::training_set<batch>& inside, const diamond::trained_network<plain_mlp>& sampler) {
    using namespace diamond;
    const plain_mlp map = sampler.architecture();
    const diamond_training_options options{.steps = 6000};
    // [glass_teacher]
    diamond_trainer of_a_diamond_map{map, inside, philox{1}, options,
                                     glass_teacher{linear_schedule{}, network_velocity{sampler}}};
    // [/glass_teacher]
    static_cast<void>(of_a_diamond_map.parameters());

    const divergence_mlp net{{}, map.frame(), map.options()};
    // [flow_teacher]
    diamond_trainer of_a_flow_map{net,
                                  inside,
                                  philox{1},
                                  {.steps = 6000, .diagonal_first = 0.2},
                                  uniform_time{.at_zero = 1.0},
                                  both_ways_pair{},
                                  on_diagonal<>{},
                                  flow_teacher{hutchinson_divergence{network_velocity{sampler}}}};
    auto state = of_a_flow_map.start();
    // The trunk and the velocity of the sampler, in the student and in its average.
    warm_start(net, sampler, state.theta.mutable_view());
    inside.context().copy(state.theta.data(), state.theta.size(), state.average.data());
    // [/flow_teacher]
}
