/// Symmetric matrices taken apart by Eigen.
#pragma once

#include <algorithm>

#include <Eigen/Eigenvalues>

#include <diamond/core/errors.hpp>

namespace diamond::eigen::detail {

/// The d x d matrix at `a`, whose lower triangle is read, becomes its eigenvectors; values[k], ascending, is that of column k. It allocates,
/// and keeps nothing in a context: threads that make parameters from one model do not meet. @throws std::invalid_argument unless it converges.
inline void decompose_symmetric(double* a, index_t d, double* values) {
    if (d == 0) return; // of which Eigen would take the first entry
    Eigen::Map<Eigen::MatrixXd> matrix(a, d, d);
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix);
    require(solver.info() == Eigen::Success, "a symmetric matrix has no eigenvalues that a solver finds: are all its entries numbers?");
    matrix = solver.eigenvectors();
    std::copy_n(solver.eigenvalues().data(), d, values);
}

} // namespace diamond::eigen::detail
