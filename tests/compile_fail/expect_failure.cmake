cmake_minimum_required(VERSION 3.25)

file(STRINGS ${source} first_line LIMIT_COUNT 1)
string(REPLACE "\\;" ";" first_line "${first_line}")
if(NOT first_line MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "line 1 must be `// expect: <sentence>`")
endif()
set(sentence "${CMAKE_MATCH_1}")

list(TRANSFORM includes PREPEND -I)
list(TRANSFORM definitions PREPEND -D)
execute_process(COMMAND ${compiler} -std=c++20 -fsyntax-only ${includes} ${definitions} -include ${precompiled} ${source}
                RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
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
