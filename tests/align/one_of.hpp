/// A kernel, a value estimator or a resampler chosen at run time: a test instantiates smc once and runs it on
/// all of them.
#pragma once

#include <functional>
#include <utility>
#include <variant>

#include <diamond/align/resampling.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/concepts/value_estimator.hpp>

namespace one_of {

using diamond::index_t;

template <class First, class... Rest>
class kernel {
public:
    using batch_type = typename First::batch_type;
    using condition_type = diamond::condition_of_t<First>;
    using view = diamond::view_t<batch_type>;
    using const_view = diamond::const_view_t<batch_type>;

    template <class K>
    kernel(K one) : which_(std::move(one)) {} // NOLINT: one kernel is any kernel

    [[nodiscard]] index_t dimension() const {
        return visit([](const auto& k) { return static_cast<index_t>(k.dimension()); });
    }
    [[nodiscard]] diamond::cost spent() const {
        return visit([](const auto& k) { return diamond::cost(k.spent()); });
    }
    [[nodiscard]] bool exact() const {
        return visit([](const auto& k) { return k.exact(); });
    }
    void operator()(const_view x, diamond::interval span, const condition_type& c,
                    diamond::noise_stream stream, view out) {
        std::visit([&](auto& k) { k(x, span, c, stream, out); }, which_);
    }

private:
    template <class F>
    auto visit(const F& f) const {
        return std::visit(f, which_);
    }
    std::variant<First, Rest...> which_;
};

template <class First, class... Rest>
class value {
public:
    using batch_type = typename First::batch_type;
    using condition_type = diamond::condition_of_t<First>;
    using const_view = diamond::const_view_t<batch_type>;

    template <class V>
    value(V one) : which_(std::move(one)) {} // NOLINT

    [[nodiscard]] index_t dimension() const {
        return visit([](const auto& v) { return static_cast<index_t>(v.dimension()); });
    }
    [[nodiscard]] diamond::cost spent() const {
        return visit([](const auto& v) { return diamond::cost(v.spent()); });
    }
    [[nodiscard]] auto& reward() {
        return std::visit([](auto& v) -> auto& { return v.reward(); }, which_);
    }
    void operator()(const_view x, double t, const condition_type& c, diamond::noise_stream stream,
                    diamond::value_rows<diamond::backend_of_t<batch_type>> values) {
        std::visit([&](auto& v) { v(x, t, c, stream, values); }, which_);
    }

private:
    template <class F>
    auto visit(const F& f) const {
        return std::visit(f, which_);
    }
    std::variant<First, Rest...> which_;
};

enum class resampling { multinomial, stratified, systematic, residual };
inline constexpr resampling every_resampling[] = {resampling::multinomial, resampling::stratified,
                                                  resampling::systematic, resampling::residual};

struct resampler {
    resampling which = resampling::systematic;

    template <class F>
    auto visit(const F& f) const {
        switch (which) {
        case resampling::multinomial:
            return f(diamond::multinomial{});
        case resampling::stratified:
            return f(diamond::stratified{});
        case resampling::systematic:
            return f(diamond::systematic{});
        case resampling::residual:
            break;
        }
        return f(diamond::residual{});
    }

    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns,
                    diamond::noise_stream stream, diamond::resampling_scratch<Context>& space,
                    std::int32_t* ancestors) const {
        visit([&](const auto& r) { r(context, cumulative, columns, stream, space, ancestors); });
    }
    [[nodiscard]] diamond::log_z_error method() const {
        return visit([](const auto& r) { return r.method(); });
    }
    [[nodiscard]] const char* name() const {
        switch (which) {
        case resampling::multinomial:
            return "multinomial";
        case resampling::stratified:
            return "stratified";
        case resampling::systematic:
            return "systematic";
        case resampling::residual:
            break;
        }
        return "residual";
    }
};

} // namespace one_of
