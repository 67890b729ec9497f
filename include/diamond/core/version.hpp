/// These macros are the version of the library, which the build reads from this file.
#pragma once

/// Changes where programs must change.
#define DIAMOND_VERSION_MAJOR 0
/// Changes where something was added; below 1.0 also where programs must change.
#define DIAMOND_VERSION_MINOR 2
/// Changes where behaviour was corrected and no program must change.
#define DIAMOND_VERSION_PATCH 0
