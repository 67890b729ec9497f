// write_cases <folder>: the cases of peers/cases.hpp by the CUDA back end.
#include <cstdio>

#include <diamond/backend/cuda.cuh>

#include "cases.hpp"

int main(int count, char** arguments) {
    if (count != 2) return std::fprintf(stderr, "write_cases <folder>\n"), 2;
    const diamond::cuda::context context;
    for (const diamond::index_t width : {64, 128, 512}) peers::write_cases(context, width, arguments[1]);
}
