# diamond_own_target(<target>): warnings, for what we build ourselves and never for the interface targets.
function(diamond_own_target target)
  set(cxx -Wall -Wextra -Wpedantic -Wconversion)
  set(cuda -Xcompiler=-Wall,-Wextra,-Wconversion) # nvcc's generated code is not pedantic
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # False alarms: inside Eigen with AVX-512, where g++ 12 also takes its own _mm512_undefined for a mistake of ours, and in "text" + std::string (gcc bug 105329).
    list(APPEND cxx -Wno-uninitialized -Wno-maybe-uninitialized -Wno-restrict)
    list(APPEND cuda -Xcompiler=-Wno-uninitialized,-Wno-maybe-uninitialized,-Wno-restrict)
  endif()
  if(DIAMOND_WERROR)
    list(APPEND cxx -Werror)
    list(APPEND cuda -Werror=all-warnings)
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${cxx}>" "$<$<COMPILE_LANGUAGE:CUDA>:${cuda}>")
endfunction()

# diamond_light_host_code(<target> <language>...): what the host's compiler makes is optimised less, where templates would cost it more than they run for.
function(diamond_light_host_code target)
  if(CMAKE_BUILD_TYPE STREQUAL Debug) # whose flags say themselves how much
    return()
  endif()
  set(flags -Og) # templates cost -O3 two and a half times as much, -O1 half as much again; -O0 compiles hardly faster and runs three to four times as long
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # gcc 12 at -Og leaves out vzeroupper, without which libm is 15 times slower
    list(APPEND flags -fexpensive-optimizations)
  endif()
  list(JOIN flags "," host_flags)
  if("CXX" IN_LIST ARGN)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${flags}>")
  endif()
  if("CUDA" IN_LIST ARGN)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_flags}>")
  endif()
endfunction()

# diamond_light_program(<target>): an example or a study where it counts only that it works. What nearly every one of them includes is compiled once.
function(diamond_light_program target)
  diamond_light_host_code(${target} CXX)
  if(NOT TARGET diamond_light_precompiled)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/light_precompiled.cpp CONTENT "")
    add_library(diamond_light_precompiled OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/light_precompiled.cpp)
    target_link_libraries(diamond_light_precompiled PRIVATE diamond::eigen diamond::io)
    diamond_own_target(diamond_light_precompiled)
    diamond_light_host_code(diamond_light_precompiled CXX)
    target_precompile_headers(diamond_light_precompiled PRIVATE <diamond/backend/eigen.hpp> <diamond/diamond.hpp>)
  endif()
  target_precompile_headers(${target} REUSE_FROM diamond_light_precompiled)
endfunction()
