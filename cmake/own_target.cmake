# diamond_own_target(<target>): warnings, for what we build ourselves and never for the interface targets.
function(diamond_own_target target)
  set(cxx -Wall -Wextra -Wpedantic -Wconversion)
  set(cuda -Xcompiler=-Wall,-Wextra,-Wconversion) # nvcc's generated code is not pedantic
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    list(APPEND cxx -Wno-maybe-uninitialized) # false alarms inside Eigen with AVX-512
    list(APPEND cuda -Xcompiler=-Wno-maybe-uninitialized)
  endif()
  if(DIAMOND_WERROR)
    list(APPEND cxx -Werror)
    list(APPEND cuda -Werror=all-warnings)
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${cxx}>" "$<$<COMPILE_LANGUAGE:CUDA>:${cuda}>")
endfunction()
