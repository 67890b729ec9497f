// What a program that was built without CUDA answers to --device cuda.
#include <stdexcept>

#include "methods.hpp"

namespace digits {

namespace {
[[noreturn]] subject refuse() {
    throw std::runtime_error("--device cuda: this program was built without CUDA; configure with -D DIAMOND_CUDA=ON where nvcc 13 is, or run on --device cpu");
}
} // namespace

subject exact_subject_on_gpu(const images&, double) { refuse(); }
subject learned_subject_on_gpu(const learned_settings&) { refuse(); }

} // namespace digits
