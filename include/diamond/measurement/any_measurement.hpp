/// A differentiable measurement of any type: one type for a list of them, and for programs that choose one
/// while they run.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <diamond/concepts/measurement.hpp>
#include <diamond/measurement/singular_vectors.hpp>

namespace diamond {

/// Holds a differentiable measurement behind one type, so that a method is compiled once for all of them.
/// What it measures, its product and its singular vectors are those of what it holds, to the bit; it lists no
/// coordinates. Cost: an indirect call a batch.
template <class Batch>
class any_measurement {
public:
    using batch_type = Batch;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// Holds `of`.
    template <class Measurement>
        requires(!std::is_same_v<Measurement, any_measurement>)
    any_measurement(Measurement of) // NOLINT: a measurement is any measurement
        : held_(std::make_unique<model<Measurement>>(std::move(of))) {
        static_assert(diagnose_differentiable_measurement<Measurement>());
    }
    /// Copies what is held.
    any_measurement(const any_measurement& other) : held_(other.held_->clone()) {}
    /// Takes over what the other holds, which is then only to be destroyed or assigned.
    any_measurement(any_measurement&&) noexcept = default;
    /// Holds a copy of what the other does.
    any_measurement& operator=(any_measurement other) noexcept {
        held_.swap(other.held_);
        return *this;
    }
    ~any_measurement() = default;

    [[nodiscard]] index_t dimension() const { return held_->dimension(); } ///< d
    [[nodiscard]] index_t outputs() const { return held_->outputs(); }     ///< m
    /// Writes A(z), d x n to m x n. @throws what the measurement does.
    void operator()(const_view z, view out) { held_->measure(z, out); }
    /// Writes (dA/dz)^T cotangent, m x n to d x n. @throws what the measurement does.
    void vjp(const_view z, const_view cotangent, view out) { held_->vjp(z, cotangent, out); }
    /// The singular vectors, known or found. @throws std::invalid_argument as singular_vectors_of does.
    [[nodiscard]] diamond::singular_vectors<Batch> singular_vectors(const context_type& context) const {
        return held_->singular(context);
    }

private:
    struct interface {
        interface() = default;
        interface(const interface&) = default;
        interface& operator=(const interface&) = delete;
        virtual ~interface() = default;
        [[nodiscard]] virtual index_t dimension() const = 0;
        [[nodiscard]] virtual index_t outputs() const = 0;
        virtual void measure(const_view, view) = 0;
        virtual void vjp(const_view, const_view, view) = 0;
        [[nodiscard]] virtual diamond::singular_vectors<Batch> singular(const context_type&) const = 0;
        [[nodiscard]] virtual std::unique_ptr<interface> clone() const = 0;
    };
    template <class Measurement>
    struct model final : interface {
        explicit model(Measurement m) : of(std::move(m)) {}
        [[nodiscard]] index_t dimension() const override { return static_cast<index_t>(of.dimension()); }
        [[nodiscard]] index_t outputs() const override { return static_cast<index_t>(of.outputs()); }
        void measure(const_view z, view out) override { of(z, out); }
        void vjp(const_view z, const_view cotangent, view out) override { of.vjp(z, cotangent, out); }
        [[nodiscard]] diamond::singular_vectors<Batch> singular(const context_type& context) const override {
            return singular_vectors_of(context, of);
        }
        [[nodiscard]] std::unique_ptr<interface> clone() const override {
            return std::make_unique<model>(*this);
        }
        Measurement of;
    };
    std::unique_ptr<interface> held_;
};

} // namespace diamond
