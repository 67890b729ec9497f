# cmake [-D compiler=g++] [-D nvcc=nvcc] [-D output=include_time.json] -P include_time.cmake
# What `#include <diamond/diamond.hpp>` costs to compile, against an empty file and against the standard headers that it uses; and the CUDA back end above it.
cmake_minimum_required(VERSION 3.25)

set(runs 5)                  # the fastest counts: others may be using the machine
set(gnu_budget 1000)         # ms, the umbrella in all
set(nvcc_budget 1500)        # ms, the umbrella above its standard headers
set(cuda_budget 1500)        # ms, the CUDA back end above the umbrella
cmake_path(SET include NORMALIZE ${CMAKE_CURRENT_LIST_DIR}/../include)
if(NOT compiler)
  set(compiler g++)
endif()
if(NOT output)
  set(output include_time.json)
endif()
cmake_path(ABSOLUTE_PATH output)
cmake_path(GET output PARENT_PATH folder)
set(folder ${folder}/include_time)

# The standard headers that the umbrella reaches: what its project headers include without a slash.
file(WRITE ${folder}/empty.cpp "")
file(WRITE ${folder}/umbrella.cpp "#include <diamond/diamond.hpp>\n")
execute_process(COMMAND ${compiler} -std=c++20 -I${include} -MM ${folder}/umbrella.cpp
                OUTPUT_VARIABLE dependencies COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^ \\\n]+/diamond/[^ \\\n]+" dependencies "${dependencies}")
set(standard)
foreach(header ${dependencies})
  file(READ ${header} text)
  string(REGEX MATCHALL "#include <[a-z_0-9]+>" includes "${text}")
  list(APPEND standard ${includes})
endforeach()
list(REMOVE_DUPLICATES standard)
list(SORT standard)
list(JOIN standard "\n" standard)
file(WRITE ${folder}/standard.cpp "${standard}\n")

# milliseconds(<result> <command>...): processor time of the fastest run; the clock on the wall would count whatever else the machine does.
function(milliseconds result)
  set(fastest 1000000000)
  foreach(run RANGE 1 ${runs})
    execute_process(COMMAND sh -c "\"$@\" && times" sh ${ARGN} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
    # The shell's own user and system time, then its children's: 0m1.234567s 0m0.123456s
    string(REGEX MATCH "([0-9]+)m([0-9]+)\\.([0-9][0-9])[0-9]*s ([0-9]+)m([0-9]+)\\.([0-9][0-9])[0-9]*s[ \n]*$" time "${text}")
    math(EXPR elapsed "1000 * (60 * (${CMAKE_MATCH_1} + ${CMAKE_MATCH_4}) + ${CMAKE_MATCH_2} + ${CMAKE_MATCH_5})
                       + 10 * (1${CMAKE_MATCH_3} + 1${CMAKE_MATCH_6} - 200)")
    if(elapsed LESS fastest)
      set(fastest ${elapsed})
    endif()
  endforeach()
  set(${result} ${fastest} PARENT_SCOPE)
endfunction()

# report(<name> <milliseconds> <budget> <what is held against it>)
function(report name value budget what)
  set(verdict "within")
  if(value GREATER budget)
    set(verdict "OVER")
  endif()
  message("${name}: empty ${${name}_empty} ms, standard headers ${${name}_standard} ms, umbrella ${${name}_umbrella} ms; "
          "${what} ${value} ms, ${verdict} its budget of ${budget} ms")
endfunction()

set(json "{}")
macro(measure name)
  set(row "{}")
  foreach(file empty standard umbrella)
    milliseconds(${name}_${file} ${ARGN} ${folder}/${file}.cpp)
    string(JSON row SET "${row}" ${file}_ms ${${name}_${file}})
  endforeach()
  string(JSON json SET "${json}" ${name} "${row}")
endmacro()

measure(gnu ${compiler} -std=c++20 -I${include} -fsyntax-only)
report(gnu ${gnu_umbrella} ${gnu_budget} "in all")
if(nvcc)
  measure(nvcc ${nvcc} -std=c++20 -I${include} -arch=sm_90 -x cu -c -o ${folder}/nvcc.o)
  math(EXPR above "${nvcc_umbrella} - ${nvcc_standard}")
  report(nvcc ${above} ${nvcc_budget} "above its standard headers")
  file(WRITE ${folder}/cuda.cpp "#include <diamond/diamond.hpp>\n#include <diamond/backend/cuda.cuh>\n")
  milliseconds(nvcc_cuda ${nvcc} -std=c++20 -I${include} -arch=sm_90 -x cu -c -o ${folder}/nvcc.o ${folder}/cuda.cpp)
  math(EXPR above "${nvcc_cuda} - ${nvcc_umbrella}")
  report(nvcc ${above} ${cuda_budget} "the CUDA back end above it")
  string(JSON json SET "${json}" nvcc cuda_ms ${nvcc_cuda})
endif()
file(WRITE ${output} "${json}\n")
