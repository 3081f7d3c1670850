#pragma once
// The contract of a learning task: its parameters, the work of each client, training and evaluation.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/error.hpp"
#include "sim/nn/form.hpp"
#include "sim/nn/layout.hpp"
#include "sim/nn/rows.hpp"
#include "sim/participation.hpp"
#include "sim/random.hpp"
#include "sim/task/client_figures.hpp"
#include "sim/task/correction.hpp"
#include "sim/task/local_settings.hpp"

namespace shoal {

/// The cost of one pass over a client's training examples. Cheap to compute; the same on all ranks.
struct ClientWork {
  std::int64_t examples = 0;
  double flops_per_example = 0;  // forward and backward
};

/// Predicted floating-point operations of one participation that does `fraction` of its local work.
double local_flops(const ClientWork& work, const LocalSettings& local, double fraction);

/// Sums over evaluated examples, as integers so that any split over ranks adds up to the same.
struct Evaluation {
  static constexpr double loss_unit = 1.0 / (1 << 30);  // the unit of LossSum

  std::int64_t examples = 0;
  std::int64_t correct = 0;  // -1 in a task without correct answers
  std::int64_t loss = 0;     // LossSum::code

  /// The code of a chunk's loss, which may be infinite or NaN: LossSum adds codes, since not all are multiples of the
  /// unit.
  static std::int64_t to_units(double loss);
  /// Means over the examples; NaN where there are none, or no correct answers.
  double mean_loss() const;
  double accuracy() const;
};

/// A piece of an evaluation on a set of examples: cut by the task, never by the number of ranks.
struct ExampleChunk {
  std::string set = "test";  // name of the set; a task says which sets it has
  std::int64_t index = 0;
};

/// The result of training K clients. It owns its tensors: a trainer reuses a buffer once no result holds it any more.
struct LocalResult {
  Rows delta;                            // [K, d]: parameters after minus before
  std::vector<ClientFigures> figures{};  // [K]
  // Whether `figures` counts the examples trained on, at most those of Task::work. If false, it was all of those.
  bool counts_examples = false;
  std::vector<at::Tensor> trained{};                      // those of LossTerm::trained, [K, ...]
  std::map<std::string, at::Tensor, std::less<>> kept{};  // tensors of a step program by name, [K, d]
};

/// The outputs of a model on examples of K clients, and what they should have been. A client with fewer examples than
/// another has rows of zeros behind its last.
struct ExampleOutputs : Outputs {
  at::Tensor targets;                // int64 [K, n] labels, or [K, n, t] tokens; -1: does not count
  std::vector<std::int64_t> counts;  // [K], examples of each client

  /// The loss of each example, [K, n] in float64 on the host: cross entropy, for tokens the mean over those that count.
  /// NaN behind a client's last example, and where nothing counts.
  at::Tensor losses() const;
  /// Examples (or tokens), correct answers and summed loss of client k.
  Evaluation evaluation(std::int64_t k) const;
};

/// The gradient of a sum of losses, zero for buffers.
struct SummedGradient {
  at::Tensor gradient;       // [d]
  std::int64_t targets = 0;  // losses in the sum: of examples or tokens
};

/// The training machinery of one thread; owns all buffers. A block's result depends only on the block.
class Trainer {
 public:
  virtual ~Trainer() = default;
  /// Selects the K clients of the next calls, which all train one variant of the model: parameters have its size.
  /// Clients that train again in the same participation draw other batches in each pass.
  virtual void open(std::span<const Participation> block, const LocalSettings& local, int pass = 0) = 0;
  /// Trains the opened clients from `start`, [d] or [K, d]. UserError for a loss term in a task without outputs.
  virtual LocalResult fit(const at::Tensor& start, const Correction& correction) = 0;
  /// The gradient of each opened client's mean loss over all its training examples at `params`, [d] or [K, d]: returned
  /// as `delta`, with 1 step each.
  virtual LocalResult gradient(const at::Tensor& params) = 0;
  /// Evaluates `params` [d] of the whole model on one chunk.
  virtual Evaluation evaluate(const at::Tensor& params, const ExampleChunk& chunk) = 0;
  /// Evaluates `params` [d], of the whole model or of the client's variant, on the client's own examples of the set;
  /// counts 0 examples where it has none.
  virtual Evaluation evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) = 0;

  // Tasks whose models have outputs (Task::has_outputs) give these, with K = 1. Results own their memory.
  /// The outputs of `params` [d] on one client's own examples of the set, none where it has none. No transforms.
  virtual ExampleOutputs outputs_own(const at::Tensor& params, ClientId client, std::string_view set);
  /// The same on examples of the server, by their positions among these, from 0.
  virtual ExampleOutputs server_outputs(const at::Tensor& params, std::span<const std::int32_t> positions);
  /// The gradient at `params` [d] of the summed loss of examples of the server.
  virtual SummedGradient server_gradient(const at::Tensor& params, std::span<const std::int32_t> positions);
};

/// A client's training examples by label, and the number of groups that they are from.
struct ClientLabels {
  std::vector<std::int64_t> examples;  // per label; empty in a task without labels
  std::int64_t groups = 0;             // different groups, such as writers; 0 where the data name none
};

/// One thing to learn over one population of clients.
class Task {
 public:
  virtual ~Task() = default;
  virtual const ParameterLayout& layout() const = 0;
  virtual std::int64_t clients() const = 0;
  /// Number of clients with training examples; the others are never selected.
  virtual std::int64_t clients_with_examples() const { return clients(); }
  /// [d]
  virtual at::Tensor initial_parameters(RandomKey key) const = 0;
  /// The work of the client's variant.
  virtual ClientWork work(ClientId client) const = 0;
  virtual std::unique_ptr<Trainer> trainer() const = 0;
  /// Chunks of the set of examples named `set`; 0 for a set that the task does not have.
  virtual std::int64_t chunks(std::string_view set) const = 0;
  /// Whether a model has outputs on single examples, which a trainer gives.
  virtual bool has_outputs() const { return false; }
  /// Whether clients have examples of their own in the set.
  virtual bool clients_have(std::string_view) const { return false; }

  // Figures of the data for `shoal plan`, from tasks that have some.
  /// Bytes of memory for the examples and for the lists of who holds which.
  virtual std::int64_t data_bytes() const { return 0; }
  /// Number of examples in an evaluation on the set.
  virtual std::int64_t evaluated_examples(std::string_view) const { return 0; }
  virtual ClientLabels client_labels(ClientId) const { return {}; }

  /// Names of the sets of examples that the task has and can be evaluated on: "train", "validation", "test", "server"
  /// (held by the server), or one that a transform makes. By default those of the first three that have chunks.
  virtual std::vector<std::string> sets() const;

  /// Names of what trainers measure of each client beside loss and steps, such as "entropy": the order of
  /// ClientFigures::figures. They become columns of the participation table, and `train_NAME` the mean of a round; a
  /// trainer fills all of them or, without any, allocates nothing.
  virtual std::vector<std::string> figures() const { return {}; }

  // Variants of the model, from tasks that have smaller ones for clients that cannot train the whole.
  /// Number 0 is the whole model.
  virtual std::int32_t variants() const { return 1; }
  /// The variant that the client trains; the same on all ranks.
  virtual std::int32_t variant(ClientId) const { return 0; }
  /// The parameters of a variant. Those of the smaller ones say which places of the whole they have.
  virtual const ParameterLayout& layout(std::int32_t variant) const {
    ensure(variant == 0, "variant {} of a task with one", variant);
    return layout();
  }
};

}  // namespace shoal
