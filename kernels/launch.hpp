#pragma once
// Kernels are written once for host and device. A kernel's body is a function object of one of three shapes: element,
// row, or block with phases. Bodies are structs, or lambdas that capture by value: nvcc rejects annotated lambdas that
// capture by reference. Plain `[&](int lane) {...}` phases inside a body are fine. Besides host_device.hpp, this is the
// only header that asks which compiler runs.
//
// Device forms are in *.cu files, which nvcc compiles for the device. In a build without nvcc, g++ compiles the same
// files and a launch on the "device" is a loop on the host, so that shared-memory logic is tested without a GPU.

#include <cstdint>
#include <type_traits>

#include "kernels/host_device.hpp"

#ifdef __CUDACC__
#include <stdexcept>
#include <string>
#endif

namespace shoal {

/// One row out of K. On the device a block of threads shares its columns.
class Row {
 public:
  SHOAL_HD explicit Row(std::int64_t index) : index_(index) {}
  SHOAL_HD std::int64_t index() const { return index_; }

  /// Runs step(0) .. step(columns - 1), in order on the host, in parallel on the device; returns when all are done.
  template <class Step>
  SHOAL_HD void each(std::int64_t columns, const Step& step) const {
#ifdef __CUDA_ARCH__
    for (std::int64_t column = threadIdx.x; column < columns; column += blockDim.x) step(column);
    __syncthreads();
#else
    for (std::int64_t column = 0; column < columns; ++column) step(column);
#endif
  }

 private:
  std::int64_t index_;
};

/// A group of lanes that work in phases on shared memory. Only shared memory survives from one phase to the next: on
/// the host a phase is a loop over the lanes, so a lane's own value that a later phase needs must be stored there.
class Block {
 public:
  SHOAL_HD Block(std::int64_t index, int lanes) : index_(index), lanes_(lanes) {}
  SHOAL_HD std::int64_t index() const { return index_; }
  SHOAL_HD int lanes() const { return lanes_; }

  /// Runs phase(lane) for every lane, then a barrier. Within a phase no lane may read what another lane writes.
  template <class Phase>
  SHOAL_HD void each(const Phase& phase) const {
#ifdef __CUDA_ARCH__
    phase(static_cast<int>(threadIdx.x));
    __syncthreads();
#else
    for (int lane = 0; lane < lanes_; ++lane) phase(lane);
#endif
  }

  /// cell += amount, atomically, in shared or global memory. Integers only: the result of a float sum would depend on
  /// the order of the lanes.
  template <class T>
  SHOAL_HD static void add(T& cell, T amount) {
    static_assert(std::is_integral_v<T> && sizeof(T) >= 4, "32 or 64 bit integers");
#ifdef __CUDA_ARCH__
    using Word = std::conditional_t<sizeof(T) == 8, unsigned long long, unsigned>;
    atomicAdd(reinterpret_cast<Word*>(&cell), static_cast<Word>(amount));
#else
    cell += amount;
#endif
  }

  /// cell = min(cell, value) or, in `raise`, max(cell, value); atomic as well.
  template <class T>
  SHOAL_HD static void lower(T& cell, T value) {
    static_assert(std::is_signed_v<T> && std::is_integral_v<T> && sizeof(T) >= 4, "32 or 64 bit signed integers");
#ifdef __CUDA_ARCH__
    using Word = std::conditional_t<sizeof(T) == 8, long long, int>;
    atomicMin(reinterpret_cast<Word*>(&cell), static_cast<Word>(value));
#else
    if (value < cell) cell = value;
#endif
  }
  template <class T>
  SHOAL_HD static void raise(T& cell, T value) {
    static_assert(std::is_signed_v<T> && std::is_integral_v<T> && sizeof(T) >= 4, "32 or 64 bit signed integers");
#ifdef __CUDA_ARCH__
    using Word = std::conditional_t<sizeof(T) == 8, long long, int>;
    atomicMax(reinterpret_cast<Word*>(&cell), static_cast<Word>(value));
#else
    if (value > cell) cell = value;
#endif
  }

 private:
  std::int64_t index_;
  int lanes_;
};

struct OnHost {};

/// A stream of the calling thread's current device.
struct OnDevice {
  void* stream = nullptr;  // a cudaStream_t; null is the default stream
};

/// Runs body(i) for each i in [0, count), in no particular order.
template <class Body>
void run_elements(OnHost, std::int64_t count, const Body& body) {
  for (std::int64_t i = 0; i < count; ++i) body(i);
}

/// Runs body(Row) for each of `rows` rows.
template <class Body>
void run_rows(OnHost, std::int64_t rows, const Body& body) {
  for (std::int64_t i = 0; i < rows; ++i) body(Row(i));
}

/// Runs body(Block, shared) for each of `blocks` blocks. Body::lanes is the block's width (at most 1024) and
/// Body::Shared its shared memory: plain data, at most 48 KiB, uninitialised when the body starts.
template <class Body>
void run_blocks(OnHost, std::int64_t blocks, const Body& body) {
  for (std::int64_t i = 0; i < blocks; ++i) {
    typename Body::Shared shared;
    body(Block(i, Body::lanes), shared);
  }
}

#ifdef __CUDACC__
template <class Body>
__global__ void element_kernel(std::int64_t count, Body body) {
  const std::int64_t first = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (std::int64_t i = first; i < count; i += std::int64_t{gridDim.x} * blockDim.x) body(i);
}

template <class Body>
__global__ void row_kernel(Body body) {
  body(Row(blockIdx.x));
}

template <class Body>
__global__ void block_kernel(Body body) {
  __shared__ typename Body::Shared shared;
  body(Block(blockIdx.x, Body::lanes), shared);
}

/// Starts a kernel on the device's stream and returns before it is done. Throws std::runtime_error if it cannot start.
template <class... Parameters>
void start(void (*kernel)(Parameters...), OnDevice device, std::int64_t blocks, int threads, Parameters... parameters) {
  if (blocks == 0) return;
  kernel<<<dim3(static_cast<unsigned>(blocks)), threads, 0, static_cast<cudaStream_t>(device.stream)>>>(parameters...);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) throw std::runtime_error(std::string("kernel did not start: ") + cudaGetErrorString(error));
}

template <class Body>
void run_elements(OnDevice device, std::int64_t count, const Body& body) {
  const std::int64_t blocks = (count + 255) / 256;
  start(element_kernel<Body>, device, blocks < 65536 ? blocks : 65536, 256, count, body);
}

template <class Body>
void run_rows(OnDevice device, std::int64_t rows, const Body& body) {
  start(row_kernel<Body>, device, rows, 256, body);
}

template <class Body>
void run_blocks(OnDevice device, std::int64_t blocks, const Body& body) {
  start(block_kernel<Body>, device, blocks, Body::lanes, body);
}
#else
template <class Body>
void run_elements(OnDevice, std::int64_t count, const Body& body) {
  run_elements(OnHost{}, count, body);
}

template <class Body>
void run_rows(OnDevice, std::int64_t rows, const Body& body) {
  run_rows(OnHost{}, rows, body);
}

template <class Body>
void run_blocks(OnDevice, std::int64_t blocks, const Body& body) {
  run_blocks(OnHost{}, blocks, body);
}
#endif

}  // namespace shoal
