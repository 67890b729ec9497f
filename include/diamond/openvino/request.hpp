/// A request to OpenVINO reads and writes the memory of batches where it is. Handing over an address costs
/// about as much as evaluating a small network, so that it is done only where the address, or the number of
/// columns, is not that of the call before.
#pragma once

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
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
        unproved_ = unproved_ || !port.certain;
        if (!outputs_[port.index].moves_to(to, columns)) return;
        request_.set_output_tensor(port.index, ov::Tensor(ov::element::f32, port.of(columns), to));
        unproved_ = true;
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
        if (std::exchange(unproved_, false)) require_outputs(file);
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
    /// OpenVINO writes elsewhere, and says nothing, where an output has another shape than its memory.
    void require_outputs(const std::string& file) {
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            if (!outputs_[i].data) continue;
            const ov::Tensor written = request_.get_output_tensor(i);
            if (written.data() == outputs_[i].data && !written.get_shape().empty() &&
                written.get_shape().front() == static_cast<std::size_t>(outputs_[i].columns))
                continue;
            const index_t columns = std::exchange(outputs_[i].columns, -1); // nothing is known to be bound
            throw std::runtime_error(file + ": on " + digits_of(columns) + " columns an output is of shape " +
                                     written.get_shape().to_string() + ", in place of one row a column");
        }
    }

    ov::InferRequest request_;
    std::vector<place> inputs_, outputs_;
    bool unproved_ = false; ///< an output of this call may be of another shape than its memory
};

} // namespace diamond::detail
