// Step programs on a stack of clients.
#include "sim/task/local_batches.hpp"
#include "sim/task/local_step.hpp"
#include "sim/task/stacked_trainer.hpp"

namespace shoal {
namespace {

// The batches of a step of each client in a stack and, where they are asked for, those of the step after it.
class BatchesAhead {
 public:
  explicit BatchesAhead(std::span<LocalBatches> from) : from_(from), now_(from.size()), next_(from.size()) {}

  /// Moves the first `active` clients on to their next step.
  void advance(std::size_t active) {
    for (std::size_t slot = 0; slot < active; ++slot) {
      if (next_[slot].empty()) fill(slot);
      now_[slot].swap(next_[slot]);
      next_[slot].clear();
    }
  }
  std::span<const std::int32_t> batch(std::size_t slot, Which which) {
    if (which == Which::this_batch) return now_[slot];
    if (next_[slot].empty()) fill(slot);
    return next_[slot];
  }

 private:
  void fill(std::size_t slot) {
    const std::span<const std::int32_t> batch = from_[slot].next();
    next_[slot].assign(batch.begin(), batch.end());
  }

  std::span<LocalBatches> from_;
  std::vector<std::vector<std::int32_t>> now_, next_;
};

}  // namespace

// A network computes with its own lane's rows, so the parameters of each gradient are copied there, and a program can
// ask for gradients anywhere while `rows` hold the parameters that it changes.
void StackedTrainer::run_program(Stack& stack, const Correction& correction, ParameterRows& rows, LocalStep& update,
                                 LocalResult& result) {
  ensure(!stack.term || stack.term->term().trained.empty(), "a step program beside a loss that trains tensors");
  const std::vector<Range> buffers = stack.lane.model.layout().ranges(Role::buffer);
  ParameterRows& at_work = stack.lane.rows;
  BatchesAhead ahead(stack.batches);
  std::vector<ClientBatch> batches(stack.order.size());
  bool is_first = true;
  const auto differentiate = [&](const Step& step, const at::Tensor& at, Which which) {
    const std::int64_t active = step.clients(), number = step.number() + (which == Which::next_batch ? 1 : 0);
    const at::Tensor values = step.first(at_work.values), own = step.first(rows.values);
    values.copy_(at);
    for (const Range& b : buffers) values.narrow(1, b.first, b.size).copy_(own.narrow(1, b.first, b.size));
    for (std::int64_t slot = 0; slot < active; ++slot) {
      const std::span<const std::int32_t> batch = ahead.batch(slot, which);
      batches[slot] = {batch, weight_of_each(batch), &block_[stack.order[slot]], number};
    }
    at_work.losses.zero_();
    pass(stack, std::span(batches).first(active), GradientUse::store());
    if (is_first) {
      rows.losses.add_(at_work.losses);
      for (const Range& b : buffers) own.narrow(1, b.first, b.size).copy_(values.narrow(1, b.first, b.size));
    }
    is_first = false;
    at::Tensor gradient = step.first(at_work.gradients).clone(at::MemoryFormat::Contiguous);
    for (const Range& b : buffers) gradient.narrow(1, b.first, b.size).zero_();
    return gradient;
  };
  Step step(
      rows.values, local_, stack.order,
      [&](const at::Tensor& at, Which which) { return differentiate(step, at, which); },
      [&](const at::Tensor& gradient) {
        step.first(rows.gradients).copy_(gradient);
        update.change_weights(step.clients());
      });

  std::size_t active = stack.order.size();
  for (std::int64_t s = 0;; ++s) {
    while (active > 0 && stack.steps[active - 1] <= s) --active;
    if (active == 0) break;
    ahead.advance(active);
    step.begin(s, active);
    is_first = true;
    correction.program(step);
  }
  step.give_kept(std::ssize(block_), result.kept);
}

}  // namespace shoal
