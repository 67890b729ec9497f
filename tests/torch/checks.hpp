// doctest behind libtorch, whose logging has macros of the same names: whichever is included last has CHECK,
// and libtorch's one does not tell doctest.
#pragma once

#include <torch/script.h>

#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE
#undef CHECK_LT
#undef CHECK_LE
#undef CHECK_GT
#undef CHECK_GE

#include <doctest/doctest.h>
