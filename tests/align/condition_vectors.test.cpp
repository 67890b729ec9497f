// Vector conditions against a closed form: a mixture that is shifted linearly by the condition, z = z_0 + A
// c, so that its posterior is that of z_0 given x_t - alpha A c, shifted, and log Z(c) = log Z_0 + b . A c
// for the reward b . z. On every back end: nothing here reads a condition on the host.
#include <cmath>
#include <cstdint>
#include <vector>

#include <diamond/diamond.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

namespace align_condition_vectors_test {

using diamond::condition_vectors, diamond::index_t, diamond::linear_schedule, diamond::philox;

namespace {

constexpr index_t size = 3; // numbers of a condition

/// A, 2 x 3.
DIAMOND_HD double coefficient(index_t i, index_t k) {
    return i == 0 ? 0.5 - 0.4 * static_cast<double>(k) : 0.3 * static_cast<double>(k) - 0.2;
}
/// out = x + scale A c, column j with the condition of column j / samples.
template <class Batch>
struct shift {
    condition_vectors<Batch> c;
    double scale;
    index_t samples;
    diamond::const_view_t<Batch> x;
    diamond::view_t<Batch> out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        double sum = static_cast<double>(x(i, j));
        for (index_t k = 0; k < c.size(); ++k)
            sum += scale * coefficient(i, k) * static_cast<double>(c(k, j / samples));
        out(i, j) = static_cast<typename Batch::value_type>(sum);
    }
};
/// Draws z | x_t, c; without a condition c = 0.
template <class Batch>
class conditional_posterior {
public:
    using batch_type = Batch;
    using condition_type = condition_vectors<Batch>;
    using model = diamond::gaussian_mixture<Batch, linear_schedule>;

    explicit conditional_posterior(const model& of) : draws_(of) {}
    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return draws_.spent(); }
    [[nodiscard]] bool exact() const { return true; }
    void operator()(diamond::const_view_t<Batch> x, double t, const condition_type& c,
                    diamond::noise_stream stream, diamond::view_t<Batch> out) {
        diamond::require_vectors(c, x.columns(), size);
        const auto& context = out.context();
        shifted_.resize(context, 2, x.columns());
        context.for_each(2, x.columns(), shift<Batch>{c, -t, 1, x, shifted_.mutable_view()});
        draws_(shifted_.read(), t, {}, stream, out);
        context.for_each(2, out.columns(), shift<Batch>{c, 1.0, stream.samples, out, out});
    }

private:
    diamond::exact_posterior<model> draws_;
    diamond::scratch<typename Batch::value_type, diamond::backend_of_t<Batch>> shifted_;
};
const std::vector<double> tilt{0.6, -0.4};

/// b . A c.
double gain(const std::vector<double>& c, index_t column) {
    double sum = 0.0;
    for (index_t i = 0; i < 2; ++i)
        for (index_t k = 0; k < size; ++k)
            sum += tilt[static_cast<std::size_t>(i)] * coefficient(i, k) *
                   c[static_cast<std::size_t>(k + size * column)];
    return sum;
}

} // namespace

