#include "sim/comm/device_comm.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <numeric>

#include "kernels/device.hpp"
#include "sim/comm/gather_text.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

class Staged final : public DeviceComm {
 public:
  explicit Staged(Communicator& comm) : comm_(comm) {}

  std::string name() const override { return "through the host"; }
  void sum(OnDevice device, std::int64_t* values, std::size_t count) override {
    on_host(device, values, count, [&](std::span<std::int64_t> host) { comm_.sum(host); });
  }
  void sum_inexact(OnDevice device, float* values, std::size_t count) override {
    on_host(device, values, count, [&](std::span<float> host) { comm_.sum_inexact(host); });
  }
  void sum_inexact(OnDevice device, double* values, std::size_t count) override {
    on_host(device, values, count, [&](std::span<double> host) { comm_.sum_inexact(host); });
  }

  void broadcast(OnDevice device, void* memory, std::size_t bytes, int root) override {
    if (comm_.size() == 1) return;
    Bytes host(bytes);
    if (comm_.rank() == root) copy_to_host(device, host.data(), memory, bytes);
    comm_.broadcast(host, root);
    ensure(host.size() == bytes, "broadcast of {} bytes where {} are expected", host.size(), bytes);
    if (comm_.rank() == root) return;
    copy_to_device(device, memory, host.data(), bytes);
    shoal::wait(device);  // before the host's memory is freed
  }

  void exchange(OnDevice device, const std::byte* to, std::span<const std::size_t> to_each, std::byte* from,
                std::span<const std::size_t> from_each) override {
    const std::size_t ranks = comm_.size();
    ensure(to_each.size() == ranks && from_each.size() == ranks, "exchange of {} and {} messages in a group of {}",
           to_each.size(), from_each.size(), ranks);
    std::vector<Bytes> out;
    for (const std::size_t bytes : to_each) {
      out.emplace_back(bytes);
      if (bytes > 0) copy_to_host(device, out.back().data(), to, bytes);
      to += bytes;
    }
    const std::vector<Bytes> in = comm_.exchange(out);
    for (std::size_t r = 0; r < ranks; ++r) {
      ensure(in[r].size() == from_each[r], "rank {} sent {} bytes where {} are expected", r, in[r].size(),
             from_each[r]);
      if (!in[r].empty()) copy_to_device(device, from, in[r].data(), in[r].size());
      from += in[r].size();
    }
    shoal::wait(device);
  }

  void wait(OnDevice device) override { shoal::wait(device); }

 private:
  template <class T, class Reduce>
  void on_host(OnDevice device, T* values, std::size_t count, const Reduce& reduce) {
    if (comm_.size() == 1) return;
    std::vector<T> host(count);
    if (count > 0) copy_to_host(device, host.data(), values, count * sizeof(T));
    reduce(std::span<T>(host));
    if (count > 0) copy_to_device(device, values, host.data(), count * sizeof(T));
    shoal::wait(device);
  }

  Communicator& comm_;
};

}  // namespace

Communicator::Communicator() = default;
Communicator::~Communicator() = default;

DeviceComm& Communicator::device() {
  if (!device_) device_ = staged_device_comm(*this);
  return *device_;
}

Communicator& Communicator::node() {
  if (!node_) node_ = make_node();
  return *node_;
}

void Communicator::use(std::unique_ptr<DeviceComm> device) { device_ = std::move(device); }

std::unique_ptr<DeviceComm> staged_device_comm(Communicator& comm) { return std::make_unique<Staged>(comm); }

std::string why_staged(std::span<const std::string> gpu_of_rank, bool nccl) {
  for (std::size_t r = 0; r < gpu_of_rank.size(); ++r) {
    for (std::size_t s = 0; s < r; ++s) {
      if (gpu_of_rank[s] == gpu_of_rank[r]) return fmt::format("ranks {} and {} share a GPU, which NCCL refuses", s, r);
    }
  }
  return nccl ? "" : "this program was built without NCCL";
}

void connect_devices(Communicator& comm) {
  if (comm.size() == 1) return;
  const std::string reason = why_staged(gather_text(comm, device_id()), has_nccl());
  if (reason.empty()) {
    comm.use(nccl_device_comm(comm));
  } else if (comm.rank() == 0) {
    fmt::print(stderr, "shoal: device data go through the host ({})\n", reason);
  }
}

}  // namespace shoal
