// Build without nvcc: the device is the host.
#include "kernels/device.hpp"

#include <cstring>
#include <new>

namespace shoal {

int gpu_count() { return 0; }
bool has_device() { return true; }
std::string device_description() { return "host"; }
void use_device(int) {}
int current_device() { return 0; }
std::string device_id() { return "host"; }
void* device_allocate(OnDevice, std::size_t bytes) { return ::operator new(bytes, std::align_val_t{256}); }
void device_free(OnDevice, void* memory) noexcept { ::operator delete(memory, std::align_val_t{256}); }
// Without bytes the addresses may be null, which the library's functions do not allow.
void copy_to_device(OnDevice, void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void copy_to_host(OnDevice device, void* to, const void* from, std::size_t bytes) {
  copy_to_device(device, to, from, bytes);
}
void set_zero(OnDevice, void* memory, std::size_t bytes) {
  if (bytes > 0) std::memset(memory, 0, bytes);
}
bool is_done(OnDevice) { return true; }
void wait(OnDevice) {}

}  // namespace shoal
