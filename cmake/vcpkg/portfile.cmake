# The port of vcpkg, of the checkout that it stands in: vcpkg install diamond --overlay-ports=<checkout>/cmake/vcpkg
# Headers alone: there is nothing to build, and one configuration serves all.
set(VCPKG_BUILD_TYPE release)
get_filename_component(SOURCE_PATH ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
# The features decide what is installed, not what this machine happens to have. The port has none of diamond::thrust, diamond::torch,
# diamond::openvino, diamond::mpi and diamond::cuda.
set(unwanted thrust_headers Torch OpenVINO MPI)
if(NOT "eigen" IN_LIST FEATURES)
  list(APPEND unwanted Eigen3)
endif()
if(NOT "io" IN_LIST FEATURES)
  list(APPEND unwanted nlohmann_json xtensor)
endif()
if(NOT "plot" IN_LIST FEATURES)
  list(APPEND unwanted cairo)
endif()
list(TRANSFORM unwanted REPLACE "(.+)" "-DCMAKE_DISABLE_FIND_PACKAGE_\\1=ON")
vcpkg_cmake_configure(
  SOURCE_PATH ${SOURCE_PATH}
  OPTIONS -DDIAMOND_BUILD_TESTS=OFF -DDIAMOND_BUILD_EXAMPLES=OFF -DDIAMOND_BUILD_BENCHMARKS=OFF -DDIAMOND_CUDA=OFF ${unwanted})
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/diamond)
file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/lib) # empty now, which vcpkg refuses
vcpkg_install_copyright(FILE_LIST ${SOURCE_PATH}/LICENSE)
