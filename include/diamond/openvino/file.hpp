/// An ONNX file before it is compiled. Its inputs and outputs are taken one by one, by name, and each is
/// checked when it is taken; every refusal names the file and says what its inputs and outputs are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <openvino/core/preprocess/pre_post_process.hpp>
#include <openvino/frontend/manager.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/result.hpp>
#include <openvino/openvino.hpp>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond::detail {

/// An input or output of a graph: its place, and the shape of what a call hands over. Where `per_column` the
/// first extent is the number of columns N, and the others together are the numbers of a column.
struct openvino_port {
    std::size_t index = 0;
    ov::Shape shape;
    bool per_column = true;
    bool certain = true; ///< of an output: its number of columns does not depend on numbers

    /// The numbers of a column, in the order of a batch's rows.
    [[nodiscard]] index_t rows() const {
        const auto skipped = static_cast<std::ptrdiff_t>(per_column && !shape.empty());
        return static_cast<index_t>(ov::shape_size(shape.begin() + skipped, shape.end()));
    }
    /// The shape for so many columns.
    [[nodiscard]] ov::Shape of(index_t columns) const {
        ov::Shape whole = shape;
        if (per_column) whole.front() = static_cast<std::size_t>(columns);
        return whole;
    }
};

/// How a graph is compiled.
struct openvino_compilation {
    index_t threads = 1;
    bool bf16 = false; ///< computes in bfloat16 where the processor can, and in float32 otherwise
};

/// A file as it was read, whose inputs and outputs are taken before it is compiled.
class openvino_file {
public:
    /// @throws std::invalid_argument where there is no such file, or it is no ONNX file that OpenVINO reads.
    explicit openvino_file(const std::filesystem::path& file) : name_(file.string()) {
        require(std::filesystem::is_regular_file(file), [&] { return name_ + ": there is no such file"; });
        try {
            const auto reader = ov::frontend::FrontEndManager().load_by_framework("onnx");
            model_ = reader->convert(reader->load(name_));
        } catch (const std::exception& error) {
            throw std::invalid_argument(name_ +
                                        ": OpenVINO reads no ONNX network in this file: " + reason(error));
        }
        separate_constants();
        for (std::size_t i = 0; i < model_->inputs().size(); ++i) input_names_.push_back(name_of(input(i)));
        for (std::size_t i = 0; i < model_->outputs().size(); ++i)
            output_names_.push_back(name_of(model_->output(i)));
        signature_ = list(model_->inputs()) + " -> " + list(model_->outputs());
    }

    [[nodiscard]] const std::string& name() const { return name_; }

    /// @throws std::invalid_argument with the file, what is wrong, and the file's inputs and outputs, unless
    /// the condition holds.
    template <class Message>
    void require_that(bool condition, Message wrong) const {
        require(condition, [&] { return name_ + ": " + wrong() + "; the file has " + signature_; });
    }

    /// Takes an input of float numbers, (N, d) or N arrays of d numbers in all.
    openvino_port take_state(const std::string& name) {
        const openvino_port port = rows_of(input(place_of(name)), place_of(name), "input '" + name + "'");
        one_column_ = one_column_ || input(port.index).get_partial_shape()[0] == 1;
        take(port, name, ov::element::f32, dynamic(input(port.index)));
        return port;
    }
    /// Takes a time: one for all columns, of shape () or (1), or one for each, (N) or (N, 1). States are
    /// taken before it.
    openvino_port take_time(const std::string& name) {
        const std::size_t i = place_of(name);
        const ov::PartialShape shape = input(i).get_partial_shape();
        require_that(input(i).get_element_type().is_real(), [&] {
            return "the time '" + name + "' is of type " + type_of(input(i)) + " instead of float numbers";
        });
        require_that(shape.rank().is_static() && shape.size() <= 2 &&
                         (shape.size() < 2 || shape[1].compatible(1)),
                     [&] { return "the time '" + name + "' is none of (), (1), (N) and (N, 1)"; });
        require_that(!(one_column_ && shape.size() == 1 && shape[0] == 1), [&] {
            return "the time '" + name +
                   "' may be one for all columns or one for each: export the file with "
                   "more than one column, or with a dynamic first extent";
        });
        openvino_port port{.index = i, .shape = ov::Shape(shape.size(), 1), .per_column = true};
        port.per_column = shape.size() == 2 || (shape.size() == 1 && shape[0] != 1);
        take(port, name, ov::element::f32, port.per_column ? dynamic(input(i)) : shape);
        return port;
    }
    /// Takes an input of integers, one for each column, (N) or (N, 1).
    openvino_port take_labels(const std::string& name) {
        const std::size_t i = place_of(name);
        const ov::PartialShape shape = input(i).get_partial_shape();
        require_that(input(i).get_element_type().is_integral_number(), [&] {
            return "the labels '" + name + "' are of type " + type_of(input(i)) + " instead of integers";
        });
        require_that(shape.rank().is_static() &&
                         (shape.size() == 1 || (shape.size() == 2 && shape[1].compatible(1))),
                     [&] { return "the labels '" + name + "' are neither (N) nor (N, 1)"; });
        const openvino_port port{.index = i, .shape = ov::Shape(shape.size(), 1)};
        take(port, name, ov::element::i32, dynamic(input(i)));
        return port;
    }
    /// Takes an output of float numbers, shaped as states are; without a name the only one.
    openvino_port take_output(const std::string& name) {
        std::size_t i = 0;
        if (name.empty()) {
            require_that(output_names_.size() == 1, [&] {
                return digits_of(output_names_.size()) + " outputs, of which the options must name one";
            });
        } else {
            i = find(output_names_, name);
            require_that(i < output_names_.size(),
                         [&] { return "there is no output '" + name + "', as the options name it"; });
        }
        require_real(model_->output(i), "output '" + output_names_[i] + "'");
        taken_outputs_.push_back(i);
        openvino_port port;
        port.index = i;
        return port;
    }

