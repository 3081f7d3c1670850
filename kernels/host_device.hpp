#pragma once
// SHOAL_HD marks a function that runs on host and device: nvcc compiles it for both, any other compiler for the host.

#ifdef __CUDACC__
#define SHOAL_HD __host__ __device__
#else
#define SHOAL_HD
#endif
