#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/reward/classifier_reward.hpp>
#include <diamond/reward/forbid_non_finite.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/reward/quadratic_reward.hpp>
#include <diamond/reward/sum_reward.hpp>
#include <diamond/reward/tempered_reward.hpp>

#include "checks.hpp"

namespace reward_composition_test {

using namespace checks;

namespace {

template <class Batch>
auto linear(const context_of<Batch>& context) {
    return diamond::linear_reward{context, parameters<Batch>(context, 4, 21), 0.5};
}
template <class Batch>
auto quadratic(const context_of<Batch>& context) {
    return diamond::quadratic_reward{context, parameters<Batch>(context, 4, 22),
                                     vector_of<Batch>{1, 0, 2, 3}};
}
template <class Batch>
auto masked(const context_of<Batch>& context) {
    return diamond::gaussian_measurement_reward{context, diamond::mask_measurement<Batch>(context, 4, {1, 2}),
                                                parameters<Batch>(context, 2, 23), 0.8};
}
template <class Batch>
auto classifier(const context_of<Batch>& context) {
    return diamond::classifier_reward{diamond::affine_measurement{context, parameters<Batch>(context, 12, 24),
                                                                  parameters<Batch>(context, 3, 25)},
                                      1};
}

/// The first coordinate, pointwise.
struct first_coordinate {
    DIAMOND_HD auto operator()(const auto& column) const { return column[0]; }
};
constexpr first_coordinate first;

/// Functors for a device, which takes no lambdas of the host.
template <class View>
struct write_label {
    diamond::labels condition;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        out(i, j) = static_cast<typename View::value_type>(condition[j]);
    }
};
template <class View>
struct write_row {
    View z;
    index_t row;
    double* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = static_cast<double>(z(row, j)); }
};
/// The second coordinate, by batches.
struct second_of_batch {
    template <class View>
    void operator()(View z, diamond::row_view<double, typename View::context_type> out) const {
        z.context().for_each(z.columns(), write_row<View>{z, 1, out.data()});
    }
};
/// 1, -inf, NaN, +inf at 1, 2, 3 and elsewhere.
struct odd_reward {
    DIAMOND_HD double operator()(const auto& column) const {
        const double x = static_cast<double>(column[0]);
        return x == 1 ? 1.0
             : x == 2 ? -diamond::infinity
             : x == 3 ? diamond::not_a_number
                      : diamond::infinity;
    }
};
template <class View>
struct write_logarithm {
    View x;
    double* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = std::log(static_cast<double>(x(0, j))); }
};
template <class ConstView, class View>
struct write_inverse {
    ConstView x;
    View out;
    DIAMOND_HD void operator()(index_t j) const {
        out(0, j) = std::pow(x(0, j), typename View::value_type(-1));
    }
};
template <class Batch>
struct logarithm { // NaN for negative z, its gradient finite or not
    void operator()(diamond::const_view_t<Batch> x, diamond::row_t<Batch> out) const {
        x.context().for_each(x.columns(), write_logarithm<diamond::const_view_t<Batch>>{x, out.data()});
    }
    void gradient(diamond::const_view_t<Batch> x, diamond::view_t<Batch> out) const {
        x.context().for_each(x.columns(),
                             write_inverse<diamond::const_view_t<Batch>, diamond::view_t<Batch>>{x, out});
    }
};

/// The label of a particle, as a reward that takes the condition, with its gradient.
struct label_reward {
    template <class View>
    void operator()(View z, diamond::labels condition,
                    diamond::row_view<double, typename View::context_type> values) const {
        using row = diamond::batch_view<double, typename View::context_type>;
        z.context().for_each(1, z.columns(),
                             write_label<row>{condition, row(values.data(), 1, z.columns(), &z.context())});
    }
    template <class View, class Out>
    void gradient(View, diamond::labels condition, Out out) const {
        out.context().for_each(out.rows(), out.columns(), write_label<Out>{condition, out});
    }
};

std::vector<double> combined(double p, const std::vector<double>& a, double q, const std::vector<double>& b) {
    std::vector<double> result;
    for (std::size_t k = 0; k < a.size(); ++k) result.push_back(p * a[k] + q * b[k]);
    return result;
}

} // namespace

