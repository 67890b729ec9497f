/// This header returns draws of the CPU back end as one host vector, for tests of their law.
#pragma once

#include <vector>

#include <diamond/backend/eigen.hpp>

namespace draws {

template <class Real>
std::vector<Real> normals(const diamond::noise_stream& stream, diamond::index_t rows,
                          diamond::index_t columns) {
    const diamond::eigen::context context{.threads = 2};
    diamond::eigen::batch<Real> out(context, rows, columns);
    context.fill_normal<Real>(stream, out);
    return diamond::to_host(out);
}

} // namespace draws
