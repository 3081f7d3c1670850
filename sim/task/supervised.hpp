#pragma once
// Supervised learning: a model on the examples of a federation.

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sim/nn/network.hpp"
#include "sim/task/example_transform.hpp"
#include "sim/task/holdout.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Optional parts of a task besides its clients' examples.
struct TaskExtras {
  std::vector<std::int32_t> server{};        // positions in `Dataset::train` that no client holds: the set "server"
  std::vector<KeyedTransform> transforms{};  // changes of what clients train on, in this order
  std::vector<std::int32_t> variants{};      // each client's variant of the model; empty: all train the whole
};

/// The set "test" is the data set's test set or, where it has none, what the clients hold out for test; "train" and
/// "validation" are the examples of all clients in the order of their ids; "server" those that the server holds. A
/// transform may make a set from that of "test".
class SupervisedTask final : public Task {
 public:
  static constexpr std::int64_t chunk_size = 256;

  /// UserError for targets that no loss fits, and for a transform that does not fit the data or another transform.
  SupervisedTask(std::shared_ptr<const Dataset> data, std::unique_ptr<ClientExamples> clients,
                 std::shared_ptr<const Learnable> model, HoldoutShares shares, std::uint64_t seed,
                 TaskExtras extras = {});
  SupervisedTask(std::shared_ptr<const Dataset> data, std::unique_ptr<ClientExamples> clients, Network network,
                 HoldoutShares shares, std::uint64_t seed, TaskExtras extras = {})
      : SupervisedTask(std::move(data), std::move(clients), std::make_shared<const Network>(std::move(network)), shares,
                       seed, std::move(extras)) {}

  const ParameterLayout& layout() const override { return model_->layout(); }
  std::int32_t variants() const override { return model_->variants(); }
  std::int32_t variant(ClientId client) const override {
    return extras_.variants.empty() || client == server_client() ? 0 : extras_.variants[value(client)];
  }
  const ParameterLayout& layout(std::int32_t variant) const override { return model(variant).layout(); }
  std::int64_t clients() const override { return holdout_.clients(); }
  at::Tensor initial_parameters(RandomKey key) const override { return model_->initial_parameters(key); }
  std::int64_t clients_with_examples() const override { return clients_with_examples_; }
  ClientWork work(ClientId client) const override;
  /// The task must outlive its trainers.
  std::unique_ptr<Trainer> trainer() const override;
  std::vector<std::string> sets() const override;
  std::int64_t chunks(std::string_view set) const override;
  bool has_outputs() const override { return true; }
  bool server_trains() const override { return !extras_.server.empty(); }
  bool clients_have(std::string_view set) const override { return holdout_.holds_out(set); }
  std::int64_t data_bytes() const override;
  std::int64_t evaluated_examples(std::string_view set) const override;
  ClientLabels client_labels(ClientId client) const override;

  const Learnable& model(std::int32_t variant = 0) const { return model_->variant(variant); }
  const Holdout& holdout() const { return holdout_; }
  /// Positions in `train` of the examples of one set that a client has, or the server as a client.
  std::vector<std::int32_t> examples_of(ClientId client, std::string_view set) const;
  std::uint64_t seed() const { return seed_; }
  const ExampleStore& train() const { return *data_->train; }
  std::span<const KeyedTransform> transforms() const { return extras_.transforms; }

  /// One chunk of an evaluation: positions in `from`, and what changes the examples there.
  struct Chunk {
    const ExampleStore& from;
    std::span<const std::int32_t> positions;
    const KeyedTransform* change = nullptr;
  };
  Chunk chunk(const ExampleChunk& which) const;
  /// Positions in `train` of examples of the server, which are numbered from 0.
  std::vector<std::int32_t> server_examples(std::span<const std::int32_t> which) const;

 private:
  /// The examples of one set; positions are collected on first use.
  struct Set {
    std::string name;
    const ExampleStore* from = nullptr;
    const KeyedTransform* change = nullptr;
    mutable std::once_flag once{};
    mutable std::vector<std::int32_t> positions{};
  };
  bool has_test_set() const { return data_->test != nullptr && data_->test->count() > 0; }
  void add_set(std::string_view name, const ExampleStore& from, const KeyedTransform* change = nullptr);
  /// Null where there is no such set.
  const Set* find_set(std::string_view name) const;
  const std::vector<std::int32_t>& positions(const Set& set) const;
  std::vector<std::int32_t> collected(const Set& set) const;

  std::shared_ptr<const Dataset> data_;
  Holdout holdout_;
  std::shared_ptr<const Learnable> model_;
  std::vector<double> tokens_;  // each client's mean of a training example, then the server's; empty for other targets
  std::uint64_t seed_;
  TaskExtras extras_;
  std::int64_t clients_with_examples_ = 0;
  std::deque<Set> sets_;
};

}  // namespace shoal
