/// A graph is a compiled ONNX file as a function of states, times and a condition. The networks of this
/// folder, and the products with their Jacobians, are such functions.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/openvino/condition.hpp>
#include <diamond/openvino/file.hpp>
#include <diamond/openvino/request.hpp>

namespace diamond::detail {

/// A function of States batches, Times times and a condition that writes Outputs batches, all d x N. It is
/// const and re-entrant: a call works in a request of its workspace, which copies of the graph do not share.
template <class Batch, class Condition, std::size_t States, std::size_t Times, std::size_t Outputs>
class openvino_graph {
    using context_type = backend_of_t<Batch>;
    static_assert(context_type::host_memory,
                  "an OpenVINO network works in the host's memory, and this batch is in a device's: run it "
                  "on diamond::eigen::batch<float>");
    static_assert(std::is_same_v<typename Batch::value_type, float>,
                  "OpenVINO computes in float, and these particles are of another type: run the network on "
                  "diamond::eigen::batch<float>");
    using const_view = const_view_t<Batch>;
    using view = view_t<Batch>;
    using condition_input = openvino_condition<Condition>;

public:
    /// The names that its inputs and outputs have in the file.
    struct names {
        std::array<std::string, States> states;
        std::array<std::string, Times> times;
        std::array<std::string, Outputs> outputs;
        typename condition_input::options condition;
    };
    /// What a call works in.
    struct workspace {
        openvino_request request;
        std::array<scratch<float, context_type>, Times> times;
        typename condition_input::buffer condition;
    };

    /// @throws std::invalid_argument, with the file's inputs and outputs, where they are not these.
    openvino_graph(const std::filesystem::path& path, const names& named, openvino_compilation options)
        : openvino_graph(openvino_file(path), named, options) {}

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] index_t dimension() const { return states_.front().rows(); }
    /// Some condition that the file takes, perhaps in `memory`.
    [[nodiscard]] Condition example(Batch& memory) const { return condition_.example(memory); }
    [[nodiscard]] workspace make_workspace() const { return {openvino_request(graph_), {}, {}}; }

    /// Writes the outputs. Where the file takes one time for all columns, columns of different times are
    /// evaluated in a call for each run of equal times. @throws std::invalid_argument where shapes differ, an
    /// output overlaps a state, or the condition is none that the file takes; std::runtime_error where
    /// OpenVINO fails.
    void operator()(const char* where, const std::array<const_view, States>& states,
                    const std::array<time_view, Times>& times, const Condition& condition, workspace& space,
                    const std::array<view, Outputs>& outputs) const {
        const const_view& x = states.front();
        require(x.rows() == dimension(), [&] {
            return name_ + ": the network has dimension " + digits_of(dimension()) + ", the batch has " +
                   digits_of(x.rows()) + " rows";
        });
        for (const const_view& state : states) require_same_shape(where, state, x);
        for (const view& out : outputs) {
            require_same_shape(where, out, x);
            for (const const_view& state : states) require_apart(where, state, out);
        }
        if constexpr (requires { condition_.check(x.context(), condition, x.columns()); })
            condition_.check(x.context(), condition, x.columns());
        for (index_t first = 0; first < x.columns();) {
            const index_t columns = run_of(times, first, x.columns());
            for (std::size_t i = 0; i < States; ++i)
                space.request.read(states_[i], states[i].column(first).begin(), columns);
            for (std::size_t i = 0; i < Times; ++i)
                read_time(times_[i], times[i], first, x.columns(first, columns), space.times[i],
                          space.request);
            condition_.read(condition, first, columns, space.request, space.condition);
            for (std::size_t i = 0; i < Outputs; ++i)
                space.request.write(outputs_[i], outputs[i].column(first).begin(), columns);
            space.request.run(name_, columns);
            first += columns;
        }
    }

private:
    openvino_graph(openvino_file file, const names& named, openvino_compilation options)
        : name_(file.name()), condition_(file, named.condition) {
        for (std::size_t i = 0; i < States; ++i) {
            states_[i] = file.take_state(named.states[i]);
            require_dimension(file, states_[i], "input '" + named.states[i] + "'");
        }
        for (std::size_t i = 0; i < Times; ++i) times_[i] = file.take_time(named.times[i]);
        std::vector<openvino_port*> outputs;
        for (std::size_t i = 0; i < Outputs; ++i) {
            outputs_[i] = file.take_output(named.outputs[i]);
            outputs.push_back(&outputs_[i]);
        }
        graph_ = file.compile(outputs, options);
        for (const openvino_port& port : outputs_) require_dimension(file, port, "an output");
    }
    void require_dimension(const openvino_file& file, const openvino_port& port,
                           const std::string& what) const {
        file.require_that(port.rows() == dimension(), [&] {
            return what + " has " + digits_of(port.rows()) + " numbers a column, where the state has " +
                   digits_of(dimension());
        });
    }
    /// Returns how many columns from `first` on share the times that the file takes one of.
    [[nodiscard]] index_t run_of(const std::array<time_view, Times>& times, index_t first,
                                 index_t columns) const {
        index_t last = columns;
        for (std::size_t i = 0; i < Times; ++i) {
            if (times_[i].per_column || times[i].broadcast()) continue;
            index_t j = first + 1;
            while (j < last && times[i][j] == times[i][first]) ++j;
            last = j;
        }
        return last - first;
    }
    /// Reads the times of the columns of x, which are those from `first` on.
    static void read_time(const openvino_port& port, const time_view& t, index_t first, const const_view& x,
                          scratch<float, context_type>& numbers, openvino_request& request) {
        numbers.resize(x.context(), 1, port.per_column ? x.columns() : 1);
        float* const to = numbers.data();
        if (t.broadcast())
            std::fill_n(to, numbers.columns(), static_cast<float>(t.value()));
        else
            for (index_t j = 0; j < numbers.columns(); ++j) to[j] = static_cast<float>(t[first + j]);
        request.read(port, to, x.columns());
    }

    std::string name_;
    condition_input condition_;
    std::array<openvino_port, States> states_;
    std::array<openvino_port, Times> times_;
    std::array<openvino_port, Outputs> outputs_;
    ov::CompiledModel graph_;
};

} // namespace diamond::detail
