# cmake -D include=<folder that holds diamond/> -P layering.cmake: fails on every #include against the order of the house.
cmake_minimum_required(VERSION 3.25)

# What a folder may include besides itself. Each name stands for what its own line grants, too.
set(core)
set(random     core) # below concepts: a stream of draws is part of what a back end understands
set(concepts   random)
set(schedule   concepts)
set(glass      schedule)
set(reward     glass)
set(measurement reward) # whose likelihoods are rewards
set(calibration concepts) # of samples of anything
set(density    glass reward)
set(map        density)
set(value      map measurement)
set(align      value)
set(oracle     map reward)
set(nn         map)
set(io         train)
set(train      align oracle nn) # not io: the umbrella includes train and depends on nothing; io writes its checkpoints
set(plot       io) # whose files are replaced whole
set(openvino   schedule) # networks, of their schedules
set(mpi        train) # drivers and trainings over ranks; files are the io of whoever writes them
set(backend    concepts)
set(torch      schedule) # networks of another library: the umbrella does not include it
set(umbrella   align oracle nn train calibration) # diamond.hpp itself
set(folders calibration core concepts schedule random glass reward measurement density map value align oracle nn io plot train backend torch openvino mpi)

# Who may name a library, as "<its headers> => <our files>". Standard headers are free to all.
set(libraries
    "(unsupported/)?Eigen/ => backend/eigen"
    "(thrust|cub|cuda|cooperative_groups)/ => backend/(thrust|cuda)"
    "(cu[a-z0-9_]*|mma|math_constants)\\.h => backend/cuda"
    "(xtensor|xtl|xsimd)/ => io/xtensor\\.hpp"
    "nlohmann/ => io/"
    "cairo => plot/"
    "(torch|ATen|c10|caffe2)/ => torch/"
    "openvino/ => openvino/"
    "mpi => mpi/")

# closure(<folder> <result>): the folder and all that it may include.
function(closure folder result)
  set(granted ${folder})
  foreach(next ${${folder}})
    closure(${next} more)
    list(APPEND granted ${more})
  endforeach()
  list(REMOVE_DUPLICATES granted)
  set(${result} ${granted} PARENT_SCOPE)
endfunction()

set(violations 0)
macro(violation why)
  math(EXPR violations "${violations} + 1")
  message("${file}: includes ${header}: ${why}")
endmacro()

cmake_path(ABSOLUTE_PATH include)
file(GLOB_RECURSE files RELATIVE ${include}/diamond ${include}/diamond/*.hpp ${include}/diamond/*.cuh)
if(NOT files)
  message(FATAL_ERROR "no headers below ${include}/diamond")
endif()
foreach(file ${files})
  string(REGEX REPLACE "/.*" "" folder ${file})
  if(file STREQUAL "diamond.hpp")
    set(folder umbrella)
  elseif(NOT folder IN_LIST folders)
    message(FATAL_ERROR "${file}: the table in layering.cmake has no line for ${folder}")
  endif()
  closure(${folder} granted)

  file(READ ${include}/diamond/${file} text)
  string(REGEX MATCHALL "(^|\n)[ \t]*#[ \t]*include[ \t]*[<\"][^>\"\n]+" includes "${text}")
  foreach(line ${includes})
    string(REGEX MATCH "([<\"])(.+)$" line "${line}")
    set(quote "${CMAKE_MATCH_1}")
    set(header "${CMAKE_MATCH_2}")
    if(header MATCHES "^diamond/([a-z_0-9]+)")
      if(NOT CMAKE_MATCH_1 IN_LIST granted)
        violation("${folder} may not include ${CMAKE_MATCH_1}")
      endif()
    elseif(NOT quote STREQUAL "<")
      violation("write <diamond/...>")
    else()
      foreach(library ${libraries})
        string(REGEX MATCH "^(.+) => (.+)$" row "${library}")
        set(its_headers "^${CMAKE_MATCH_1}")
        set(our_files "^${CMAKE_MATCH_2}")
        if(header MATCHES "${its_headers}" AND NOT file MATCHES "${our_files}")
          violation("only ${our_files} may")
        endif()
      endforeach()
    endif()
  endforeach()
endforeach()
if(violations)
  message(FATAL_ERROR "${violations} includes against the layering")
endif()
