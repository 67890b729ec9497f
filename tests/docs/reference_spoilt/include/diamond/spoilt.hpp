/// A header that breaks each rule of the reference once.
#pragma once

namespace diamond {

struct empty_without_documentation {};

struct without_documentation {
    int member; ///< documented
};

/// A struct whose member has none.
struct documented {
    int member;
};

void function_without_documentation();

/// A command that Doxygen does not know: @nosuchcommand.
struct bad_command {};

/// A reference to what is not there: @ref diamond::nothing.
struct lost_reference {};

template <class T>
concept bare = requires(T t) { t.x(); };

} // namespace diamond
