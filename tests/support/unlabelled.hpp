/// This header defines the density of a law without labels for networks that have labels. The density is
/// absolute, or relative to an anchor.
#pragma once

#include <utility>

#include <diamond/concepts/marginal_density.hpp>

namespace labelled {

template <class Density>
class unlabelled {
public:
    using batch_type = typename Density::batch_type;
    using condition_type = diamond::labels;
    using const_view = diamond::const_view_t<batch_type>;

    explicit unlabelled(Density density) : density_(std::move(density)) {}

    [[nodiscard]] diamond::index_t dimension() const { return density_.dimension(); }
    [[nodiscard]] auto schedule() const { return density_.schedule(); }
    [[nodiscard]] diamond::cost spent() const { return density_.spent(); }
    [[nodiscard]] bool exact() const
        requires diamond::detail::has_exact<Density>
    {
        return density_.exact();
    }
    void operator()(const_view x, double t, const diamond::labels&, diamond::row_t<batch_type> out)
        requires diamond::detail::says_log_density<Density>
    {
        density_(x, t, {}, out);
    }
    void operator()(const_view x, double t, const diamond::labels&, const_view anchor,
                    diamond::index_t samples, diamond::row_t<batch_type> out)
        requires(!diamond::detail::says_log_density<Density>)
    {
        density_(x, t, {}, anchor, samples, out);
    }

private:
    Density density_;
};

} // namespace labelled
