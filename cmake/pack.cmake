# cmake -P cmake/pack.cmake: gathers the headers and libraries that tests and benchmarks need, as this machine's package manager ships them, in .packed/, for a
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
list(REMOVE_ITEM packages libthrust-dev ${diamond_packages_format} ${diamond_packages_docs}) # the toolkit has it; and nothing is formatted or built of the site there
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

# cairo, which the studies draw with, loads further libraries; the C library has to be that machine's own.
execute_process(COMMAND ${dpkg_query} -L libcairo2-dev OUTPUT_VARIABLE paths COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "[^\n]*/libcairo\\.so\n" cairo "${paths}")
string(STRIP "${cairo}" cairo)
cmake_path(GET cairo PARENT_PATH folder)
file(GLOB libraries ${folder}/libcairo.so*)
file(GET_RUNTIME_DEPENDENCIES LIBRARIES ${cairo} RESOLVED_DEPENDENCIES_VAR loaded PRE_EXCLUDE_REGEXES "^(ld-linux.*|lib(c|m|dl|rt|pthread|gcc_s))\\.so")
foreach(library ${libraries} ${loaded})
  cmake_path(RELATIVE_PATH folder BASE_DIRECTORY /usr OUTPUT_VARIABLE destination)
  file(COPY ${library} DESTINATION ${packed}/${destination} FOLLOW_SYMLINK_CHAIN)
  math(EXPR files "${files} + 1")
endforeach()
message(STATUS "${files} files of ${packages} in ${packed}")
