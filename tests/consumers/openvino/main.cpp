// A program of a user's that loads an ONNX file: none is there, and the library says so.
#include <cstring>
#include <stdexcept>

#include <diamond/backend/eigen.hpp>
#include <diamond/openvino/network.hpp>

int main() {
    const diamond::eigen::context context{.threads = 1};
    try {
        const diamond::openvino_network<diamond::eigen::batch<float>> network(context, "none.onnx");
    } catch (const std::invalid_argument& error) {
        return std::strcmp(error.what(), "none.onnx: there is no such file");
    }
    return 1;
}
