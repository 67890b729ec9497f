/// Training on a device: the state after some steps is the CPU's, up to rounding.
#include <doctest/doctest.h>

#include <diamond/backend/cuda.cuh>
#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace cuda_training_test {

namespace {
template <class Batch, class Context>
std::vector<float> trained(const Context& context) {
    const diamond::training_set<Batch> data(diamond::from_host<float>(context, 2, 3, {0, 1, 2, -1, -2, 0.5f}),
                                            0.3, {0, 1, 1});
    const diamond::diamond_mlp<Batch, diamond::linear_schedule> network(
        {}, diamond::gaussian_frame<Batch>(context, {{0.0, 0.0}, {2.0, 1.0}, {}}),
        {.mlp = {.width = 16, .blocks = 2}, .classes = 2});
    diamond::diamond_trainer trainer(network, data, diamond::philox{1}, {.steps = 20, .batch = 300});
    auto state = trainer.start();
    trainer.run(state);
    return diamond::to_host(state.average);
}
} // namespace

TEST_CASE("a training on a device ends where it ends on the CPU") {
    const diamond::cuda::context gpu;
    const diamond::eigen::context cpu{.threads = 2};
    const auto found = trained<diamond::cuda::batch<float>>(gpu),
               expected = trained<diamond::eigen::batch<float>>(cpu);
    REQUIRE(found.size() == expected.size());
    // AdamW divides rounding by rounding
    for (std::size_t p = 0; p < found.size(); ++p)
        CHECK(found[p] == doctest::Approx(expected[p]).epsilon(1e-2).scale(0.1));
}

} // namespace cuda_training_test
