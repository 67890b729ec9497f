# cmake -P cmake/demo.cmake [-- [STUDY] ARGUMENT...]: installs what is missing, builds a study, a folder of examples/studies, and runs it with the
# arguments. Without the name of one it is digits, and without arguments `digits align`, which writes to out/digits/.
include(${CMAKE_CURRENT_LIST_DIR}/packages.cmake)
diamond_install(build demo)
diamond_arguments(arguments)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
file(GLOB studies RELATIVE ${root}/examples/studies ${root}/examples/studies/*/main.cpp)
list(TRANSFORM studies REPLACE "/main.cpp$" "")
set(study digits)
if(arguments)
  list(GET arguments 0 first)
  if(first IN_LIST studies)
    set(study ${first})
    list(POP_FRONT arguments)
  endif()
endif()

set(build ${root}/build/demo)
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
find_program(ninja ninja NO_CACHE)
set(generator)
if(ninja AND NOT EXISTS ${build}/CMakeCache.txt)
  set(generator -G Ninja)
endif()
set(without -D DIAMOND_CUDA=OFF -D DIAMOND_BUILD_TESTS=OFF -D DIAMOND_BUILD_BENCHMARKS=OFF)
foreach(command
    "-S;${root};-B;${build};${generator};-D;CMAKE_BUILD_TYPE=Release;${without}"
    "--build;${build};--target;${study};--parallel;${cores}")
  execute_process(COMMAND ${CMAKE_COMMAND} ${command} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
execute_process(COMMAND ${build}/examples/studies/${study} ${arguments} WORKING_DIRECTORY ${root} COMMAND_ERROR_IS_FATAL ANY)
