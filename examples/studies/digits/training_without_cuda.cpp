// Training's part of a program that was built without CUDA.
#include "../shared/refuse_cuda.hpp"
#include "training_options.hpp"

namespace digits {

training_result train_on_gpu(const images&, const std::string&, const training_options&) {
    studies::refuse_cuda();
}

} // namespace digits
