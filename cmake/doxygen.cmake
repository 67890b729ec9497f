# diamond_check_doxygen(<doxygen> <note>): empties <note> if this doxygen is of the version whose pages and warnings docs/site is written for,
# and else sets it to a sentence that says which it is.
function(diamond_check_doxygen doxygen note)
  set(wanted 1.9.4)
  execute_process(COMMAND ${doxygen} --version OUTPUT_VARIABLE found ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX MATCH "^[0-9.]+" found "${found}") # some builds add their commit
  set(${note} "" PARENT_SCOPE)
  if(NOT found STREQUAL wanted)
    set(${note} "docs/site is written for doxygen ${wanted}, and this is '${found}'" PARENT_SCOPE)
  endif()
endfunction()
