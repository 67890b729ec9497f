#include <diamond/backend/eigen.hpp>

#include "compositions.hpp"

std::vector<same_bits::record> same_bits::eigen_double(int threads) {
    const diamond::eigen::context context{.threads = threads};
    return compositions<diamond::eigen::batch<double>>(context).run();
}
