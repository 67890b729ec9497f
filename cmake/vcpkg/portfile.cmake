# The port of vcpkg, of the checkout that it stands in: vcpkg install diamond --overlay-ports=<checkout>/cmake/vcpkg
# Headers alone: there is nothing to build, and one configuration serves all.
set(VCPKG_BUILD_TYPE release)
get_filename_component(SOURCE_PATH ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
vcpkg_cmake_configure(
  SOURCE_PATH ${SOURCE_PATH}
  OPTIONS -DDIAMOND_BUILD_TESTS=OFF -DDIAMOND_BUILD_EXAMPLES=OFF -DDIAMOND_BUILD_BENCHMARKS=OFF -DDIAMOND_CUDA=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/diamond)
file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/lib) # empty now, which vcpkg refuses
vcpkg_install_copyright(FILE_LIST ${SOURCE_PATH}/LICENSE)
