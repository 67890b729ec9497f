/// How a file is given the condition of a network: labels as integers, one a column, vectors as rows of
/// numbers, either with what stands for none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/condition.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/openvino/file.hpp>
#include <diamond/openvino/request.hpp>

namespace diamond {

/// Names a file's input of labels, integers of shape (N) or (N, 1).
struct openvino_labels {
    std::string name = "condition"; ///< The input's name in the file.
    index_t classes = 0;            ///< The labels are 0 to classes - 1; it must be given.
    /// The number that the file takes for no class, labels::unconditional; without one such labels are
    /// refused.
    std::optional<std::int32_t> none = {};
};

/// Names a file's input of vectors, float numbers of shape (N, d_c).
struct openvino_vectors {
    std::string name = "condition"; ///< The input's name in the file.
    /// The vector, d_c numbers, that the file takes for no condition; without one none is refused.
    std::vector<float> none = {};
};

/// Names a file's inputs of labels and of vectors.
struct openvino_labels_and_vectors {
    openvino_labels label = {.name = "label"};    ///< The input of labels.
    openvino_vectors vector = {.name = "vector"}; ///< The input of vectors.
};

namespace detail {

/// How a file is given conditions of a type. It takes its inputs from the file when it is made, and `read`
/// hands the conditions of a call over, from a buffer where the file reads other numbers than there are;
/// `example` makes some condition that the file takes, perhaps in the memory of a batch.
template <class Condition>
class openvino_condition {
    static_assert(is_specialised<Condition>,
                  "an OpenVINO network takes no_condition, labels, condition_vectors<batch> or "
                  "label_and_vector<batch>: wrap it in a network of your own, which makes one of these of "
                  "your condition");
};

template <>
class openvino_condition<no_condition> {
public:
    struct options {};
    struct buffer {};
    openvino_condition(openvino_file&, const options&) {}
    void read(no_condition, index_t, index_t, openvino_request&, buffer&) const {}
    template <class Batch>
    [[nodiscard]] no_condition example(Batch&) const {
        return {};
    }
};

template <>
class openvino_condition<labels> {
public:
    using options = openvino_labels;
    using buffer = std::vector<std::int32_t>;

    openvino_condition(openvino_file& file, const options& named)
        : port_(file.take_labels(named.name)), named_(named), file_(file.name()) {
        require(named.classes > 0, [&] {
            return file_ + ": the file does not say how many labels it knows: give .classes beside the name "
                           "of its labels";
        });
    }
    void read(const labels& given, index_t first, index_t columns, openvino_request& request,
              buffer& numbers) const {
        numbers.resize(static_cast<std::size_t>(columns));
        for (index_t j = 0; j < columns; ++j) {
            const std::int32_t label = given[first + j];
            require(label != labels::unconditional || named_.none.has_value(), [&] {
                return file_ + ": labels::unconditional, where nothing says what the file takes for no "
                               "class: give .none beside the name of its labels";
            });
            numbers[static_cast<std::size_t>(j)] = label == labels::unconditional ? *named_.none : label;
        }
        request.read(port_, numbers.data(), columns);
    }
    template <class Context>
    void check(const Context& context, const labels& given, index_t columns) const {
        require_labels(context, given, columns, named_.classes);
    }
    template <class Batch>
    [[nodiscard]] labels example(Batch&) const {
        return labels(0);
    }

private:
    openvino_port port_;
    openvino_labels named_;
    std::string file_;
};

template <class Batch>
class openvino_condition<condition_vectors<Batch>> {
public:
    using options = openvino_vectors;
    using buffer = std::vector<float>;

    openvino_condition(openvino_file& file, const options& named)
        : port_(file.take_state(named.name)), named_(named), file_(file.name()) {
        require(named.none.empty() || static_cast<index_t>(named.none.size()) == port_.rows(), [&] {
            return file_ + ": .none has " + digits_of(named.none.size()) + " numbers where the vectors '" +
                   named.name + "' have " + digits_of(port_.rows());
        });
    }
    void read(const condition_vectors<Batch>& given, index_t first, index_t columns,
              openvino_request& request, buffer& numbers) const {
        if (!given.broadcast() && !given.present()) {
            request.read(port_, given.rows().column(first).begin(), columns);
            return;
        }
        const index_t size = port_.rows();
        numbers.resize(static_cast<std::size_t>(size * columns));
        for (index_t j = 0; j < columns; ++j) {
            const bool none = given.none(first + j);
            require(!none || !named_.none.empty(), [&] {
                return file_ + ": no vector, where nothing says what the file takes for none: give .none "
                               "beside the name of its vectors";
            });
            const float* from = none ? named_.none.data()
                                     : given.rows().column(given.broadcast() ? 0 : first + j).begin();
            std::copy_n(from, size, numbers.begin() + size * j);
        }
        request.read(port_, numbers.data(), columns);
    }
    template <class Context>
    void check(const Context&, const condition_vectors<Batch>& given, index_t columns) const {
        require_vectors(given, columns, port_.rows());
    }
    [[nodiscard]] condition_vectors<Batch> example(Batch& memory) const {
        memory.resize(memory.context(), port_.rows(), 1);
        diamond::set_to_zero(memory.mutable_view());
        return condition_vectors<Batch>::for_all(memory.read());
    }

private:
    openvino_port port_;
    openvino_vectors named_;
    std::string file_;
};

template <class Batch>
class openvino_condition<label_and_vector<Batch>> {
    using of_labels = openvino_condition<labels>;
    using of_vectors = openvino_condition<condition_vectors<Batch>>;

public:
    using options = openvino_labels_and_vectors;
    struct buffer {
        typename of_labels::buffer label;
        typename of_vectors::buffer vector;
    };

    openvino_condition(openvino_file& file, const options& named)
        : label_(file, named.label), vector_(file, named.vector) {}
    void read(const label_and_vector<Batch>& given, index_t first, index_t columns, openvino_request& request,
              buffer& numbers) const {
        label_.read(given.label, first, columns, request, numbers.label);
        vector_.read(given.vector, first, columns, request, numbers.vector);
    }
    template <class Context>
    void check(const Context& context, const label_and_vector<Batch>& given, index_t columns) const {
        label_.check(context, given.label, columns);
        vector_.check(context, given.vector, columns);
    }
    [[nodiscard]] label_and_vector<Batch> example(Batch& memory) const {
        return {label_.example(memory), vector_.example(memory)};
    }

private:
    of_labels label_;
    of_vectors vector_;
};

} // namespace detail
} // namespace diamond
