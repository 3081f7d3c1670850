#pragma once
// The contract of a learning task: its parameters, the work of each client, training and evaluation.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/error.hpp"
#include "sim/nn/layout.hpp"
#include "sim/nn/rows.hpp"
#include "sim/participation.hpp"
#include "sim/random.hpp"
#include "sim/task/client_figures.hpp"
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
  static constexpr double loss_unit = 1.0 / (1 << 30);  // unit of `loss`; a chunk's sum is rounded to it once

  std::int64_t examples = 0;
  std::int64_t correct = 0;  // -1 in a task without correct answers
  std::int64_t loss = 0;

  /// A chunk's loss in units. A loss beyond 2^-10 of the range (of a diverged model) counts as that, so that sums over
  /// chunks cannot overflow.
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

/// Sees and changes the gradients of the block, [K, d], in place, before each local step.
using GradientHook = std::function<void(at::Tensor& gradients, const at::Tensor& params)>;

/// A strategy's change of the local gradient g, which becomes g + pull (y - anchor) + shift at the parameters y.
/// Declared rather than coded, so that a trainer can keep its fast form.
struct Correction {
  double pull = 0;
  at::Tensor anchor{};  // [d] or [K, d]; needed when pull is not 0
  at::Tensor shift{};   // [d] or [K, d]; undefined: none
  GradientHook custom{};
};

/// The result of training K clients. Tensors are views of the trainer's buffers, valid until its next call.
struct LocalResult {
  Rows delta;                            // [K, d]: parameters after minus before
  std::vector<ClientFigures> figures{};  // [K]
  // Whether `figures` counts the examples trained on, at most those of Task::work. If false, it was all of those.
  bool counts_examples = false;
};

/// The training machinery of one thread; owns all buffers. A block's result depends only on the block.
class Trainer {
 public:
  virtual ~Trainer() = default;
  /// Selects the K clients of the next calls, which all train one variant of the model: parameters have its size.
  virtual void open(std::span<const Participation> block, const LocalSettings& local) = 0;
  /// Trains the opened clients from `start`, [d] or [K, d].
  virtual LocalResult fit(const at::Tensor& start, const Correction& correction) = 0;
  /// The gradient of each opened client's mean loss over all its training examples at `params`, [d] or [K, d]: returned
  /// as `delta`, with 1 step each.
  virtual LocalResult gradient(const at::Tensor& params) = 0;
  /// Evaluates `params` [d] of the whole model on one chunk.
  virtual Evaluation evaluate(const at::Tensor& params, const ExampleChunk& chunk) = 0;
  /// Evaluates `params` [d], of the whole model or of the client's variant, on the client's own examples of the set;
  /// counts 0 examples where it has none.
  virtual Evaluation evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) = 0;
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
