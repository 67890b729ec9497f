# cmake -P cmake/pack.cmake: gathers the headers that tests and benchmarks need, as this machine's package manager ships them, in .packed/, for a
# machine without a network: cmake/gpu.cmake looks there. Installs what is missing here.
include(${CMAKE_CURRENT_LIST_DIR}/packages.cmake)
diamond_install(test)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
set(packed ${root}/.packed)
file(REMOVE_RECURSE ${packed})
find_program(dpkg_query dpkg-query REQUIRED)
find_program(apt_cache apt-cache NO_CACHE)

# What a package's CMake file finds in turn: xtensor's xtl and xsimd, benchmark's library.
set(packages ${diamond_packages_test})
list(REMOVE_ITEM packages libthrust-dev ${diamond_packages_format}) # the toolkit has it; and nothing is formatted there
execute_process(COMMAND ${dpkg_query} -W -f "\${Depends}, " ${packages} OUTPUT_VARIABLE depends COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "(xtl-dev|libxtl-dev|libxsimd-dev|libbenchmark1[a-z0-9.]*)" further "${depends}")
list(APPEND packages ${further})
list(REMOVE_DUPLICATES packages)

set(files 0)
foreach(package ${packages})
  execute_process(COMMAND ${dpkg_query} -L ${package} OUTPUT_VARIABLE paths COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" paths "${paths}")
  foreach(path ${paths})
    if(IS_DIRECTORY ${path} OR NOT path MATCHES "^/usr/(include|share/cmake|share/eigen3|share/pkgconfig|lib/(.*/)?cmake/|lib/.*\\.(a$|so))")
      continue()
    endif()
    cmake_path(GET path PARENT_PATH folder)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY /usr)
    file(COPY ${path} DESTINATION ${packed}/${folder} FOLLOW_SYMLINK_CHAIN)
    math(EXPR files "${files} + 1")
  endforeach()
endforeach()
message(STATUS "${files} files of ${packages} in ${packed}")
