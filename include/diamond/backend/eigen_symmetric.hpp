/// This header decomposes symmetric matrices with Eigen.
#pragma once

#include <algorithm>
#include <concepts>

#include <Eigen/Eigenvalues>

#include <diamond/core/errors.hpp>

namespace diamond::eigen::detail {

/// Replaces the symmetric d x d matrix at `a`, of which the lower triangle is read, by its orthonormal
/// eigenvectors; values[k], in ascending order, is the eigenvalue of column k. It allocates and keeps nothing
/// in a context, so that several threads may make parameters from one model at once. It is a template in
/// order that Eigen's solver is instantiated by those who call it, and not by every file that includes a back
/// end.
/// @throws std::invalid_argument if the solver does not converge.
template <std::same_as<double> Real>
void decompose_symmetric(Real* a, index_t d, Real* values) {
    if (d == 0) return; // Eigen would read the first entry
    using matrix_type = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;
    Eigen::Map<matrix_type> matrix(a, d, d);
    Eigen::SelfAdjointEigenSolver<matrix_type> solver(matrix);
    require(solver.info() == Eigen::Success,
            "a symmetric matrix has no eigenvalues that a solver finds: are all its entries numbers?");
    matrix = solver.eigenvectors();
    std::copy_n(solver.eigenvalues().data(), d, values);
}

} // namespace diamond::eigen::detail
