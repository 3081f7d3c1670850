#pragma once
// The examples of a federation as a task sees them. Sources and partitions (datasets/) produce it.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sim/ids.hpp"
#include "sim/settings/part.hpp"
#include "sim/task/example_store.hpp"

namespace shoal {

/// A data set as published: training and test examples, of one form.
struct Dataset {
  std::shared_ptr<const ExampleStore> train, test;  // `test` is null where there are no test examples
  std::string digest;                               // SHA-256 of the contents; kept in the run's provenance
};

/// Loads or generates a data set. A part of datasets/sources.
class Source {
 public:
  virtual ~Source() = default;
  /// UserError when a file is missing (says where to get it and its SHA-256), truncated or corrupt.
  virtual Dataset load() const = 0;
};

/// The training examples that each client holds. Immutable; read client by client.
class ClientExamples {
 public:
  virtual ~ClientExamples() = default;
  virtual std::int64_t clients() const = 0;
  /// Number of the client's examples in `train`.
  virtual std::int64_t count(ClientId client) const = 0;
  /// Their positions in `Dataset::train`, written to `out`; size `count(client)`.
  virtual void indices(ClientId client, std::span<std::int32_t> out) const = 0;
};

/// Deals a data set to clients. A part of datasets/partitions.
class Partition {
 public:
  virtual ~Partition() = default;
  /// A pure function of labels, groups and the seed. UserError when the examples cannot be dealt this way.
  virtual std::unique_ptr<ClientExamples> deal(const ExampleStore& train, std::uint64_t seed) const = 0;
};

template <>
std::span<const Part<Source>> parts<Source>();  // generated from datasets/sources
template <>
std::span<const Part<Partition>> parts<Partition>();  // generated from datasets/partitions

}  // namespace shoal
