/// Data-parallel training: the same bits on any number of ranks, also from a file on others; one shard is the
/// training without shards; and ranks that do not train the same are refused.
#include <cmath>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/training_checkpoint.hpp>
#include <diamond/mpi/sharded_gradient.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/train/diamond_trainer.hpp>

#include "world.hpp"

namespace mpi_training_test {

using diamond::index_t, diamond::philox, diamond::mpi::communicator, diamond::mpi::sharded_gradient;
using diamond_test::alone, diamond_test::half, diamond_test::world;

namespace {

using batch = diamond::eigen::batch<float>;

/// Two points, smoothed, and a small network for them.
struct problem {
    diamond::eigen::context context{.threads = 1};
    diamond::training_set<batch> data{
        diamond::from_host<float>(context, 2, 2, std::vector<float>{1.0f, -0.5f, -1.0f, 0.7f}), 0.4};

    template <class... Sum>
    auto trainer(const Sum&... sum) const {
        return trainer_of(philox{5}, 64, sum...);
    }
    template <class... Sum>
    auto trainer_of(philox rng, index_t columns, const Sum&... sum) const {
        const diamond::diamond_mlp<batch, diamond::linear_schedule> network{
            {},
            diamond::gaussian_frame<batch>(context, {{0.0, 0.0}, {1.2, 0.5}, {}}),
            {.mlp = {.width = 16, .blocks = 1}}};
        return diamond::diamond_trainer{network,
                                        data,
                                        rng,
                                        {.steps = 40,
                                         .batch = columns,
                                         .diagonal_first = 0.2,
                                         .optimiser = {.clip = 0.0},
                                         .report_every = 10},
                                        sum...};
    }
};
std::vector<float> numbers_of(const diamond::training_state<batch>& state) {
    auto all = to_host(state.theta);
    for (const auto* part : {&state.average, &state.mean, &state.variance}) {
        const auto more = to_host(*part);
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}
template <class Trainer>
diamond::training_state<batch> trained(Trainer& trainer) {
    auto state = trainer.start();
    trainer.run(state);
    return state;
}

/// Sums rows of numbers, one a shard, as the ranks do.
std::vector<float> summed(const communicator& ranks, const std::vector<std::vector<float>>& rows) {
    const diamond::eigen::context context{.threads = 1};
    const auto p = static_cast<index_t>(rows.front().size());
    diamond::mpi::detail::sharded_sum<batch> sum{
        sharded_gradient{ranks, {.shards = static_cast<index_t>(rows.size())}}};
    batch gradient(context, p, 1);
    diamond::training_losses losses;
    set_to_zero(gradient.mutable_view());
    sum.begin(0, gradient.read());
    const auto own = sum.own();
    for (index_t s = own.first; s < own.first + own.count; ++s) {
        context.from_host(rows[static_cast<std::size_t>(s)].data(), p, gradient.data());
        losses = {.diagonal = static_cast<double>(s), .off_diagonal = 1.0};
        sum.add(s, gradient.read(), &losses);
    }
    sum.finish(gradient.mutable_view(), &losses);
    CHECK(losses.diagonal == 0.5 * static_cast<double>(rows.size() - 1));
    CHECK(losses.off_diagonal == 1.0);
    return to_host(gradient);
}

} // namespace

TEST_CASE(
    "gradients of shards are summed in one order on any number of ranks, and the order makes the bits") {
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    for (const std::size_t shards : {1U, 2U, 7U, 8U}) {
        std::vector<std::vector<float>> rows(shards, std::vector<float>(101));
        for (auto& row : rows)
            for (float& x : row) x = normal(engine);
        const auto sum = summed(world(), rows);
        CHECK(sum == summed(alone(), rows));
        CHECK(sum == summed(half(), rows));
        double largest = 0.0;
        std::vector<float> one_by_one(101, 0.0f); // as each rank's own sum would be, were it added first
        for (std::size_t i = 0; i < 101; ++i) {
            double exact = 0.0;
            for (const auto& row : rows) exact += static_cast<double>(row[i]);
            for (const auto& row : rows) one_by_one[i] += row[i];
            largest = std::fmax(largest, std::fabs(static_cast<double>(sum[i]) - exact));
        }
        CHECK(largest < 1e-5);
        CHECK((sum == one_by_one) == (shards <= 2));
    }
}

TEST_CASE("a training in shards has the same bits on any number of ranks") {
    const problem p;
    auto over_ranks = p.trainer(sharded_gradient{world(), {.shards = 8}}),
         on_one = p.trainer(sharded_gradient{alone(), {.shards = 8}});
    auto state = over_ranks.start();
    std::vector<diamond::training_report> reports;
    over_ranks.run(state, [&](const diamond::training_report& at) {
        reports.push_back(at);
        return true;
    });
    auto reference = on_one.start();
    std::size_t k = 0;
    on_one.run(reference, [&](const diamond::training_report& at) {
        CHECK(at.diagonal_loss == reports[k].diagonal_loss);
        CHECK(at.off_diagonal_loss == reports[k].off_diagonal_loss);
        CHECK(at.gradient_norm == reports[k].gradient_norm);
        ++k;
        return true;
    });
    CHECK(numbers_of(state) == numbers_of(reference));
    CHECK(to_host(state.loss_sums) == to_host(reference.loss_sums));
    // One shard is the whole batch; two are other draws, and so another training.
    auto plain = p.trainer();
    auto one_shard = p.trainer(sharded_gradient{world(), {.shards = 1}});
    const auto whole = trained(plain), in_one = trained(one_shard);
    CHECK(numbers_of(whole) == numbers_of(in_one));
    CHECK(whole.belongs_to == in_one.belongs_to);
    CHECK(numbers_of(whole) != numbers_of(state));
    auto two_shards = p.trainer(sharded_gradient{world(), {.shards = 2}});
    auto foreign = two_shards.start();
    CHECK_THROWS_WITH(over_ranks.step(foreign), doctest::Contains("this state belongs to another training"));
}

TEST_CASE(
    "the gradient of shards is the mean of those of trainings that have one shard each as their batch") {
    const problem p;
    auto over_ranks = p.trainer(sharded_gradient{world(), {.shards = 4}});
    auto state = over_ranks.start();
    over_ranks.step(state);
    const auto gradient = to_host(state.mean); // of AdamW, a tenth of the gradient after the first step
    const double loss = over_ranks.report(state).diagonal_loss;
    std::vector<double> mean(gradient.size());
    double mean_loss = 0.0, size = 0.0, largest = 0.0;
    for (std::uint64_t s = 0; s < 4; ++s) {
        auto plain = p.trainer_of(philox{5}.split(0x73686172640000 + s), 16);
        auto its = plain.start();
        p.context.copy(over_ranks.start().theta.data(), plain.parameters(), its.theta.data());
        p.context.copy(its.theta.data(), plain.parameters(), its.average.data());
        plain.step(its);
        const auto own = to_host(its.mean);
        for (std::size_t i = 0; i < own.size(); ++i) mean[i] += 0.25 * static_cast<double>(own[i]);
        mean_loss += 0.25 * plain.report(its).diagonal_loss;
    }
    CHECK(loss == doctest::Approx(mean_loss).epsilon(1e-12));
    for (std::size_t i = 0; i < mean.size(); ++i) {
        size = std::fmax(size, std::fabs(mean[i]));
        largest = std::fmax(largest, std::fabs(mean[i] - static_cast<double>(gradient[i])));
    }
    CHECK(size > 1e-4);
    CHECK(largest < 1e-5 * size); // float, in another order
}

TEST_CASE("a training that rank 0 has saved goes on from its file on another number of ranks") {
    const problem p;
    const auto file = std::filesystem::temp_directory_path() /
                      ("diamond_mpi_training_" + std::to_string(world().size()) + ".safetensors");
    auto over_ranks = p.trainer(sharded_gradient{world()});
    const auto reference = numbers_of(trained(over_ranks));
    auto state = over_ranks.start();
    while (state.step < 15) over_ranks.step(state);
    world().on_first([&] { diamond::io::save_training(file, state, "two points"); });

    const auto go_on = [&](const communicator& ranks) {
        auto trainer = p.trainer(sharded_gradient{ranks});
        auto loaded = diamond::io::load_training<batch>(p.context, file, "two points", trainer.parameters());
        CHECK(loaded.step == 15);
        trainer.run(loaded);
        CHECK(numbers_of(loaded) == reference);
    };
    go_on(alone());
    go_on(half());
    go_on(world());
    world().wait();
    world().on_first([&] { std::filesystem::remove(file); });
}

TEST_CASE("what trainings in shards refuse") {
    const problem p;
    CHECK_THROWS_WITH((sharded_gradient{world(), {.shards = 0}}), "0 shards of a batch: 1 to 2^20 are taken");
    CHECK_THROWS_WITH(p.trainer(sharded_gradient{world(), {.shards = 7}}),
                      "a batch of 64 columns is not cut into 7 shards of one size");
    if (world().size() == 1) return;
    auto trainer = p.trainer(sharded_gradient{world()});
    auto state = trainer.start();
    if (world().rank() == 1) state.theta.data()[3] += 1e-6f;
    CHECK_THROWS_WITH(trainer.step(state),
                      "rank 1 has other parameters than rank 0 at step 0: begin on all ranks "
                      "from the same state, and train on processors of one kind");
    state = trainer.start();
    if (world().rank() == 1) state.step = 2;
    CHECK_THROWS_WITH(trainer.step(state), doctest::Contains("rank 1 trains step 2 and rank 0 step 0"));

    // An error on rank 0 alone, as of a full disk, is thrown on all ranks.
    CHECK_THROWS_WITH(world().on_first([] { throw std::runtime_error("no room is left"); }),
                      doctest::Contains("no room is left"));
}

TEST_CASE("an error on some ranks is thrown on all, and one of MPI itself ends them") {
    const int rank = world().rank(), last = world().size() - 1;
    CHECK_NOTHROW(world().on_each([] {}));
    const std::string own = "rank " + std::to_string(last) + " has no room";
    const auto fail_on_last = [&] {
        if (rank == last) throw std::invalid_argument(own);
    };
    const std::string expected = rank == last ? own : "rank " + std::to_string(last) + ": " + own;
    CHECK_THROWS_WITH(world().on_each(fail_on_last), expected.c_str());
    CHECK_THROWS_AS(half().on_each([] { throw 3; }), int);

    MPI_Comm returning = MPI_COMM_NULL; // whose errors are returned, to whoever reads them
    MPI_Comm_dup(MPI_COMM_SELF, &returning);
    MPI_Comm_set_errhandler(returning, MPI_ERRORS_RETURN);
    {
        const communicator ranks(returning);
        MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
        MPI_Comm_get_errhandler(ranks.handle(), &handler);
        CHECK(handler == MPI_ERRORS_ARE_FATAL);
    }
    MPI_Comm_free(&returning);
}

} // namespace mpi_training_test
