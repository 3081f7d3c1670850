# A build for GPUs needs LibTorch's CUDA half and NCCL besides nvcc. Both come with the full torch wheel
# (experiments/setup --full-torch). Where the libraries that LibTorch's CUDA half depends on are missing, everything still
# compiles and links, as a check, but programs with LibTorch cannot start.
set(shoal_wheel_libraries "${SHOAL_TORCH}/../nvidia")
# Where toolkit and wheel both have a CUDA runtime of one major version, the wheel's is loaded, since LibTorch was built
# with it.
set(CMAKE_BUILD_RPATH "${shoal_wheel_libraries}/cu${CUDAToolkit_VERSION_MAJOR}/lib")

set(SHOAL_CUDA_RUNS ON) # whether programs that link LibTorch can start here
if(NOT SHOAL_ONLY_CORE)
  if(NOT EXISTS "${SHOAL_TORCH}/lib/libtorch_cuda.so" OR NOT EXISTS "${SHOAL_TORCH}/include/c10/cuda")
    message(FATAL_ERROR "LibTorch has no CUDA half (${SHOAL_TORCH}). Run experiments/setup --full-torch.")
  endif()
  foreach(library c10_cuda torch_cuda)
    add_library(torch::${library} SHARED IMPORTED)
    set_target_properties(torch::${library} PROPERTIES
      IMPORTED_LOCATION "${SHOAL_TORCH}/lib/lib${library}.so"
      INTERFACE_INCLUDE_DIRECTORIES "${shoal_torch_headers}")
  endforeach()
  target_link_libraries(torch::torch_cuda INTERFACE torch::c10_cuda torch::torch_cpu CUDA::cudart)

  file(STRINGS "${SHOAL_TORCH}/version.py" wheel_cuda REGEX "^cuda")
  if(wheel_cuda MATCHES "'([0-9]+)\\." AND NOT CMAKE_MATCH_1 EQUAL CUDAToolkit_VERSION_MAJOR)
    message(WARNING "nvcc is of CUDA ${CUDAToolkit_VERSION}, LibTorch of CUDA ${CMAKE_MATCH_1}: programs load two CUDA runtimes")
  endif()
  execute_process(COMMAND ldd "${SHOAL_TORCH}/lib/libtorch_cuda.so" OUTPUT_VARIABLE needed ERROR_QUIET)
  string(REGEX MATCHALL "[^ \t\n]+ => not found" missing "${needed}")
  if(missing)
    set(SHOAL_CUDA_RUNS OFF)
    list(TRANSFORM missing REPLACE " => .*" "")
    list(JOIN missing ", " missing)
    target_link_options(torch::torch_cuda INTERFACE -Wl,--allow-shlib-undefined)
    message(STATUS "CUDA: linked as a check only. Programs with LibTorch cannot run: ${missing} not found "
      "(experiments/setup --full-torch)")
  endif()
endif()

# The wheel's NCCL is preferred: two NCCLs in one program would not see each other's communicators.
find_path(NCCL_INCLUDE nccl.h HINTS "${shoal_wheel_libraries}/nccl/include" ${CUDAToolkit_INCLUDE_DIRS})
find_library(NCCL_LIBRARY NAMES libnccl.so.2 nccl HINTS "${shoal_wheel_libraries}/nccl/lib" ${CUDAToolkit_LIBRARY_DIR})
if(NCCL_INCLUDE AND NCCL_LIBRARY)
  set(SHOAL_WITH_NCCL ON)
  message(STATUS "NCCL: found, ${NCCL_LIBRARY}")
else()
  set(SHOAL_WITH_NCCL OFF)
  message(STATUS "NCCL: not found (package libnccl-dev); device data are staged through MPI")
endif()
