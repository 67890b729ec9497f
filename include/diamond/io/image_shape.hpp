/// This header gives pictures the image_shape that rewards use.
#pragma once

#include <diamond/core/image_shape.hpp>

namespace diamond::io {

using diamond::image_shape;
using diamond::to_string;

} // namespace diamond::io