TEST_CASE_TEMPLATE("vectors are repeated and gathered with their particles", back, BACK_ENDS) {
    using batch = typename back::batch;
    using list = std::vector<typename back::real>;
    const auto context = back::make();
    const auto rows = diamond::from_host<typename back::real>(context, 2, 3, {1, 2, 3, 4, 5, 6});
    const auto chosen = diamond::from_host(context, 1, 4, std::vector<std::int32_t>{2, 0, 2, 1});
    const condition_vectors<batch> each(rows.read()),
        one = condition_vectors<batch>::for_all(rows.read().columns(0, 1)), none;
    diamond::condition_store<condition_vectors<batch>, typename back::context> store;
    static_assert(diamond::diagnose_condition<condition_vectors<batch>, typename back::context>());
    CHECK(diamond::to_host(store.repeat(context, each, 3, 2).rows()) ==
          list{1, 2, 1, 2, 3, 4, 3, 4, 5, 6, 5, 6});
    const auto gathered = store.gather(context, each, chosen.data(), 4);
    CHECK(diamond::to_host(gathered.rows()) == list{5, 6, 1, 2, 5, 6, 3, 4});
    // What was gathered may be gathered again.
    CHECK(diamond::to_host(store.gather(context, gathered, chosen.data(), 4).rows()) ==
          list{5, 6, 5, 6, 5, 6, 1, 2});
    for (const auto& for_all : {one, none}) {
        CHECK(for_all.broadcast());
        CHECK(store.repeat(context, for_all, 3, 2).rows().data() == for_all.rows().data());
        CHECK(store.gather(context, for_all, chosen.data(), 4).rows().data() == for_all.rows().data());
    }
    CHECK(none.none());
    CHECK_FALSE(one.none());
    CHECK(none.size() == 0);
    CHECK_THROWS_WITH_AS(static_cast<void>(condition_vectors<batch>::for_all(rows.read())),
                         doctest::Contains("one condition for all columns: 3 columns instead of 1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(store.repeat(context, each, 4, 2),
                         doctest::Contains("conditions of 3 columns for a batch of 4"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::require_vectors(one, 4, 5),
                         doctest::Contains("a condition of 2 numbers for a network that takes 5"),
                         std::invalid_argument);
}

TEST_CASE_TEMPLATE("SMC under vectors reaches the closed form's log Z, and particles keep their own", back,
                   BACK_ENDS) {
    using batch = typename back::batch;
    using real = typename back::real;
    const auto context = back::make();
    const typename conditional_posterior<batch>::model mixture{
        context, {}, {0.5, 0.3, 0.2}, {-1, 0, 0.5, 1, 1, -0.5}, {0.1, 0.2, 0.3}};
    diamond::quadratic_form form;
    form.linear = tilt;
    const double log_z = mixture.tilted(form).log_z;
    constexpr index_t n = 64, runs = 150;
    const conditional_posterior<batch> draws(mixture);
    const diamond::linear_reward<batch> reward{context,
                                               {static_cast<float>(tilt[0]), static_cast<float>(tilt[1])}};
    diamond::smc sampler(diamond::ddpm_posterior_kernel{draws},
                         diamond::posterior_value{draws, reward, {.samples = 2}},
                         {.particles = n, .steps = 5, .threshold = 2.0, .log_delta = -diamond::infinity});

    // Two conditions, particle by particle, so that the weights choose between them; and one for all.
    std::vector<double> numbers(static_cast<std::size_t>(size * n));
    for (index_t j = 0; j < n; ++j)
        for (index_t k = 0; k < size; ++k)
            numbers[static_cast<std::size_t>(k + size * j)] = j % 2 ? 1.0 - static_cast<double>(k) : 0.5;
    const auto each = diamond::from_host<real>(context, size, n,
                                               std::vector<real>(numbers.begin(), numbers.end())),
               one = diamond::from_host<real>(context, size, 1,
                                              std::vector<real>(numbers.begin(), numbers.begin() + size));
    const double even = std::exp(gain(numbers, 0)), odd = std::exp(gain(numbers, 1)),
                 both = (even + odd) / 2.0;
    REQUIRE(std::abs(std::log(odd / even)) > 0.5); // so that a lost condition would show
    std::vector<double> mixed, alone, unconditional, share;
    for (std::uint64_t run = 0; run < runs; ++run) {
        const philox rng = philox{11}.split(run);
        const auto result = sampler(context, rng, condition_vectors<batch>(each.read()));
        mixed.push_back(std::exp(result.log_z - log_z) / both);
        // The share of Z that the odd particles' condition has.
        const auto families = result.families;
        const auto weights = result.weights();
        double sum = 0.0;
        for (std::size_t j = 0; j < families.size(); ++j) sum += families[j] % 2 ? weights[j] : 0.0;
        share.push_back(std::exp(result.log_z - log_z) * sum / (odd / 2.0));
        alone.push_back(
            std::exp(sampler(context, rng, condition_vectors<batch>::for_all(one.read())).log_z - log_z) /
            even);
        unconditional.push_back(std::exp(sampler(context, rng).log_z - log_z));
    }
    // The seeds are fixed; of other seeds each of these means would be outside once in 147,000.
    for (const auto* found : {&mixed, &alone, &unconditional, &share}) {
        const auto mean = statistics::average(*found);
        CHECK(statistics::within(mean, 1.0));
        CHECK(mean.standard_error < 0.05);
    }
    // With the options of a first run, whose pilot has fewer draws than there are particles.
    constexpr index_t many = 1200;
    std::vector<real> repeated;
    for (index_t j = 0; j < many; ++j)
        for (index_t k = 0; k < size; ++k)
            repeated.push_back(static_cast<real>(numbers[static_cast<std::size_t>(k + size * (j % n))]));
    const auto of_many = diamond::from_host<real>(context, size, many, repeated);
    diamond::smc usual(diamond::ddpm_posterior_kernel{draws},
                       diamond::posterior_value{draws, reward, {.samples = 2}},
                       {.particles = many, .steps = 5});
    const auto result = usual(context, philox{12}, condition_vectors<batch>(of_many.read()));
    CHECK(result.pilot.draws == 512);
    CHECK(result.log_z_standard_error < 0.05);
    CHECK(std::abs(result.log_z - log_z - std::log(both)) < 5.0 * result.log_z_standard_error);
    CHECK_THROWS_WITH_AS(sampler(context, philox{1}, condition_vectors<batch>(each.read().columns(0, n - 1))),
                         doctest::Contains("conditions of 63 columns for more particles: that of column 63"),
                         std::invalid_argument);
}

} // namespace align_condition_vectors_test