TEST_CASE_TEMPLATE("a sum of rewards adds values, gradients and quadratic forms", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = points<Batch>(context, 4, 200);
    auto a = linear<Batch>(context);
    auto b = quadratic<Batch>(context);
    auto c = masked<Batch>(context);
    auto e = classifier<Batch>(context);

    auto forms = diamond::sum_reward{a, b, c};
    CHECK(difference(values(forms, z), combined(1, combined(1, values(a, z), 1, values(b, z)), 1,
                                                values(c, z))) < tolerance<Batch>);
    CHECK(gradient_error(forms, z) < gradient_tolerance<Batch>);
    CHECK(form_error(forms, z) < tolerance<Batch>);

    auto general = diamond::sum_reward{e, a};
    CHECK(difference(values(general, z), combined(1, values(e, z), 1, values(a, z))) < tolerance<Batch>);
    CHECK(gradient_error(general, z) < gradient_tolerance<Batch>);
    static_assert(!diamond::reward_with_quadratic_form<decltype(general)>);

    auto nested = diamond::sum_reward{diamond::sum_reward{a, b}, c};
    CHECK(difference(values(nested, z), values(forms, z)) < tolerance<Batch>);
    CHECK(form_error(nested, z) < tolerance<Batch>);
    auto alone = diamond::sum_reward{a};
    CHECK(values(alone, z) == values(a, z));
}

TEST_CASE_TEMPLATE("rewards of every form are parts", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = points<Batch>(context, 4, 50);
    auto sum = diamond::sum_reward{first, second_of_batch{}, diamond::scaled_reward{-2.0, first}};
    CHECK(difference(values(sum, z), expected(z, [](const std::vector<double>& x) {
                         return x[0] + x[1] - 2.0 * x[0];
                     })) < tolerance<Batch>);
    static_assert(!diamond::differentiable_reward<decltype(sum), Batch> &&
                  !diamond::reward_with_quadratic_form<decltype(sum)>);
    // A part that is no reward makes no reward.
    static_assert(!diamond::reward<diamond::sum_reward<decltype(first), int>, Batch> &&
                  !diamond::reward<diamond::scaled_reward<int>, Batch>);
}

TEST_CASE_TEMPLATE("compositions hand the condition on", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = points<Batch>(context, 4, 3);
    const std::vector<std::int32_t> host{2, 0, 7};
    const auto stored = diamond::from_host(context, 1, 3, host);
    const diamond::labels condition(stored.data());

    auto plain = diamond::sum_reward{label_reward{}, first};
    static_assert(diamond::reward<decltype(plain), Batch, diamond::labels> &&
                  !diamond::reward<decltype(plain), Batch>);
    auto reward = diamond::scaled_reward{3.0, diamond::sum_reward{label_reward{}, linear<Batch>(context)}};
    auto part = linear<Batch>(context);
    const auto r = values(reward, z, condition);
    const auto of = values(part, z);
    CHECK(difference(r, {3 * (2 + of[0]), 3 * (0 + of[1]), 3 * (7 + of[2])}) < tolerance<Batch>);
    const auto slope = gradients(reward, z, condition), own = gradients(part, z);
    CHECK(difference({slope[0], slope[4], slope[8]}, {3 * (2 + own[0]), 3 * (0 + own[4]), 3 * (7 + own[8])}) <
          tolerance<Batch>);
}

TEST_CASE_TEMPLATE("scaling and temperature multiply values, gradients and quadratic forms", back_end,
                   BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = points<Batch>(context, 4, 200);
    auto b = quadratic<Batch>(context);
    auto e = classifier<Batch>(context);
    for (const double factor : {0.0, 0.25, 3.0, -1.5}) {
        auto scaled = diamond::scaled_reward{factor, b};
        CHECK(difference(values(scaled, z), combined(factor, values(b, z), 0, values(b, z))) <
              tolerance<Batch>);
        CHECK(gradient_error(scaled, z) < gradient_tolerance<Batch>);
        CHECK(form_error(scaled, z) < tolerance<Batch>);
    }
    auto tempered = diamond::tempered_reward{0.5, e};
    CHECK(difference(values(tempered, z), combined(2, values(e, z), 0, values(e, z))) < tolerance<Batch>);
    CHECK(gradient_error(tempered, z) < 2 * gradient_tolerance<Batch>);
    auto twice = diamond::tempered_reward{0.5, diamond::scaled_reward{0.5, b}};
    CHECK(difference(values(twice, z), values(b, z)) < tolerance<Batch>);
    CHECK(form_error(twice, z) < tolerance<Batch>);
}

