/// This header answers --device cuda in a program that was built without CUDA.
#pragma once

#include <stdexcept>

namespace studies {

[[noreturn]] inline void refuse_cuda() {
    throw std::runtime_error("--device cuda: this program was built without CUDA; configure with -D "
                             "DIAMOND_CUDA=ON where nvcc 13 is, or run on --device cpu");
}

} // namespace studies
