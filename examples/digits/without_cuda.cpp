// The methods' part of a program that was built without CUDA.
#include "../refuse_cuda.hpp"
#include "methods.hpp"

namespace digits {

subject exact_subject_on_gpu(const images&, double) { examples::refuse_cuda(); }
subject learned_subject_on_gpu(const learned_settings&) { examples::refuse_cuda(); }

} // namespace digits
