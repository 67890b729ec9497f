/// In steady state a step takes no memory and waits for nothing: by the context's own counts, and by all
/// calls of CUDA's runtime that the program makes, which the linker leads through here.
#include <map>
#include <string>

#include <doctest/doctest.h>

#include <diamond/backend/cuda.cuh>
#include <diamond/diamond.hpp>

using diamond::index_t, diamond::philox;

#if defined(DIAMOND_TEST_WRAPS_CUDA)
namespace calls {
inline std::map<std::string, long>& made() {
    static std::map<std::string, long> result;
    return result;
}
inline long of_memory() { return made()["memory"]; }
inline long of_waiting() { return made()["waiting"]; }
} // namespace calls
#define DIAMOND_TEST_WRAP(kind, name, parameters, arguments)                                                 \
    extern "C" cudaError_t __real_##name parameters;                                                         \
    extern "C" cudaError_t __wrap_##name parameters {                                                        \
        ++calls::made()[#kind];                                                                              \
        return __real_##name arguments;                                                                      \
    }
DIAMOND_TEST_WRAP(memory, cudaMalloc, (void** p, size_t n), (p, n))
DIAMOND_TEST_WRAP(memory, cudaMallocAsync, (void** p, size_t n, cudaStream_t s), (p, n, s))
DIAMOND_TEST_WRAP(memory, cudaMallocFromPoolAsync, (void** p, size_t n, cudaMemPool_t pool, cudaStream_t s),
                  (p, n, pool, s))
DIAMOND_TEST_WRAP(memory, cudaMallocHost, (void** p, size_t n), (p, n))
DIAMOND_TEST_WRAP(memory, cudaFree, (void* p), (p))
DIAMOND_TEST_WRAP(memory, cudaFreeAsync, (void* p, cudaStream_t s), (p, s))
DIAMOND_TEST_WRAP(waiting, cudaStreamSynchronize, (cudaStream_t s), (s))
DIAMOND_TEST_WRAP(waiting, cudaDeviceSynchronize, (), ())
DIAMOND_TEST_WRAP(waiting, cudaEventSynchronize, (cudaEvent_t e), (e))
DIAMOND_TEST_WRAP(waiting, cudaMemcpy, (void* to, const void* from, size_t n, cudaMemcpyKind kind),
                  (to, from, n, kind))
#else
namespace calls {
inline long of_memory() { return 0; }
inline long of_waiting() { return 0; }
} // namespace calls
#endif

namespace cuda_steady_state_test {

namespace {
using batch = diamond::cuda::batch<float>;

struct spent {
    long waits, allocations, memory_calls, waiting_calls;
    index_t pool_bytes;
    friend bool operator==(const spent&, const spent&) = default;
};
constexpr spent nothing{};
/// What the third and fourth call of `step` spend.
template <class Step>
spent of_steady_steps(const diamond::cuda::context& context, const Step& step) {
    for (int warm_up = 0; warm_up < 2; ++warm_up) step();
    const auto counts = context.counted();
    const auto memory = calls::of_memory(), waiting = calls::of_waiting();
    const index_t pool = context.pool_bytes();
    for (int again = 0; again < 2; ++again) step();
    return {context.counted().waits - counts.waits, context.counted().allocations - counts.allocations,
            calls::of_memory() - memory, calls::of_waiting() - waiting, context.pool_bytes() - pool};
}

struct network {
    using architecture = diamond::diamond_mlp<batch, diamond::linear_schedule>;
    diamond::cuda::context context{};
    diamond::training_set<batch> data{
        diamond::from_host<float>(context, 2, 3, {0, 1, 2, -1, -2, 0.5f}), 0.3, {0, 1, 1}};
    architecture net{{},
                     diamond::gaussian_frame<batch>(context, {{0.0, 0.0}, {2.0, 1.0}, {}}),
                     {.mlp = {.width = 48, .blocks = 2}, .classes = 2}};

    [[nodiscard]] auto map() const {
        batch theta(context, net.parameters(), 1);
        net.initialise(philox{1}, theta.mutable_view());
        return diamond::network_diamond_map{diamond::trained_network(net, std::move(theta))};
    }
};
} // namespace

TEST_CASE("the counts count") {
    const diamond::cuda::context context;
    const spent one = of_steady_steps(context,
                                      [&] { static_cast<void>(diamond::to_host(batch(context, 1, 1))); });
    CHECK(one.waits == 2);
    CHECK(one.allocations == 2);
#if defined(DIAMOND_TEST_WRAPS_CUDA)
    CHECK(one.memory_calls == 4); // taken and given back
    CHECK(one.waiting_calls == 2);
#endif
}

TEST_CASE("a step of SMC with a network") {
    const network m;
    const auto map = m.map();
    const diamond::linear_reward<batch> reward{m.context, std::vector<float>{1, -1}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 2}};
    for (const double threshold : {0.0, 2.0}) { // never, and always resampled
        diamond::smc program{
            diamond::early_stop_kernel{map}, value, {.particles = 3000, .steps = 8, .threshold = threshold}};
        auto state = program.start(m.context, philox{3}, diamond::labels(1));
        CHECK(of_steady_steps(m.context, [&] { program.step(state); }) == nothing);
    }
}

TEST_CASE("a transition of a chain") {
    const network m;
    diamond::early_stop_kernel kernel{m.map()};
    batch x(m.context, 2, 3000), next(m.context, 2, 3000);
    diamond::draw_normal(philox{4}.stream(diamond::purpose::initial), x.mutable_view());
    CHECK(of_steady_steps(m.context, [&] {
              kernel(x.read(), {0.3, 0.6}, diamond::labels(1),
                     philox{5}.stream(diamond::purpose::transition, 1), next.mutable_view());
          }) == nothing);
}

TEST_CASE("a step of training") {
    const network m;
    diamond::diamond_trainer trainer(m.net, m.data, philox{1},
                                     {.steps = 9, .batch = 700, .diagonal_first = 0.0});
    auto state = trainer.start();
    CHECK(of_steady_steps(m.context, [&] { trainer.step(state); }) == nothing);
}

} // namespace cuda_steady_state_test
