# cmake -P cmake/openvino.cmake: puts OpenVINO, as the package index has it, into build/openvino, where a configure finds it; the system stays as it is.
# Its wheel carries headers, libraries and CMake files. Where the index cannot be reached it says so, and diamond::openvino is left out.
include(${CMAKE_CURRENT_LIST_DIR}/packages.cmake)
set(openvino_version 2026.4.1)

# diamond_fetch_openvino(<project>)
function(diamond_fetch_openvino root)
  set(folder ${root}/build/openvino)
  if(EXISTS ${folder}/openvino-${openvino_version}.dist-info)
    return()
  endif()
  diamond_install(openvino)
  message(STATUS "Fetching OpenVINO ${openvino_version} into ${folder}")
  file(REMOVE_RECURSE ${folder} ${folder}.part)
  find_program(python3 python3 NO_CACHE)
  execute_process(
    COMMAND ${python3} -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --timeout=20 --retries=1 --target ${folder}.part openvino==${openvino_version}
    RESULT_VARIABLE failed ERROR_VARIABLE why)
  if(failed)
    message(STATUS "Without OpenVINO, which the package index did not give:\n${why}")
    file(REMOVE_RECURSE ${folder}.part)
  else()
    file(RENAME ${folder}.part ${folder}) # whole or not at all
  endif()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
  diamond_fetch_openvino(${root})
endif()
