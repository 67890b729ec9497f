#include "../shared/refuse_cuda.hpp"
#include "options.hpp"

namespace toy {

findings draw_on_gpu(const options&) { studies::refuse_cuda(); }

} // namespace toy