TEST_CASE_TEMPLATE("compositions refuse what they cannot mean", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    for (const double factor : {diamond::infinity, std::nan("")})
        CHECK_THROWS_WITH_AS((diamond::scaled_reward{factor, first}), doctest::Contains("factor"),
                             std::invalid_argument);
    for (const double temperature : {0.0, -1.0, diamond::infinity, std::nan(""), 1e-310})
        CHECK_THROWS_WITH_AS((diamond::tempered_reward{temperature, first}), doctest::Contains("temperature"),
                             std::invalid_argument);
    CHECK_THROWS_WITH_AS((diamond::tempered_reward{-2.5, first}), doctest::Contains("-2.5"),
                         std::invalid_argument);

    const auto uneven = diamond::sum_reward{linear<Batch>(context),
                                            diamond::linear_reward{context, vector_of<Batch>{1, 2}}};
    CHECK_THROWS_WITH_AS(static_cast<void>(uneven.quadratic_form()), doctest::Contains("dimension 4 and 2"),
                         std::invalid_argument);
}

namespace {
/// constant + linear . z - 1/2 sum curvature z^2, with whatever its form leaves out being 0.
struct formed {
    diamond::quadratic_form form;
    double operator()(const auto& z) const {
        double value = form.constant;
        for (std::size_t i = 0; i < form.linear.size(); ++i)
            value += form.linear[i] * static_cast<double>(z[static_cast<index_t>(i)]);
        for (std::size_t i = 0; i < form.curvature.size(); ++i)
            value -= 0.5 * form.curvature[i] *
                     diamond::square(static_cast<double>(z[static_cast<index_t>(i)]));
        return value;
    }
    [[nodiscard]] diamond::quadratic_form quadratic_form() const { return form; }
};
} // namespace

TEST_CASE("a form that leaves out zeros is summed and scaled as the numbers it stands for; others of unequal "
          "lengths are refused with both") {
    using numbers = std::vector<double>;
    const formed slope{{.linear = {0.5, -1.0}}}, bowl{{.curvature = {1.0, 3.0}}},
        full{{.constant = 2.0, .linear = {1.0, 0.0}, .curvature = {0.0, 1.0}}}, flat{{.constant = -1.0}};
    const auto same = [](const diamond::quadratic_form& form, double constant, const numbers& linear,
                         const numbers& curvature) {
        CHECK(form.constant == constant);
        CHECK(form.linear == linear);
        CHECK(form.curvature == curvature);
    };
    using diamond::sum_reward, diamond::scaled_reward;
    same(sum_reward{slope, bowl}.quadratic_form(), 0.0, {0.5, -1.0}, {1.0, 3.0});
    same(sum_reward{bowl, slope}.quadratic_form(), 0.0, {0.5, -1.0}, {1.0, 3.0});
    same(sum_reward{slope, slope}.quadratic_form(), 0.0, {1.0, -2.0}, {});
    same(sum_reward{bowl, bowl, bowl}.quadratic_form(), 0.0, {}, {3.0, 9.0});
    same(sum_reward{slope, full, flat}.quadratic_form(), 1.0, {1.5, -1.0}, {0.0, 1.0});
    same(sum_reward{full, slope}.quadratic_form(), 2.0, {1.5, -1.0}, {0.0, 1.0});
    same(sum_reward{flat, bowl}.quadratic_form(), -1.0, {}, {1.0, 3.0});
    same(sum_reward{flat, flat}.quadratic_form(), -2.0, {}, {});
    same(sum_reward{flat}.quadratic_form(), -1.0, {}, {});
    same(sum_reward{sum_reward{slope, flat}, scaled_reward{2.0, bowl}}.quadratic_form(), -1.0, {0.5, -1.0},
         {2.0, 6.0});
    same(diamond::tempered_reward{0.5, sum_reward{slope, slope}}.quadratic_form(), 0.0, {2.0, -4.0}, {});
    same(diamond::forbid_non_finite{sum_reward{slope, slope}}.quadratic_form(), 0.0, {1.0, -2.0}, {});

    const formed longer{{.linear = {1.0, 2.0, 3.0}}}, deeper{{.curvature = {1.0, 2.0, 3.0}}},
        crooked{{.linear = {1.0}, .curvature = {1.0, 2.0}}};
    const auto refused = [](const char* why, const auto& reward) {
        CHECK_THROWS_WITH_AS(static_cast<void>(reward.quadratic_form()), doctest::Contains(why),
                             std::invalid_argument);
    };
    refused("dimension 2 and 3", sum_reward{slope, longer});
    refused("dimension 2 and 3", sum_reward{slope, deeper}); // of another vector
    refused("dimension 3 and 2", sum_reward{deeper, flat, slope});
    refused("dimension 3 and 2", sum_reward{deeper, full});
    refused("1 linear coefficients and 2 curvatures", sum_reward{crooked});
    refused("1 linear coefficients and 2 curvatures", sum_reward{flat, crooked});
}

