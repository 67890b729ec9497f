cmake_minimum_required(VERSION 3.25)

list(TRANSFORM includes PREPEND -I)
list(TRANSFORM definitions PREPEND -D)
execute_process(COMMAND ${compiler} -std=c++20 -fsyntax-only -D CASE=${case} ${includes} ${definitions} -include ${precompiled} ${source}
                RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(case EQUAL 0)
  if(failed)
    message("${output}")
    message(FATAL_ERROR "what is outside the cases does not compile")
  endif()
  return()
endif()

file(READ ${source} text)
string(REPLACE ";" "\\;" text "${text}")
if(NOT text MATCHES "\n?#if CASE == ${case} // [a-z_]+\n// expect: ([^\n]+(\n// [^\n]+)*)\n")
  message(FATAL_ERROR "after `#if CASE == ${case} // <name>` the next lines must be `// expect: <sentence>`")
endif()
string(REPLACE "\\;" ";" sentence "${CMAKE_MATCH_1}")
string(REPLACE "\n// " " " sentence "${sentence}") # of several lines
if(NOT failed)
  message(FATAL_ERROR "it compiles")
endif()

# In an error, not in a line of source that the compiler quotes.
string(REGEX MATCHALL "error: [^\n]*" errors "${output}")
string(REPLACE "\\;" ";" errors "${errors}")
string(FIND "${errors}" "${sentence}" place)
if(place EQUAL -1)
  message("${output}")
  message(FATAL_ERROR "it fails, but not with: ${sentence}")
endif()
