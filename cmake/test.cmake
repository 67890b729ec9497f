# cmake -P cmake/test.cmake [-- <arguments of ctest>]: installs what is missing, builds everything in Release, CUDA included where nvcc 13
# is found, and runs the tests: those labelled gpu where there is a device, those labelled long only when asked by `-- -L long`.
include(${CMAKE_CURRENT_LIST_DIR}/packages.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/nvcc.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/openvino.cmake)
diamond_install(build test torch mpi onednn)
diamond_arguments(arguments)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
if(DIAMOND_INSTALL)
  diamond_fetch_openvino(${root})
endif()
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
diamond_find_nvcc(nvcc note)
if(nvcc)
  message(STATUS "With CUDA: ${note}")
  set(preset cuda)
  set(options -D CMAKE_CUDA_ARCHITECTURES=90 -D DIAMOND_CUDA_ALL_TESTS=OFF) # one architecture, a sample of the typed tests: the time to compile counts here
else()
  message(STATUS "Without CUDA: ${note}")
  set(preset cpu)
  set(options)
endif()
list(APPEND options -D DIAMOND_LIGHT_PROGRAMS=ON -D DIAMOND_TEST_GATHER=6)
find_program(ninja ninja NO_CACHE)
if(NOT ninja)
  list(APPEND options -G "Unix Makefiles")
endif()

set(excluded long)
if(arguments MATCHES "long")
  set(excluded)
endif()
find_program(nvidia_smi nvidia-smi NO_CACHE)
execute_process(COMMAND ${nvidia_smi} -L OUTPUT_VARIABLE devices ERROR_QUIET)
if(nvcc AND NOT devices MATCHES "GPU")
  message(STATUS "No device: the tests labelled gpu are compiled and not run")
  list(APPEND excluded gpu)
endif()
list(JOIN excluded "|" excluded)
if(excluded)
  list(PREPEND arguments --label-exclude "${excluded}")
endif()

set(build ${root}/build/test) # of its own: its programs are not as fast as users'
foreach(command
    "${CMAKE_COMMAND};--preset;${preset};-B;${build};${options}"
    "${CMAKE_COMMAND};--build;${build};--parallel;${cores};--target;all;headers_alone"
    "${CMAKE_CTEST_COMMAND};--test-dir;${build};--output-on-failure;--no-tests=error;--parallel;${cores};${arguments}")
  execute_process(COMMAND ${command} WORKING_DIRECTORY ${root} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
