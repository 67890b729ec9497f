// The methods' part of a program that was built without CUDA.
#include "../shared/refuse_cuda.hpp"
#include "methods.hpp"

namespace digits {

subject exact_subject_on_gpu(const images&, double) { studies::refuse_cuda(); }
subject learned_subject_on_gpu(const learned_settings&) { studies::refuse_cuda(); }

} // namespace digits
