/// What drivers share: the clock, the bill, the observer's answer.
#pragma once

#include <chrono>
#include <type_traits>
#include <utility>

#include <diamond/core/cost.hpp>

namespace diamond {

/// An observer that watches nothing.
struct no_observer {
    template <class View>
    void operator()(const View&) const {}
};

namespace detail {

class stopwatch {
public:
    [[nodiscard]] double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Calls an observer; one that returns bool stops the run by false.
template <class Observer, class View>
bool keep_going(Observer& observer, const View& view) {
    if constexpr (std::is_convertible_v<std::invoke_result_t<Observer&, const View&>, bool>)
        return static_cast<bool>(observer(view));
    else {
        observer(view);
        return true;
    }
}

} // namespace detail

} // namespace diamond
