#include <diamond/backend/thrust_cpu.hpp>

#include "compositions.hpp"

std::vector<same_bits::record> same_bits::thrust_cpu_double(int) {
    const diamond::thrust_cpu::context context{};
    return compositions<diamond::thrust_cpu::batch<double>>(context).run();
}
