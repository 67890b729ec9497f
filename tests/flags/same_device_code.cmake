# Compiles `source` for a device with and without --use_fast_math: the code must be the same.
cmake_minimum_required(VERSION 3.25)

foreach(flag "" --use_fast_math)
  set(ptx ${folder}/weights${flag}.ptx)
  execute_process(COMMAND ${compiler} -std=c++20 ${flag} -I${include} -ptx ${source} -o ${ptx} COMMAND_ERROR_IS_FATAL ANY)
  file(STRINGS ${ptx} code REGEX "^[^/]") # without comments
  if(flag AND NOT code STREQUAL before)
    message(FATAL_ERROR "${ptx} differs")
  endif()
  set(before "${code}")
endforeach()
