#pragma once
// Local training of K clients, stacked or in turn.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sim/nn/stacked_network.hpp"
#include "sim/task/batch_feed.hpp"
#include "sim/task/recent.hpp"
#include "sim/task/supervised.hpp"
#include "sim/task/task.hpp"
#include "sim/task/term_at_work.hpp"

namespace shoal {

class LocalBatches;
class LocalStep;

/// The device and the arithmetic of a trainer: its tensors take their device from here alone.
struct Workplace {
  at::Device device = at::kCPU;
  StackForm::Arithmetic arithmetic = StackForm::Arithmetic::loops;  // must be `library` on any other device
};

/// Results are a function of (parameters, correction, block, settings, seed, workplace). A block of a smaller variant
/// trains as one of a model that has always had its size.
///
/// How a client's results depend on its block follows from the form:
/// - In turn: not at all; a client has the bits that it has alone.
/// - Stacked: batches are padded to the batch of [local]; results agree with those of a client alone up to rounding. A
///   client's bits depend neither on its neighbours nor on its place in the block nor, from two on, on the number of
///   clients, provided that the library computes each matrix of a batched product on its own, as it does on the host.
///   (A full batch, `batch = 0`, is padded to the largest client of the block.) With a loss term or a step program,
///   whose tensors span the stack, results agree up to rounding only.
/// - Grouped: the same for blocks of equal size in which all clients do the same number of steps.
///
/// A stack orders its clients by their number of steps, longest first, so that those that are done cost nothing.
class StackedTrainer final : public Trainer {
 public:
  explicit StackedTrainer(const SupervisedTask& task, Workplace place = {});

  void open(std::span<const Participation> block, const LocalSettings& local, int pass = 0) override;
  LocalResult fit(const at::Tensor& start, const Correction& correction) override;
  LocalResult gradient(const at::Tensor& params) override;
  Evaluation evaluate(const at::Tensor& params, const ExampleChunk& chunk) override;
  Evaluation evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) override;
  ExampleOutputs outputs_own(const at::Tensor& params, ClientId client, std::string_view set) override;
  ExampleOutputs server_outputs(const at::Tensor& params, std::span<const std::int32_t> positions) override;
  SummedGradient server_gradient(const at::Tensor& params, std::span<const std::int32_t> positions) override;

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
    std::unique_ptr<ParameterRows> programmed{};  // the parameters that a step program changes; made when there is one
  };

  Lane& lane(std::int32_t variant, std::int64_t clients, BlockForm form = BlockForm::in_turn) {
    return lane(lanes_, 0, variant, clients, form);
  }
  Lane& lane(Recent<Lane>& among, std::int64_t number, std::int32_t variant, std::int64_t clients, BlockForm form);
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
  /// The lane's network for these batches, loaded with them.
  StackedNetwork& loaded(Lane& lane, std::span<const ClientBatch> batches);

  /// Clients order[0], order[1], ... of the block, longest first, that train as one stack.
  struct Stack {
    Lane& lane;
    std::span<const std::int64_t> order;
    std::vector<LocalBatches> batches;
    std::vector<std::int64_t> steps;
    std::optional<TermAtWork> term;
    std::vector<Lane*> references;  // with the parameters of the term's references
  };
  void train(Lane& lane, std::span<const std::int64_t> order, const at::Tensor& start, const Correction& correction,
             LocalResult& result);
  void set_rows(Lane& lane, std::span<const std::int64_t> order, const at::Tensor& params) const;
  /// Forward and backward pass on these batches, with the loss term.
  void pass(Stack& stack, std::span<const ClientBatch> batches, const GradientUse& use);
  /// The buffer [K, d] of the block's changes, of which no result has a share.
  at::Tensor changes();
  void take_steps(Stack& stack, LocalStep& step);
  /// The steps of a program, which changes `rows`. What it keeps goes to `result`.
  void run_program(Stack& stack, const Correction& correction, ParameterRows& rows, LocalStep& step,
                   LocalResult& result);

  /// A lane for one client with these parameters, of the whole model or of the client's variant.
  Lane& lane_of(const at::Tensor& params, ClientId client);
  /// The lane's outputs for one client on training examples.
  ExampleOutputs outputs(Lane& alone, std::span<const std::int32_t> positions);
  /// Forward and backward passes of a lane for one client: each of these training examples, or of its tokens, has the
  /// weight.
  void differentiate(Lane& alone, std::span<const std::int32_t> positions, double weight, const Participation* who);
  /// Evaluates the weights of a lane for one client on at most `batch` examples.
  Evaluation score(Lane& alone, const ExampleStore& from, std::span<const std::int32_t> positions, std::int64_t batch,
                   const KeyedTransform* change = nullptr);

  const SupervisedTask& task_;
  Workplace place_;
  BatchFeed feed_;
  std::vector<Participation> block_;
  std::int32_t variant_ = 0;  // the one that the opened clients train
  LocalSettings local_;
  int pass_ = 0;
  std::vector<std::vector<std::int32_t>> examples_;  // positions of the opened clients' examples
  static constexpr std::int64_t most_references = 4;
  Recent<Lane> lanes_, references_{most_references};
  at::Tensor changes_;  // room for the values of the largest block so far
};

}  // namespace shoal
