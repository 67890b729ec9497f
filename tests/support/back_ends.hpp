/// This header holds the one list of back ends. A typed test is TEST_CASE_TEMPLATE("...", back_end,
/// BACK_ENDS), so that every behaviour holds on all of them, up to their tolerance. Tests of what a back end
/// itself does, and of its lanes and products, run over ALL_BACK_ENDS, which adds thrust on OpenMP; generic
/// code meets thrust's vocabulary in the emulated device. Tests that take long to compile run over
/// TWO_BACK_ENDS, or over DOUBLE_BACK_ENDS if they need the digits or have no particles: these have fewer
/// back ends on the CPU, and the same ones on a device. CMake's DIAMOND_TEST_BACK_ENDS leaves one or two back
/// ends, for a quick run or for sanitizers.
#pragma once

#include <limits>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#if defined(__CUDACC__) || defined(DIAMOND_TEST_EMULATED_CUDA)
#define DIAMOND_TEST_CUDA
#include <diamond/backend/cuda.cuh>
#else
#include <diamond/backend/thrust_cpu.hpp>
#if defined(_OPENMP)
#include <diamond/backend/thrust_omp.hpp>
#endif

#include <support/emulated_device.hpp>
#endif

namespace back_ends {

template <class Real>
struct precision {
    using real = Real;
    static constexpr double epsilon = std::numeric_limits<Real>::epsilon();
    /// This bounds the relative error of a result after a few hundred operations of either sign.
    static constexpr double tolerance = 128 * epsilon;
    /// Says whether a column of a product has the same bits whatever columns stand beside it. cuBLAS chooses
    /// its kernels by the number of columns.
    static constexpr bool column_free_products = true;
};

template <class Real>
struct eigen : precision<Real> {
    using context = diamond::eigen::context;
    using batch = diamond::eigen::batch<Real>;
    static context make(int threads = 2) { return context{.threads = threads}; }
};

#if defined(DIAMOND_TEST_CUDA)
template <class Real>
struct cuda : precision<Real> {
    using context = diamond::cuda::context;
    using batch = diamond::cuda::batch<Real>;

    static constexpr bool column_free_products = false;
    static context make(int = 1) { return context{.device = 0}; }
};
template <class Real>
using thrust_cpu = eigen<Real>; // nvcc takes long to compile thrust
#else
template <class Real>
struct thrust_cpu : precision<Real> {
    using context = diamond::thrust_cpu::context;
    using batch = diamond::thrust_cpu::batch<Real>;
    static context make(int = 1) { return {}; }
};

#if defined(_OPENMP)
template <class Real>
struct thrust_omp : precision<Real> {
    using context = diamond::thrust_omp::context;
    using batch = diamond::thrust_omp::batch<Real>;
    static context make(int = 1) { return {}; }
};
#else
template <class Real>
using thrust_omp = thrust_cpu<Real>; // for compilers without OpenMP
#endif

template <class Real>
struct emulated_device : precision<Real> {
    using context = emulated::context;
    using batch = emulated::batch<Real>;
    static context make(int = 1) { return {}; }
};

#endif

} // namespace back_ends

TYPE_TO_STRING(back_ends::eigen<double>);
TYPE_TO_STRING(back_ends::eigen<float>);
#if defined(DIAMOND_TEST_CUDA)
#define HOST_BACK_ENDS back_ends::eigen<double>
#define ALL_BACK_ENDS back_ends::cuda<float>, back_ends::cuda<double>
#if defined(DIAMOND_TEST_EMULATED_CUDA) // generic code in one precision: the host's back ends have both
#define BACK_ENDS back_ends::cuda<double>
#else
#define BACK_ENDS ALL_BACK_ENDS
#endif
#define TWO_BACK_ENDS BACK_ENDS
#define DOUBLE_BACK_ENDS back_ends::cuda<double>
TYPE_TO_STRING(back_ends::cuda<float>);
TYPE_TO_STRING(back_ends::cuda<double>);
// Tests that do not depend on a device are compiled and run elsewhere.
#undef TEST_CASE
#define TEST_CASE(name)                                                                                      \
    template <class Host>                                                                                    \
    static void DOCTEST_ANONYMOUS(host_only_)()
#else
#if DIAMOND_TEST_BACK_ENDS == 1
#define HOST_BACK_ENDS back_ends::eigen<double>
#define ALL_BACK_ENDS HOST_BACK_ENDS
#define BACK_ENDS HOST_BACK_ENDS
#define TWO_BACK_ENDS HOST_BACK_ENDS
#define DOUBLE_BACK_ENDS HOST_BACK_ENDS
#else
#if DIAMOND_TEST_BACK_ENDS == 2
#define HOST_BACK_ENDS back_ends::eigen<float>, back_ends::thrust_cpu<double>
#define ALL_BACK_ENDS HOST_BACK_ENDS
#define BACK_ENDS HOST_BACK_ENDS
#else
#define HOST_BACK_ENDS back_ends::eigen<double>, back_ends::eigen<float>, back_ends::thrust_omp<float>
#define ALL_BACK_ENDS HOST_BACK_ENDS, back_ends::emulated_device<double>
#define BACK_ENDS back_ends::eigen<double>, back_ends::emulated_device<float>
#endif
#define TWO_BACK_ENDS back_ends::eigen<double>, back_ends::thrust_cpu<float>
#define DOUBLE_BACK_ENDS back_ends::eigen<double>, back_ends::thrust_cpu<double>
#endif
TYPE_TO_STRING(back_ends::thrust_cpu<double>);
TYPE_TO_STRING(back_ends::thrust_cpu<float>);
#if defined(_OPENMP)
TYPE_TO_STRING(back_ends::thrust_omp<float>);
#endif
TYPE_TO_STRING(back_ends::emulated_device<double>);
TYPE_TO_STRING(back_ends::emulated_device<float>);
#endif
