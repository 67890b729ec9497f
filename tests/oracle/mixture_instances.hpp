/// The heavy part of mixtures is compiled once, in gaussian_mixture.test.cpp, and shared by the other tests of this folder.
#pragma once

#include <diamond/oracle/gaussian_mixture.hpp>

#include "support/back_ends.hpp"

#define DIAMOND_MIXTURE_INSTANCES(keyword)                                              \
    keyword template class diamond::detail::mixture_sums<back_ends::eigen<double>::batch>;      \
    keyword template class diamond::detail::mixture_sums<back_ends::eigen<float>::batch>;       \
    keyword template class diamond::detail::mixture_sums<back_ends::thrust_cpu<double>::batch>; \
    keyword template class diamond::detail::mixture_sums<back_ends::thrust_cpu<float>::batch>;

DIAMOND_MIXTURE_INSTANCES(extern)
