#pragma once
// Loads the examples of a step into a network, from the compact storage of the data set.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/nn/stacked_network.hpp"
#include "sim/task/data.hpp"
#include "sim/task/device_examples.hpp"

namespace shoal {

/// The examples of one client in a step.
struct ClientBatch {
  std::span<const std::int32_t> positions{};  // in the data set; at most the network's batch
  double weight = 0;                          // weight of each of these rows; the remaining rows take no part
};

/// Loads one batch after the other into the same buffers. With the arithmetic of loops, features go straight from the
/// data set to the inputs. With that of the library, the data set is copied to the device once, in its compact form,
/// and a step sends positions and weights alone, without waiting for them.
class BatchFeed {
 public:
  BatchFeed(at::Device device, StackForm::Arithmetic arithmetic) : device_(device), arithmetic_(arithmetic) {}

  /// Loads batches[k] into the rows of client k; with loops, the rows of later clients are left
  /// alone; with the library they take no part.
  void load(StackedNetwork& to, const Examples& from, std::span<const ClientBatch> batches);

 private:
  /// A data set on the device.
  struct Compact {
    const Examples* of;
    DeviceExamples there;
  };
  /// Buffers for batches of one size.
  struct Staging {
    at::Tensor positions, weights;  // on the host
    at::Tensor chosen;              // positions on the device
  };
  void load_rows(StackedNetwork& to, std::int64_t k, const Examples& from, const ClientBatch& batch) const;
  void load_on_device(StackedNetwork& to, const Examples& from, std::span<const ClientBatch> batches);
  const DeviceExamples& compact(const Examples& from);
  Staging& staging(std::int64_t rows);

  at::Device device_;
  StackForm::Arithmetic arithmetic_;
  std::vector<Compact> compact_;
  std::vector<Staging> staging_;
};

}  // namespace shoal
