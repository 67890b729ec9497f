/// Working space of a reward whose number type and back end are known only when it is called.
#pragma once

#include <any>

#include <diamond/core/batch.hpp>

namespace diamond::detail {

/// A scratch batch whose number type and context are those of the latest call. It allocates when either
/// changes, and when it grows.
class workspace {
public:
    /// A rows x columns view, whose contents are unspecified; it is valid until the next call.
    template <class Real, class Context>
    batch_view<Real, Context> resized(const Context& context, index_t rows, index_t columns) {
        auto* space = std::any_cast<scratch<Real, Context>>(&held_);
        if (!space) space = &held_.emplace<scratch<Real, Context>>();
        space->resize(context, rows, columns);
        return *space;
    }

private:
    std::any held_;
};

} // namespace diamond::detail
