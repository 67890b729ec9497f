/// The library's version; the build reads it from here, so this is its only place.
#pragma once

#define DIAMOND_VERSION_MAJOR 0
#define DIAMOND_VERSION_MINOR 1
#define DIAMOND_VERSION_PATCH 0
