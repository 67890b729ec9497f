// The pictures, drawn on a GPU.
#include <diamond/backend/cuda.cuh>

#include "gallery.hpp"

namespace toy {

findings draw_on_gpu(const options& chosen) { return draw(diamond::cuda::context{.device = 0}, chosen); }

} // namespace toy
