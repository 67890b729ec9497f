#include <omp.h>

#include <diamond/backend/thrust_omp.hpp>

#include "compositions.hpp"

std::vector<same_bits::record> same_bits::thrust_omp_float(int threads) {
    omp_set_num_threads(threads);
    const diamond::thrust_omp::context context{};
    return compositions<diamond::thrust_omp::batch<float>>(context).run();
}
