#pragma once
// Supervised learning: a network on the examples of a federation.

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include "sim/nn/network.hpp"
#include "sim/task/holdout.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// The set "test" is the data set's test set or, where it has none, what the clients hold out for test; "train" and
/// "validation" are the examples of all clients in the order of their ids.
class SupervisedTask final : public Task {
 public:
  static constexpr std::int64_t chunk_size = 256;

  /// UserError when network and data do not fit together.
  SupervisedTask(std::shared_ptr<const Dataset> data, std::unique_ptr<ClientExamples> clients, Network network,
                 HoldoutShares shares, std::uint64_t seed);

  const ParameterLayout& layout() const override { return network_.layout(); }
  std::int64_t clients() const override { return holdout_.clients(); }
  at::Tensor initial_parameters(RandomKey key) const override { return network_.initial_parameters(key); }
  std::int64_t clients_with_examples() const override { return clients_with_examples_; }
  ClientWork work(ClientId client) const override;
  /// The task must outlive its trainers.
  std::unique_ptr<Trainer> trainer() const override;
  std::int64_t chunks(std::string_view set) const override;
  bool clients_have(std::string_view set) const override { return holdout_.holds_out(set); }
  std::int64_t data_bytes() const override;
  std::int64_t evaluated_examples(std::string_view set) const override;
  ClientLabels client_labels(ClientId client) const override;

  const Network& network() const { return network_; }
  const Holdout& holdout() const { return holdout_; }
  std::uint64_t seed() const { return seed_; }
  const Examples& train() const { return data_->train; }
  const Examples& test() const { return data_->test; }

  /// One chunk of an evaluation: positions in `from`.
  struct Chunk {
    const Examples& from;
    std::vector<std::int32_t> positions;
  };
  Chunk chunk(const ExampleChunk& which) const;

 private:
  /// The examples of all clients in one set, collected on first use.
  struct Collected {
    std::once_flag once;
    std::vector<std::int32_t> indices;
  };
  bool from_test_set(std::string_view set) const { return set == "test" && data_->test.count() > 0; }
  const std::vector<std::int32_t>& collected(std::string_view set) const;

  std::shared_ptr<const Dataset> data_;
  Holdout holdout_;
  Network network_;
  std::uint64_t seed_;
  std::int64_t clients_with_examples_ = 0;
  mutable std::array<Collected, Holdout::sets.size()> collected_;
};

}  // namespace shoal
