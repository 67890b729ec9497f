/// Symmetric matrices taken apart by Eigen.
#pragma once

#include <algorithm>
#include <concepts>

#include <Eigen/Eigenvalues>

#include <diamond/core/errors.hpp>

namespace diamond::eigen::detail {

/// The d x d matrix at `a`, whose lower triangle is read, becomes its eigenvectors; values[k], ascending, is that of column k. It allocates,
/// and keeps nothing in a context: threads that make parameters from one model do not meet. @throws std::invalid_argument unless it converges.
/// A template, so that Eigen's solver is instantiated by those who call it and not by every file that includes a back end.
template <std::same_as<double> Real>
void decompose_symmetric(Real* a, index_t d, Real* values) {
    if (d == 0) return; // of which Eigen would take the first entry
    using matrix_type = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;
    Eigen::Map<matrix_type> matrix(a, d, d);
    Eigen::SelfAdjointEigenSolver<matrix_type> solver(matrix);
    require(solver.info() == Eigen::Success, "a symmetric matrix has no eigenvalues that a solver finds: are all its entries numbers?");
    matrix = solver.eigenvectors();
    std::copy_n(solver.eigenvalues().data(), d, values);
}

} // namespace diamond::eigen::detail
