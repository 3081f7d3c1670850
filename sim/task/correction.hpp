#pragma once
// A strategy's changes of local training, from a term of the gradient to a program for the whole local step.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/nn/form.hpp"
#include "sim/task/local_settings.hpp"

namespace shoal {

/// The batch of a local step, or the one that the step after it will take.
enum class Which : std::int8_t { this_batch, next_batch };

/// One local step of clients that train together, as a program of a strategy sees it. Tensors have a row for each of
/// the n clients that have this step still to do: a client that is done is not among them, so that no program can
/// change it. Row by row, a program must not mix clients.
///
/// Clients that train in turn come one at a time. Tensors that the strategy made for the whole block therefore pass
/// through `own`, which picks the rows of the step.
class Step {
 public:
  using Differentiate = std::function<at::Tensor(const at::Tensor& at, Which)>;
  using Apply = std::function<void(const at::Tensor& gradient)>;

  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  /// [n, d]. Shares the memory of the parameters: assign to it, or change it in place.
  at::Tensor params() const { return first(params_); }
  /// Number of the step, from 0.
  std::int64_t number() const { return number_; }
  const LocalSettings& local() const { return local_; }
  /// [n, d], zero at the start of the participation, and kept from step to step. Shares its memory as `params` does.
  /// `LocalResult::kept` returns it.
  at::Tensor kept(std::string_view name);
  /// The rows of the step's clients of a tensor with one row for each client of the block. A tensor [d] is theirs as it
  /// is.
  at::Tensor own(const at::Tensor& of_block) const;
  /// The gradients [n, d] at the parameters `at`, [n, d] or [d], of the loss on a batch. Values of buffers (running
  /// statistics) are those of `params`; they follow the first gradient of a step, whose loss is the recorded one.
  at::Tensor gradient(const at::Tensor& at, Which which = Which::this_batch) { return differentiate_(at, which); }
  /// Changes the parameters by the optimizer of [local], as a step without a program does: adds the declared terms of
  /// the correction and weight decay to the gradient, and takes a step with momentum along `trainable`.
  void apply(const at::Tensor& gradient) { apply_(gradient); }

  // For the trainer that makes it.
  /// Row i of `params` [K, d] belongs to client order[i] of the block. `local` and `order` must outlive the step.
  Step(at::Tensor params, const LocalSettings& local, std::span<const std::int64_t> order, Differentiate differentiate,
       Apply apply)
      : params_(std::move(params)),
        local_(local),
        order_(order),
        differentiate_(std::move(differentiate)),
        apply_(std::move(apply)) {}
  /// The next step, of the first `clients` rows.
  void begin(std::int64_t number, std::int64_t clients);
  std::int64_t clients() const { return clients_; }
  /// Their rows of a tensor with K.
  at::Tensor first(const at::Tensor& rows) const { return rows.narrow(0, 0, clients_); }
  /// Copies what was kept to the clients' rows of `block`, [K, d] each for a block of `count` clients.
  void give_kept(std::int64_t count, std::map<std::string, at::Tensor, std::less<>>& block) const;

 private:
  at::Tensor params_;
  const LocalSettings& local_;
  std::span<const std::int64_t> order_;
  Differentiate differentiate_;
  Apply apply_;
  std::int64_t number_ = 0, clients_ = 0;
  std::map<std::string, at::Tensor, std::less<>> kept_;
};

/// The values of n clients on a batch of b examples each, from which a loss term is computed.
struct LossInputs {
  Outputs own;                             // those of the parameters that are trained
  std::vector<Outputs> references;         // those of LossTerm::references; constants
  std::vector<at::Tensor> trained, given;  // rows of LossTerm::trained and LossTerm::given, [n, ...]
  at::Tensor targets;                      // int64 [n, b] labels, or [n, b, t] tokens
};

/// A loss that a strategy computes from a model's outputs. Autograd differentiates it with respect to the own outputs
/// and the tensors in `trained` only; the model's own backward pass does the rest.
struct LossTerm {
  std::function<at::Tensor(const LossInputs&)> value;  // the loss of each target, in the shape of the targets
  bool replaces = false;                 // takes the place of the task's loss; otherwise it is added to it
  std::vector<at::Tensor> references{};  // other parameters, [d] or [K, d], run forward on the same batch as in an
                                         // evaluation
  std::vector<at::Tensor> trained{};     // [K, ...], such as a second head: their values at the start. They are trained
                                         // by the same optimizer, and LocalResult::trained returns them
  std::vector<at::Tensor> given{};       // [K, ...], facts about each client that `value` needs
};

/// A strategy's change of local training: the local gradient g becomes g + pull (y - anchor) + shift at the parameters
/// y. What is declared keeps a trainer's fast form; a loss term costs autograd on the outputs, a program a copy of the
/// parameters for each gradient.
struct Correction {
  double pull = 0;
  at::Tensor anchor{};             // [d] or [K, d]; needed when pull is not 0
  at::Tensor shift{};              // [d] or [K, d]; undefined: none
  at::Tensor trainable{};          // [d]; where it is 0, the optimizer leaves the parameters alone; undefined: nowhere
  std::optional<LossTerm> loss{};  // from tasks whose models have outputs (Task::has_outputs)
  std::function<void(Step&)> program{};  // takes the whole local step in place of `step.apply(step.gradient(...))`
};

}  // namespace shoal