    /// Makes a graph for any number of columns of what was taken; `outputs` get the shapes that they have
    /// then. @throws std::invalid_argument where an input was not taken, where the file serves one number of
    /// columns alone, or where OpenVINO does not compile it.
    [[nodiscard]] ov::CompiledModel compile(std::vector<openvino_port*> outputs,
                                            openvino_compilation options) {
        for (std::size_t i = 0; i < input_names_.size(); ++i)
            require_that(shapes_.contains(i), [&] {
                return "the input '" + input_names_[i] + "' is one that nothing is given to";
            });
        try {
            ov::preprocess::PrePostProcessor conversions(model_);
            for (const auto& [i, type] : types_) conversions.input(i).tensor().set_element_type(type);
            for (const std::size_t i : taken_outputs_)
                conversions.output(i).tensor().set_element_type(ov::element::f32);
            model_ = conversions.build();
        } catch (const std::exception& error) {
            throw std::invalid_argument(one_size() + ": " + reason(error));
        }
        // Two trials, which find a graph that adds columns or leaves some out; and then any number.
        for (const int columns : {3, 5, -1}) reshape(ov::Dimension(columns), outputs);
        for (openvino_port* port : outputs) {
            const openvino_port rows = rows_of(model_->output(port->index), port->index,
                                               "output '" + output_names_[port->index] + "'");
            port->shape = rows.shape;
        }
        try {
            return ov::Core().compile_model(
                model_, "CPU", ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                ov::num_streams(1), ov::inference_num_threads(static_cast<std::int32_t>(options.threads)),
                ov::hint::enable_cpu_pinning(false), // which would hold the caller's own threads, too
                ov::hint::inference_precision(options.bf16 ? ov::element::bf16 : ov::element::f32));
        } catch (const std::exception& error) {
            throw std::invalid_argument(name_ + ": OpenVINO does not compile this network: " + reason(error));
        }
    }

private:
    /// Gives each reader of a constant, and of what is computed of constants alone, one of its own, in memory
    /// of its own. Where one product reads a square matrix and another its transpose, as reverse passes do,
    /// OpenVINO 2026.4.1 may take the one for the other, which it finds by its address, and then gives wrong
    /// numbers.
    void separate_constants() {
        std::vector<std::shared_ptr<ov::Node>> fixed;
        std::set<const ov::Node*> known;
        for (const auto& node : model_->get_ordered_ops()) {
            bool constant = ov::is_type<ov::op::v0::Constant>(node) || node->get_input_size() > 0;
            for (std::size_t i = 0; i < node->get_input_size(); ++i)
                constant = constant && known.contains(node->get_input_node_ptr(i));
            if (!constant || node->get_output_size() != 1 || ov::is_type<ov::op::v0::Result>(node)) continue;
            fixed.push_back(node);
            known.insert(node.get());
        }
        for (; !fixed.empty(); fixed.pop_back()) { // readers first: each of their copies reads, too
            const auto& node = fixed.back();
            const auto readers = node->output(0).get_target_inputs();
            for (auto reader = readers.begin(); reader != readers.end(); ++reader)
                if (reader != readers.begin())
                    ov::Input<ov::Node>(*reader).replace_source_output(copy_of(node));
        }
    }
    [[nodiscard]] static std::shared_ptr<ov::Node> copy_of(const std::shared_ptr<ov::Node>& node) {
        if (const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node))
            return std::make_shared<ov::op::v0::Constant>(constant->get_element_type(), constant->get_shape(),
                                                          constant->get_data_ptr());
        return node->clone_with_new_inputs(node->input_values());
    }
    /// What an exception of OpenVINO says, without the places in its source: the last line that is not empty.
    [[nodiscard]] static std::string reason(const std::exception& error) {
        std::string text = error.what();
        while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
        const std::size_t line = text.find_last_of('\n');
        return line == std::string::npos ? text : text.substr(line + 1);
    }
    [[nodiscard]] ov::Output<ov::Node> input(std::size_t i) const { return model_->input(i); }
    [[nodiscard]] static std::string name_of(const ov::Output<ov::Node>& port) {
        return port.get_names().empty() ? std::string() : port.get_any_name();
    }
    [[nodiscard]] static std::string type_of(const ov::Output<ov::Node>& port) {
        return port.get_element_type().to_string();
    }
    [[nodiscard]] static std::string described(const ov::Output<ov::Node>& port) {
        return name_of(port) + " " + type_of(port) + " " + port.get_partial_shape().to_string();
    }
    [[nodiscard]] static std::string list(const std::vector<ov::Output<ov::Node>>& ports) {
        std::string text;
        for (const auto& port : ports) text += (text.empty() ? "" : ", ") + described(port);
        return text.empty() ? "none" : text;
    }
    [[nodiscard]] static std::size_t find(const std::vector<std::string>& names, const std::string& name) {
        return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    }
    [[nodiscard]] std::size_t place_of(const std::string& name) const {
        const std::size_t i = find(input_names_, name);
        require_that(i < input_names_.size(),
                     [&] { return "there is no input '" + name + "', as the options name it"; });
        return i;
    }
    [[nodiscard]] static ov::PartialShape dynamic(const ov::Output<ov::Node>& port) {
        ov::PartialShape shape = port.get_partial_shape();
        shape[0] = -1;
        return shape;
    }
    /// Gives the inputs so many columns. @throws std::invalid_argument unless the outputs then have as many.
    void reshape(ov::Dimension columns, const std::vector<openvino_port*>& outputs) {
        for (auto& [i, shape] : shapes_)
            if (per_column_.contains(i)) shape[0] = columns;
        try {
            model_->reshape(shapes_);
        } catch (const std::exception& error) {
            throw std::invalid_argument(one_size() + ": " + reason(error));
        }
        for (openvino_port* port : outputs) {
            const ov::PartialShape shape = model_->output(port->index).get_partial_shape();
            require(shape.rank().is_static() && shape.size() >= 2 && shape[0].compatible(columns) &&
                        (columns.is_static() || shape[0].is_dynamic()),
                    [&] {
                        return one_size() + ": with " + columns.to_string() +
                               " for the first extent of all inputs its output is " +
                               described(model_->output(port->index));
                    });
            if (columns.is_static() && shape[0].is_dynamic()) port->certain = false;
        }
    }
    [[nodiscard]] std::string one_size() const {
        return name_ + ": this file cannot be used for any number of columns (export it with a dynamic first "
                       "extent of all inputs but times)";
    }
    void require_real(const ov::Output<ov::Node>& port, const std::string& what) const {
        const ov::element::Type type = port.get_element_type();
        require_that(type == ov::element::f32 || type == ov::element::f16 || type == ov::element::bf16, [&] {
            return what + " is of type " + type.to_string() + ": it must be float32, or half of that";
        });
    }
    [[nodiscard]] openvino_port rows_of(const ov::Output<ov::Node>& port, std::size_t index,
                                        const std::string& what) const {
        require_real(port, what);
        const ov::PartialShape shape = port.get_partial_shape();
        require_that(shape.rank().is_static() && shape.size() >= 2,
                     [&] { return what + " is not of shape (N, d)"; });
        openvino_port result{.index = index, .shape = {1}};
        for (auto extent = shape.begin() + 1; extent != shape.end(); ++extent) {
            require_that(extent->is_static(), [&] {
                return what + " leaves open how many numbers a column has: export it with extents that are "
                              "known behind the first";
            });
            result.shape.push_back(static_cast<std::size_t>(extent->get_length()));
        }
        return result;
    }
    void take(const openvino_port& port, const std::string& name, ov::element::Type type,
              const ov::PartialShape& shape) {
        require_that(!shapes_.contains(port.index),
                     [&] { return "the input '" + name + "' is named twice in the options"; });
        if (port.per_column) per_column_.insert(port.index);
        types_.emplace(port.index, type);
        shapes_.emplace(port.index, shape);
    }

    std::string name_, signature_;
    std::shared_ptr<ov::Model> model_;
    std::vector<std::string> input_names_, output_names_;
    bool one_column_ = false; ///< a state was exported with N = 1
    std::vector<std::size_t> taken_outputs_;
    std::set<std::size_t> per_column_; ///< the inputs whose first extent is N
    std::map<std::size_t, ov::element::Type> types_;
    std::map<std::size_t, ov::PartialShape> shapes_;
};

} // namespace diamond::detail
