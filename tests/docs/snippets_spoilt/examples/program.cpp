// Regions, of which some cannot be shown.

// [whole]
#include <cstdio>

int run() {
    // [call]
    // A comment; [brackets], a backslash \ and a semicolon.
    return std::puts("shown");
    // [/call]
}
// [/whole]

// [empty]
// [/empty]

// [twice]
int first();
// [/twice]
// [twice]
int second();
// [/twice]

// [endless]
int last();
