# cmake -P cmake/same_bits.cmake -- COMMIT: builds tests/same_bits of COMMIT and of this tree by the same compiler and flags, and says which compositions'
# bits differ and by how much at most. COMMIT is one that has tests/same_bits.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/packages.cmake)
diamond_install(build test)
diamond_arguments(commit)
if(NOT commit)
  message(FATAL_ERROR "say which commit to compare with: cmake -P cmake/same_bits.cmake -- COMMIT")
endif()

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
set(place ${root}/build/same_bits)
execute_process(COMMAND git rev-parse --short ${commit} WORKING_DIRECTORY ${root} OUTPUT_VARIABLE name OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS ${place}/${name}/CMakeLists.txt)
  execute_process(COMMAND git worktree add --detach ${place}/${name} ${commit} WORKING_DIRECTORY ${root} COMMAND_ERROR_IS_FATAL ANY)
endif()

cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
function(build source binary)
  foreach(command
      "${CMAKE_COMMAND};-S;${source};-B;${binary};-D;CMAKE_BUILD_TYPE=Release;-D;DIAMOND_CUDA=OFF;-D;DIAMOND_BUILD_EXAMPLES=OFF;-D;DIAMOND_BUILD_BENCHMARKS=OFF"
      "${CMAKE_COMMAND};--build;${binary};--target;same_bits;--parallel;${cores}")
    execute_process(COMMAND ${command} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endfunction()
build(${place}/${name} ${place}/${name}_build)
build(${root} ${place}/here_build)
execute_process(COMMAND ${place}/${name}_build/tests/same_bits --write ${place}/${name}.txt OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${place}/here_build/tests/same_bits --against ${place}/${name}.txt RESULT_VARIABLE moved)
if(moved)
  message(FATAL_ERROR "bits differ from those of ${commit}, as said above")
endif()
