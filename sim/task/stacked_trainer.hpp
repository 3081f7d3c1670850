#pragma once
// Local training of K clients, stacked or in turn.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/nn/stacked_network.hpp"
#include "sim/task/batch_feed.hpp"
#include "sim/task/recent.hpp"
#include "sim/task/supervised.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// The device and the arithmetic of a trainer: its tensors take their device from here alone.
struct Workplace {
  at::Device device = at::kCPU;
  StackForm::Arithmetic arithmetic = StackForm::Arithmetic::loops;  // must be `library` on any other device
};

/// Results are a function of (parameters, correction, block, settings, seed, workplace). A block of a smaller variant
/// trains as one of a model that has always had its size.
///
/// How a client's results depend on its block follows from the form:
/// - In turn: not at all; a client has the bits that it has alone. (A correction with code of its own, which sees the
///   whole block, is stacked all the same.)
/// - Stacked: batches are padded to the batch of [local]; results agree with those of a client alone up to rounding. A
///   client's bits depend neither on its neighbours nor on its place in the block nor, from two on, on the number of
///   clients, provided that the library computes each matrix of a batched product on its own, as it does on the host.
///   (A full batch, `batch = 0`, is padded to the largest client of the block.)
/// - Grouped: the same for blocks of equal size in which all clients do the same number of steps.
///
/// A stack orders its clients by their number of steps, longest first, so that those that are done cost nothing.
class StackedTrainer final : public Trainer {
 public:
  explicit StackedTrainer(const SupervisedTask& task, Workplace place = {});

  void open(std::span<const Participation> block, const LocalSettings& local) override;
  LocalResult fit(const at::Tensor& start, const Correction& correction) override;
  LocalResult gradient(const at::Tensor& params) override;
  Evaluation evaluate(const at::Tensor& params, const ExampleChunk& chunk) override;
  Evaluation evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) override;

 private:
  /// A network and its inputs.
  struct FedNetwork {
    FedNetwork(const Network& network, const ParameterRows& rows, std::int64_t batch, const StackForm& form)
        : net(network, rows, batch, form), inputs(net) {}
    FedNetwork(const Learnable& model, Worker& worker, std::int64_t batch, const StackForm& form, std::int64_t length)
        : net(model, worker, batch, form, length), inputs(net) {}
    StackedNetwork net;
    StackedBatch inputs;
  };
  /// Parameters of one variant of the model for K clients, and networks for the batch sizes that were used last.
  struct Lane {
    const Learnable& model;
    StackForm form;
    std::unique_ptr<Worker> worker;  // null for a network of layers
    ParameterRows rows;              // the worker's, if there is one
    Recent<FedNetwork> networks;
    at::Tensor momentum{};
  };

  Lane& lane(std::int32_t variant, std::int64_t clients, BlockForm form = BlockForm::in_turn);
  /// For batches of so many examples and, where these are sequences, tokens.
  FedNetwork& network(Lane& lane, std::int64_t batch, std::int64_t length);
  /// Tokens that a client alone needs room for, or a stack: there it does not depend on the clients. 1 without
  /// sequences.
  std::int64_t length_of(const Lane& lane, const ExampleStore& from, std::span<const std::int32_t> positions) const;
  /// The weight of each of these training examples, or of its tokens, in a mean.
  double weight_of_each(std::span<const std::int32_t> positions) const {
    return 1.0 / std::max<std::int64_t>(1, task_.train().targets(positions));
  }
  /// Rows per client of a stacked batch.
  std::int64_t padded_batch() const;
  /// Trains clients order[0], order[1], ... of the block, longest first, as one stack.
  void train(Lane& lane, std::span<const std::int64_t> order, const at::Tensor& start, const Correction& correction,
             LocalResult& result);
  /// The buffer [K, d] of the block's changes.
  at::Tensor changes();

  /// Evaluates the weights of a lane for one client on at most `batch` examples.
  Evaluation score(Lane& alone, const ExampleStore& from, std::span<const std::int32_t> positions, std::int64_t batch,
                   const KeyedTransform* change = nullptr);

  const SupervisedTask& task_;
  Workplace place_;
  BatchFeed feed_;
  std::vector<Participation> block_;
  std::int32_t variant_ = 0;  // the one that the opened clients train
  LocalSettings local_;
  std::vector<std::vector<std::int32_t>> examples_;  // positions of the opened clients' examples
  Recent<Lane> lanes_;
  at::Tensor changes_;  // room for the values of the largest block so far
};

}  // namespace shoal
