// What is refused of networks from ONNX files, and in which words: see CMakeLists.txt.
#include <diamond/backend/eigen.hpp>
#include <diamond/openvino/network.hpp>

static_assert(sizeof(diamond::openvino_network<diamond::eigen::batch<float>>) > 0);

#if CASE == 1 // openvino_device
// expect: an OpenVINO network works in the host's memory, and this batch is in a device's: run it on
// diamond::eigen::batch<float>
#include <support/emulated_device.hpp>

static_assert(sizeof(diamond::openvino_network<emulated::batch<float>>) > 0);
#endif

#if CASE == 2 // openvino_double
// expect: OpenVINO computes in float, and these particles are of another type: run the network on
// diamond::eigen::batch<float>
static_assert(sizeof(diamond::openvino_network<diamond::eigen::batch<double>>) > 0);
#endif

#if CASE == 3 // openvino_condition
// expect: an OpenVINO network takes no_condition, labels, condition_vectors<batch> or
// label_and_vector<batch>: wrap it in a network of your own
struct prompt {};
static_assert(sizeof(diamond::openvino_network<diamond::eigen::batch<float>, prompt>) > 0);
#endif
