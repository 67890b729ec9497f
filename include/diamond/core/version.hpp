/// These macros are the version of the library, which the build reads from this file.
#pragma once

#define DIAMOND_VERSION_MAJOR 0
#define DIAMOND_VERSION_MINOR 1
#define DIAMOND_VERSION_PATCH 0
