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
find_package(OpenVINO QUIET COMPONENTS Runtime PATHS ${PROJECT_SOURCE_DIR}/build/openvino/openvino/cmake) # where cmake/openvino.cmake puts it
if(PROJECT_IS_TOP_LEVEL AND NOT OpenVINO_FOUND)
  message(STATUS "diamond: no OpenVINO, so diamond::openvino and its tests are left out; cmake -P cmake/openvino.cmake puts it into build/openvino")
endif()

file(GLOB_RECURSE diamond_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/diamond/*.hpp ${PROJECT_SOURCE_DIR}/include/diamond/*.cuh)
add_library(diamond INTERFACE)
add_library(diamond::diamond ALIAS diamond)
target_sources(diamond INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${diamond_headers})
target_compile_features(diamond INTERFACE cxx_std_20)

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
if(OpenVINO_FOUND)
  diamond_component(openvino openvino::runtime)
endif()
if(DIAMOND_CUDA)
  diamond_component(cuda CUDA::cudart CUDA::cublas CUDA::cublasLt CUDA::cusolver)
  target_compile_options(diamond_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>) # CMake 3.25 has no name for it
endif()
