/// A request to OpenVINO reads and writes the memory of batches where it is. Handing over an address costs
/// about as much as evaluating a small network, so that it is done only where the address, or the number of
/// columns, is not that of the call before.
#pragma once

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>

#include <diamond/core/digits_of.hpp>
#include <diamond/openvino/file.hpp>

namespace diamond::detail {

/// A request of a compiled graph, with what it reads and writes.
class openvino_request {
public:
    explicit openvino_request(ov::CompiledModel graph)
        : request_(graph.create_infer_request()),
          inputs_(graph.inputs().size()),
          outputs_(graph.outputs().size()) {}
    openvino_request(const openvino_request&) = delete; // two would write each other's numbers
    openvino_request& operator=(const openvino_request&) = delete;
    openvino_request(openvino_request&&) = default;
    openvino_request& operator=(openvino_request&&) = default;
    ~openvino_request() = default;

    /// Reads an input from this memory, of `columns` columns, in the calls from now on.
    template <class Number>
    void read(const openvino_port& port, const Number* from, index_t columns) {
        if (inputs_[port.index].moves_to(from, columns))
            request_.set_input_tensor(port.index, ov::Tensor(ov::element::from<Number>(), port.of(columns),
                                                             const_cast<Number*>(from))); // NOLINT: an input
                                                                                          // is only read
    }
    /// Writes an output to this memory, of `columns` columns, in the calls from now on.
    void write(const openvino_port& port, float* to, index_t columns) {
        if (outputs_[port.index].moves_to(to, columns))
            request_.set_output_tensor(port.index, ov::Tensor(ov::element::f32, port.of(columns), to));
    }
    /// Evaluates the graph and waits for it. @throws std::runtime_error with the file and the number of
    /// columns where OpenVINO fails.
    void run(const std::string& file, index_t columns) {
        try {
            request_.infer();
        } catch (const std::exception& error) {
            throw std::runtime_error(file + ": OpenVINO fails on " + digits_of(columns) +
                                     " columns: " + error.what());
        }
    }

private:
    struct place {
        const void* data = nullptr;
        index_t columns = -1;
        bool moves_to(const void* now, index_t count) {
            if (data == now && columns == count) return false;
            data = now;
            columns = count;
            return true;
        }
    };
    ov::InferRequest request_;
    std::vector<place> inputs_, outputs_;
};

} // namespace diamond::detail
