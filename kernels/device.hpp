#pragma once
// Memory of the device that *.cu files compute on. In a build without nvcc it is host memory, because device forms then
// run on the host (launch.hpp): CMake compiles device_cuda.cu or device_host.cpp.
//
// Device forms follow one convention: the first parameter is an OnDevice, pointers and views point to device memory,
// work is queued on the stream in order, and only copy_to_host and wait block until it is done.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "kernels/launch.hpp"

namespace shoal {

/// Number of GPUs that this process can use; 0 in a build without nvcc.
int gpu_count();
/// Whether device forms can run: there is a GPU, or the build runs them on the host.
bool has_device();
/// For the record of a run: "NVIDIA H100 80GB HBM3, compute capability 9.0", or "host" in a build without nvcc.
std::string device_description();
/// Makes GPU `index` the calling thread's device. Does nothing in a build without nvcc.
void use_device(int index);
/// The calling thread's GPU; 0 in a build without nvcc.
int current_device();
/// An identifier that no other GPU has, on any machine (32 hexadecimal digits); "host" in a build without nvcc.
std::string device_id();

/// Allocates in stream order: work queued on the stream afterwards may use the memory. Throws std::bad_alloc.
void* device_allocate(OnDevice device, std::size_t bytes);
/// Frees in stream order: work queued before may still use the memory.
void device_free(OnDevice device, void* memory) noexcept;
void copy_to_device(OnDevice device, void* to, const void* from, std::size_t bytes);
/// Waits until the copy and all work queued before it are done.
void copy_to_host(OnDevice device, void* to, const void* from, std::size_t bytes);
void set_zero(OnDevice device, void* memory, std::size_t bytes);
/// Whether all work queued on the stream is done; throws std::runtime_error if some of it failed.
bool is_done(OnDevice device);
/// Waits until all work queued on the stream is done; throws std::runtime_error if some of it failed.
void wait(OnDevice device);

/// An array of `size` values of a plain type in device memory, uninitialised.
template <class T>
class DeviceArray {
 public:
  DeviceArray(OnDevice device, std::size_t size)
      : device_(device),
        size_(size),
        data_(size == 0 ? nullptr : static_cast<T*>(device_allocate(device, size * sizeof(T)))) {}
  DeviceArray(OnDevice device, std::span<const T> values) : DeviceArray(device, values.size()) {
    if (size_ > 0) copy_to_device(device_, data_, values.data(), size_ * sizeof(T));
  }
  DeviceArray(DeviceArray&& other) noexcept
      : device_(other.device_), size_(std::exchange(other.size_, 0)), data_(std::exchange(other.data_, nullptr)) {}
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~DeviceArray() {
    if (data_ != nullptr) device_free(device_, data_);
  }

  std::size_t size() const { return size_; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  /// Waits for the stream.
  void read(std::span<T> to) const {
    if (size_ > 0) copy_to_host(device_, to.data(), data_, size_ * sizeof(T));
  }
  void zero() {
    if (size_ > 0) set_zero(device_, data_, size_ * sizeof(T));
  }

 private:
  OnDevice device_;
  std::size_t size_;
  T* data_;
};

}  // namespace shoal
