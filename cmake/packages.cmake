# Every package the project uses, by its Debian name, and a way to install what is missing of them.
# As a script: cmake -P packages.cmake <group>...; included: diamond_install(<group>...). cmake itself is here already.
cmake_minimum_required(VERSION 3.25)

# <package>, or <package>=<program> where the program will do, wherever it comes from.
set(diamond_packages_build g++=g++ ninja-build=ninja)
set(diamond_packages_demo libeigen3-dev nlohmann-json3-dev libxtensor-dev libcairo2-dev fonts-dejavu-core libcli11-dev libstb-dev)
set(diamond_packages_format clang-format-16=clang-format-16)
set(diamond_packages_docs doxygen=doxygen libjs-mathjax python3=python3)
set(diamond_packages_test ${diamond_packages_demo} ${diamond_packages_format} ${diamond_packages_docs} doctest-dev libbenchmark-dev librandom123-dev libthrust-dev)
set(diamond_packages_torch libtorch-dev) # for diamond::torch, which is built and tested where it is found
set(diamond_packages_mpi libopenmpi-dev) # for diamond::mpi, which is built and tested where it is found
set(diamond_packages_onednn libdnnl-dev) # for benchmarks/onednn.benchmark.cpp, which is built where it is found
set(diamond_packages_clang clang-16=clang++-16 libclang-rt-16-dev)
set(diamond_packages_openvino python3=python3 python3-pip=pip3) # for cmake/openvino.cmake
set(diamond_packages_browser chromium=chromium) # for docs/browser, which is run where it is found

option(DIAMOND_INSTALL "Install missing packages; off, they are taken to be there" ON)

function(diamond_install)
  set(missing)
  find_program(dpkg_query dpkg-query NO_CACHE)
  foreach(group ${ARGN})
    foreach(entry ${diamond_packages_${group}})
      string(REGEX MATCH "^([^=]+)=?(.*)$" entry ${entry})
      set(package ${CMAKE_MATCH_1})
      set(program ${CMAKE_MATCH_2})
      unset(found)
      if(program)
        find_program(found ${program} NO_CACHE)
      elseif(dpkg_query)
        execute_process(COMMAND ${dpkg_query} -W -f "\${db:Status-Status}" ${package} OUTPUT_VARIABLE status ERROR_QUIET)
        if(status STREQUAL installed)
          set(found TRUE)
        endif()
      endif()
      if(NOT found)
        list(APPEND missing ${package})
      endif()
    endforeach()
  endforeach()
  if(NOT missing OR NOT DIAMOND_INSTALL)
    return()
  endif()

  list(JOIN missing " " names)
  find_program(apt_get apt-get NO_CACHE)
  find_program(sudo sudo NO_CACHE)
  execute_process(COMMAND id -u OUTPUT_VARIABLE user OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(as_root)
  if(NOT user EQUAL 0)
    set(as_root ${sudo})
  endif()
  if(NOT apt_get OR NOT dpkg_query OR (NOT user EQUAL 0 AND NOT sudo))
    message(FATAL_ERROR "Please install what these Debian packages hold, then run again with "
                        "-D DIAMOND_INSTALL=OFF before -P:\n  ${names}")
  endif()
  message(STATUS "Installing ${names}")
  foreach(command "update" "install;--yes;--no-install-recommends;${missing}")
    execute_process(COMMAND ${as_root} ${CMAKE_COMMAND} -E env DEBIAN_FRONTEND=noninteractive ${apt_get} -q ${command} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endfunction()

# diamond_arguments(<result>): what follows `--` on the command line of a script.
function(diamond_arguments result)
  set(arguments)
  set(behind FALSE)
  math(EXPR last "${CMAKE_ARGC} - 1")
  foreach(i RANGE ${last})
    if(behind)
      list(APPEND arguments ${CMAKE_ARGV${i}})
    elseif(CMAKE_ARGV${i} STREQUAL "--")
      set(behind TRUE)
    endif()
  endforeach()
  set(${result} ${arguments} PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  diamond_arguments(groups)
  diamond_install(${groups})
endif()
