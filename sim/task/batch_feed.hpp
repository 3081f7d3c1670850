#pragma once
// Brings the examples of a step to a network, from the compact storage that the data set has them in.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/nn/stacked_network.hpp"
#include "sim/task/data.hpp"
#include "sim/task/device_examples.hpp"

namespace shoal {

/// What one client's rows of a step hold.
struct ClientBatch {
  std::span<const std::int32_t> positions{};  // in the data set; at most the network's batch
  double weight = 0;                          // of each of these rows; the remaining rows take no part
};

/// One batch after the other into the same buffers. With the loops' arithmetic features go straight from the data set
/// to the inputs. With the library's, the data set is copied to the rows' device once, as compact as it is, and a step
/// sends positions and weights only, without waiting for them.
class BatchFeed {
 public:
  BatchFeed(at::Device device, StackForm::Arithmetic arithmetic) : device_(device), arithmetic_(arithmetic) {}

  /// Rows of client k are those of batches[k]; of the clients after them nothing is changed.
  void load(StackedNetwork& to, const Examples& from, std::span<const ClientBatch> batches);

 private:
  /// A data set on the device.
  struct Compact {
    const Examples* of;
    DeviceExamples there;
  };
  /// Buffers for a batch of this many rows.
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
