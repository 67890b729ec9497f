/// Pictures and views share the shape that rewards know.
#pragma once

#include <diamond/core/image_shape.hpp>

namespace diamond::io {

using diamond::image_shape;
using diamond::to_string;

} // namespace diamond::io
