// write_cases_cpu <folder>: the cases of peers/cases.hpp by the Eigen back end, and for each width of the
// forward pass its layers, inputs and outputs (forward_<width>); and those of peers/image_cases.hpp.
#include <cstdio>
#include <filesystem>
#include <string>

#include <diamond/backend/eigen.hpp>

#include "cases.hpp"
#include "image_cases.hpp"

int main(int count, char** arguments) {
    if (count != 2) return std::fprintf(stderr, "write_cases_cpu <folder>\n"), 2;
    const diamond::eigen::context context;
    const std::filesystem::path folder = arguments[1];
    for (const diamond::index_t width : {64, 128, 512}) peers::write_cases(context, width, folder);
    for (const diamond::index_t width : {64, 128, 256, 512})
        peers::forward_pass(context, width, 4096)
            .written()
            .write(folder / ("forward_" + std::to_string(width) + ".safetensors"));
    peers::write_image_cases(folder);
}
