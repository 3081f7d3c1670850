#pragma once
// Local training of K clients as one stacked problem.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/task/recent.hpp"
#include "sim/task/stacked_network.hpp"
#include "sim/task/supervised.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Results are a function of (parameters, correction, block, settings, seed). With a fixed batch size, a client's bits
/// do not depend on its neighbours in the block; a block of one and one of many agree to rounding.
///
/// Plain SGD of one client changes the weights inside the backward pass; everything else stores the gradients and makes
/// the step in one pass over them. In a block, batches are padded and padding takes no part; clients that are done keep
/// weights and momentum.
class StackedTrainer final : public Trainer {
 public:
  explicit StackedTrainer(const SupervisedTask& task);

  void open(std::span<const Participation> block, const LocalSettings& local) override;
  LocalResult fit(const at::Tensor& start, const Correction& correction) override;
  LocalResult gradient(const at::Tensor& params) override;
  Evaluation evaluate(const at::Tensor& params, const ExampleChunk& chunk) override;
  Evaluation evaluate_own(const at::Tensor& params, ClientId client, Split split) override;

 private:
  /// Parameters for K clients, and networks for the batch sizes that were used last.
  struct Lane {
    ParameterRows rows;
    Recent<StackedNetwork> networks;
    at::Tensor momentum{};
  };
  struct Pass;

  Lane& lane(std::int64_t clients);
  StackedNetwork& network(Lane& lane, std::int64_t batch);
  /// Fills row block `k` of the network's inputs and labels with these examples and masks the rest.
  void gather(StackedNetwork& to, std::size_t k, const Examples& from, std::span<const std::int32_t> positions) const;

  /// Evaluates the first lane's weights on at most `batch` examples.
  Evaluation score(const Examples& from, std::span<const std::int32_t> positions, std::int64_t batch);

  const SupervisedTask& task_;
  std::vector<Participation> block_;
  LocalSettings local_;
  std::vector<std::vector<std::int32_t>> examples_;  // of each opened client
  Recent<Lane> lanes_{4};
  at::Tensor delta_;
};

}  // namespace shoal