TEST_CASE_TEMPLATE("-inf forbids in a sum, and by choice NaN and +inf do", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto z = diamond::from_host(context, 1, 4, vector_of<Batch>{1, 2, 3, 4});
    const double inf = diamond::infinity;
    auto safe = diamond::forbid_non_finite{odd_reward{}};
    CHECK(values(safe, z) == std::vector<double>{1, -inf, -inf, -inf});
    auto sum = diamond::sum_reward{diamond::linear_reward{context, vector_of<Batch>{10}}, safe};
    CHECK(values(sum, z) == std::vector<double>{11, -inf, -inf, -inf});
    auto tempered = diamond::tempered_reward{2.0, safe};
    CHECK(values(tempered, z) == std::vector<double>{0.5, -inf, -inf, -inf});

    auto log_reward = diamond::forbid_non_finite{logarithm<Batch>{}};
    const auto x = diamond::from_host(context, 1, 4, vector_of<Batch>{2, 0, -4, 4});
    CHECK(difference(values(log_reward, x), {std::log(2.0), -inf, -inf, std::log(4.0)}) < tolerance<Batch>);
    CHECK(gradients(log_reward, x) == std::vector<double>{0.5, 0, 0, 0.25});

    auto quadratics = diamond::forbid_non_finite{quadratic<Batch>(context)};
    CHECK(form_error(quadratics, points<Batch>(context, 4, 10)) < tolerance<Batch>);
}

TEST_CASE_TEMPLATE("a copy of a composition is whole, and batches of any size follow each other", back_end,
                   BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    auto reward = diamond::sum_reward{classifier<Batch>(context), masked<Batch>(context),
                                      linear<Batch>(context)};
    const auto z = points<Batch>(context, 4, 300), small = points<Batch>(context, 4, 2);
    const auto whole = values(reward, z), slopes = gradients(reward, z);
    auto copy = reward;
    auto moved = std::move(reward);
    CHECK(values(copy, z) == whole);
    CHECK(values(moved, small) == std::vector<double>{whole[0], whole[1]});
    CHECK(values(moved, z) == whole);
    CHECK(gradients(copy, z) == slopes);
}

TEST_CASE_TEMPLATE("rewards have the same bits on any number of threads", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto on = [](int threads) {
        const auto context = back_end::make(threads);
        const auto z = points<Batch>(context, 4, 5000);
        auto reward = diamond::sum_reward{classifier<Batch>(context), masked<Batch>(context),
                                          linear<Batch>(context)};
        return std::pair{values(reward, z), gradients(reward, z)};
    };
    CHECK(on(1) == on(2));
    CHECK(on(1) == on(3));
}

} // namespace reward_composition_test
