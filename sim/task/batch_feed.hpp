#pragma once
// Loads the examples of a step into a network's inputs, from the compact storage of the data set.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "sim/nn/stacked_network.hpp"
#include "sim/task/device_examples.hpp"
#include "sim/task/example_transform.hpp"

namespace shoal {

/// The examples of one client in a step.
struct ClientBatch {
  std::span<const std::int32_t> positions{};  // in the data set; at most the network's batch
  double weight = 0;                          // weight of each of these rows; the remaining rows take no part
  const Participation* who = nullptr;         // the client that trains on them; null in an evaluation
  std::int64_t step = 0;                      // its local step, from 0
};

/// The inputs of K clients with room for B examples each. Keeps views of a network's buffers, made once.
struct StackedBatch {
  explicit StackedBatch(StackedNetwork& of);

  at::Tensor features, labels, weights;  // all clients
  std::vector<Gathered> clients;         // the same memory, client by client
};

/// Loads one batch after the other into the same buffers. With the arithmetic of loops, features go straight from the
/// data set to the inputs. With that of the library, the data set is copied to the device once, in its compact form,
/// and a step sends positions and weights alone, without waiting for them; batches that transforms change go by way of
/// the host.
class BatchFeed {
 public:
  /// `transforms` change the batches of clients that train, one after the other; they must outlive the feed. `clients`
  /// is the number of the task's.
  BatchFeed(at::Device device, StackForm::Arithmetic arithmetic, std::span<const KeyedTransform> transforms = {},
            std::int64_t clients = 0)
      : device_(device), arithmetic_(arithmetic), transforms_(transforms), clients_(clients) {}

  /// Loads batches[k] into the rows of client k; with loops, the rows of later clients are left alone; with the library
  /// they take no part.
  void load(StackedBatch& to, const ExampleStore& from, std::span<const ClientBatch> batches);
  /// The same for a single client, changed by `only` in place of the feed's transforms.
  void load_changed(StackedBatch& to, const ExampleStore& from, const ClientBatch& batch, const KeyedTransform& only);

 private:
  /// A data set on the device.
  struct Compact {
    const ExampleStore* of;
    DeviceExamples there;
  };
  /// Buffers for batches of one size.
  struct Staging {
    at::Tensor positions, weights;  // on the host
    at::Tensor chosen;              // positions on the device
  };
  void load_rows(Gathered& to, const ExampleStore& from, const ClientBatch& batch,
                 std::span<const KeyedTransform> transforms) const;
  void load_by_way_of_host(StackedBatch& to, const ExampleStore& from, std::span<const ClientBatch> batches,
                           std::span<const KeyedTransform> transforms) const;
  void load_on_device(StackedBatch& to, const DenseStore& from, std::span<const ClientBatch> batches);
  const DeviceExamples& compact(const DenseStore& from);
  Staging& staging(std::int64_t rows);

  at::Device device_;
  StackForm::Arithmetic arithmetic_;
  std::span<const KeyedTransform> transforms_;
  std::int64_t clients_;
  std::vector<Compact> compact_;
  std::vector<Staging> staging_;
};

}  // namespace shoal
