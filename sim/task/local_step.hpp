#pragma once
// One local step of a stack of clients: the work that a GPU records and replays.

#include <cstdint>
#include <span>

#include "sim/nn/stacked_network.hpp"
#include "sim/task/local_update.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// The steps of one call of `fit`. Everything that `run` touches was allocated before (except results of convolutions),
/// stays at its address for all steps, and is used on the rows' device without waiting for it. Shapes follow from
/// (network, active).
class LocalStep {
 public:
  /// Row i of `rows` belongs to client order[i], whose row in the correction's tensors is order[i]. `momentum` has the
  /// shape of the parameters and is set to 0 here; it is undefined where [local] has none. Buffers among the parameters
  /// are left to the forward pass: they see no decay, momentum or correction.
  LocalStep(ParameterRows& rows, at::Tensor momentum, const LocalSettings& local, const Correction& correction,
            std::span<const std::int64_t> order, StackForm::Arithmetic arithmetic, const ParameterLayout& layout);

  /// Forward, backward and the change of the first `active` clients' weights, on the batch that `net` was loaded with.
  void run(StackedNetwork& net, std::int64_t active);

  // For a step whose passes are made elsewhere.
  /// The use of the gradients in its backward pass, which `finish` follows.
  GradientUse use() const { return in_place_ ? GradientUse::descend(local_.rate) : GradientUse::store(); }
  void finish(std::int64_t active) {
    if (!in_place_) change_weights(active);
  }
  /// Changes the first `active` clients' weights by the gradients in the rows.
  void change_weights(std::int64_t active);

 private:
  void work(StackedNetwork& net, std::int64_t active);
  StackedNetwork::StepKey key(std::int64_t active) const;
  void change_weights_by_library(std::int64_t active);
  void change_range_by_library(std::int64_t active, const Range& range);

  ParameterRows& rows_;
  at::Tensor momentum_;
  const LocalSettings& local_;
  double pull_;
  StackForm::Arithmetic arithmetic_;
  std::vector<Range> trained_;  // values in the rows
  bool is_masked_;              // they are not all that gradients can change
  at::Tensor anchor_, shift_;   // [d] or [K, d], rows in the stack's order
  // Whether the backward pass changes the weights itself, as in plain SGD. All else stores the gradients and makes the
  // step in one pass over them.
  bool in_place_;
  LocalUpdate<float> update_;  // the update by loops; change_weights_by_library is the other form
};

}  // namespace shoal
