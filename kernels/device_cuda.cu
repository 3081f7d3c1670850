// Build with nvcc: memory of the CUDA runtime, allocated in stream order.
#include <cuda_runtime.h>

#include <new>
#include <stdexcept>

#include "kernels/device.hpp"

namespace shoal {
namespace {

void check(cudaError_t error, const char* call) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(error));
}

cudaStream_t stream_of(OnDevice device) { return static_cast<cudaStream_t>(device.stream); }

}  // namespace

int gpu_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

bool has_device() { return gpu_count() > 0; }

std::string device_description() {
  int index = 0;
  cudaDeviceProp found{};
  if (cudaGetDevice(&index) != cudaSuccess || cudaGetDeviceProperties(&found, index) != cudaSuccess) return "no GPU";
  return std::string(found.name) + ", compute capability " + std::to_string(found.major) + "." +
         std::to_string(found.minor);
}

void use_device(int index) { check(cudaSetDevice(index), "cudaSetDevice"); }

int current_device() {
  int index = 0;
  check(cudaGetDevice(&index), "cudaGetDevice");
  return index;
}

std::string device_id() {
  cudaDeviceProp found{};
  check(cudaGetDeviceProperties(&found, current_device()), "cudaGetDeviceProperties");
  std::string id;
  for (const char byte : found.uuid.bytes) {
    for (const int shift : {4, 0}) id += "0123456789abcdef"[static_cast<unsigned char>(byte) >> shift & 15];
  }
  return id;
}

void* device_allocate(OnDevice device, std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMallocAsync(&memory, bytes, stream_of(device));
  if (error == cudaErrorMemoryAllocation) throw std::bad_alloc();
  check(error, "cudaMallocAsync");
  return memory;
}

void device_free(OnDevice device, void* memory) noexcept { cudaFreeAsync(memory, stream_of(device)); }

void copy_to_device(OnDevice device, void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(device)), "copy to the device");
}

void copy_to_host(OnDevice device, void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(device)), "copy from the device");
  wait(device);
}

void set_zero(OnDevice device, void* memory, std::size_t bytes) {
  check(cudaMemsetAsync(memory, 0, bytes, stream_of(device)), "cudaMemsetAsync");
}

bool is_done(OnDevice device) {
  const cudaError_t error = cudaStreamQuery(stream_of(device));
  if (error != cudaErrorNotReady) check(error, "work on the device");
  return error == cudaSuccess;
}

void wait(OnDevice device) { check(cudaStreamSynchronize(stream_of(device)), "work on the device"); }

}  // namespace shoal
