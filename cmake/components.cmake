# The targets. diamond::diamond is generic and depends on nothing; each component adds one back end, files or pictures, with what it needs.

# What we build ourselves needs every component; a parent project gets those whose dependencies it has.
set(need QUIET)
set(need_thrust QUIET)
set(need_cairo QUIET)
if(DIAMOND_BUILD_TESTS OR DIAMOND_BUILD_EXAMPLES OR DIAMOND_BUILD_BENCHMARKS)
  set(need REQUIRED)
endif()
if(DIAMOND_BUILD_TESTS OR DIAMOND_BUILD_BENCHMARKS)
  set(need_thrust REQUIRED)
endif()
if(DIAMOND_BUILD_TESTS OR DIAMOND_BUILD_EXAMPLES)
  set(need_cairo REQUIRED)
endif()
find_package(Threads ${need})
find_package(Eigen3 3.4 ${need} NO_MODULE)
find_package(OpenMP QUIET COMPONENTS CXX) # for our own tests of backend/thrust_omp.hpp
find_package(nlohmann_json 3.10 ${need})
find_package(xtensor 0.24 ${need})
find_package(cairo 1.16 ${need_cairo})
find_package(thrust_headers ${need_thrust})
# In a function, since it sets variables of the compiler's flags. -D CMAKE_DISABLE_FIND_PACKAGE_Torch=ON leaves it out.
function(diamond_find_torch)
  find_package(Torch QUIET)
  set(Torch_FOUND ${Torch_FOUND} PARENT_SCOPE)
  set(Torch_VERSION ${Torch_VERSION} PARENT_SCOPE)
endfunction()
diamond_find_torch()
find_package(OpenVINO QUIET COMPONENTS Runtime PATHS ${PROJECT_SOURCE_DIR}/build/openvino/openvino/cmake) # where cmake/openvino.cmake puts it
if(PROJECT_IS_TOP_LEVEL AND NOT OpenVINO_FOUND)
  message(STATUS "diamond: no OpenVINO, so diamond::openvino and its tests are left out; cmake -P cmake/openvino.cmake puts it into build/openvino")
endif()
# In a function, as above. -D CMAKE_DISABLE_FIND_PACKAGE_MPI=ON leaves it out.
function(diamond_find_mpi)
  set(MPI_CXX_SKIP_MPICXX ON) # the bindings to C++ that MPI 3 has removed
  find_package(MPI QUIET COMPONENTS CXX)
  set(MPI_CXX_FOUND ${MPI_CXX_FOUND} PARENT_SCOPE)
endfunction()
diamond_find_mpi()

file(GLOB_RECURSE diamond_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/diamond/*.hpp ${PROJECT_SOURCE_DIR}/include/diamond/*.cuh)
add_library(diamond INTERFACE)
add_library(diamond::diamond ALIAS diamond)
target_sources(diamond INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${diamond_headers})
target_compile_features(diamond INTERFACE cxx_std_20)
# g++ 12 for AVX-512 passes constants of 32 or 64 bytes by value with all words equal where all but the last are: {1.0, 1.0, 1.0, 0.0} arrives as four ones.
# Moves of 16 bytes are right, and only copies of structs are made of them. tests/core/constants.test.cpp sees it.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(gnu_12 "$<CXX_COMPILER_ID:GNU>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,12>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>")
  target_compile_options(
    diamond INTERFACE "$<$<AND:$<COMPILE_LANGUAGE:CXX>,${gnu_12}>:-mmove-max=128;-mstore-max=128>"
                      "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,${gnu_12}>:-Xcompiler=-mmove-max=128,-mstore-max=128>")
endif()

set(diamond_components)
macro(diamond_component name)
  add_library(diamond_${name} INTERFACE)
  add_library(diamond::${name} ALIAS diamond_${name})
  set_target_properties(diamond_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(diamond_${name} INTERFACE diamond ${ARGN})
  list(APPEND diamond_components ${name})
endmacro()

if(Eigen3_FOUND AND Threads_FOUND)
  diamond_component(eigen Eigen3::Eigen Threads::Threads)
  # Without it Eigen is not vectorised in a .cu and clashes there with the Eigen of .cpp files.
  target_compile_definitions(diamond_eigen INTERFACE EIGEN_NO_CUDA)
endif()
if(thrust_headers_FOUND AND Eigen3_FOUND) # whose products thrust's CPU systems take
  diamond_component(thrust thrust::headers Eigen3::Eigen)
  target_compile_definitions(diamond_thrust INTERFACE EIGEN_NO_CUDA THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_CPP)
endif()
if(nlohmann_json_FOUND AND xtensor_FOUND)
  diamond_component(io nlohmann_json::nlohmann_json xtensor)
endif()
if(cairo_FOUND) # pictures are files, too, but of io's headers they take only those that depend on nothing
  diamond_component(plot cairo::cairo)
endif()
set(torch_missing)
if(NOT Torch_FOUND)
  set(torch_missing "libtorch is not found: it is Debian's package libtorch-dev, or set CMAKE_PREFIX_PATH to an unpacked libtorch")
elseif(Torch_VERSION VERSION_LESS 2 AND CMAKE_CXX_COMPILER_ID MATCHES Clang)
  set(torch_missing "clang does not compile the headers of libtorch ${Torch_VERSION} as C++20: take g++, or libtorch 2")
endif()
if(NOT torch_missing)
  diamond_component(torch torch) # whose target brings its headers, as SYSTEM, and the C++ ABI that it was compiled with
elseif(PROJECT_IS_TOP_LEVEL)
  message(STATUS "diamond: no diamond::torch, since ${torch_missing}")
endif()
if(OpenVINO_FOUND)
  diamond_component(openvino openvino::runtime)
endif()
if(MPI_CXX_FOUND)
  diamond_component(mpi MPI::MPI_CXX)
elseif(PROJECT_IS_TOP_LEVEL)
  message(STATUS "diamond: no diamond::mpi, since MPI is not found: Debian has it as libopenmpi-dev, cmake -P cmake/packages.cmake -- mpi installs it")
endif()
if(DIAMOND_CUDA)
  diamond_component(cuda CUDA::cudart CUDA::cublas CUDA::cublasLt CUDA::cusolver)
  target_compile_options(diamond_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>) # CMake 3.25 has no name for it
endif()
