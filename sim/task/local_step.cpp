#include "sim/task/local_step.hpp"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <bit>

#include "sim/nn/device.hpp"

namespace shoal {
namespace {

// A correction's tensor: [d], or one row for each place in the stack.
at::Tensor in_order(const at::Tensor& tensor, std::span<const std::int64_t> order, at::Device device) {
  if (!tensor.defined()) return tensor;
  at::Tensor plain = tensor.to(device, at::kFloat);
  if (plain.dim() == 2 && plain.size(0) == 1) plain = plain.squeeze(0);
  if (plain.dim() == 2 && order.size() == 1) plain = plain.select(0, order[0]);
  const bool moved = plain.dim() == 2 && !std::ranges::is_sorted(order);
  return moved ? plain.index_select(0, at::tensor(order).to(device)) : plain.contiguous();
}

}  // namespace

LocalStep::LocalStep(ParameterRows& rows, at::Tensor momentum, const LocalSettings& local, const Correction& correction,
                     std::span<const std::int64_t> order, StackForm::Arithmetic arithmetic,
                     const ParameterLayout& layout)
    : rows_(rows),
      momentum_(std::move(momentum)),
      local_(local),
      pull_(correction.pull),
      arithmetic_(arithmetic),
      trained_(trained_ranges(layout, correction.trainable)),
      is_masked_(correction.trainable.defined()),
      anchor_(correction.pull != 0 ? in_order(correction.anchor, order, rows.values.device()) : at::Tensor()),
      shift_(in_order(correction.shift, order, rows.values.device())),
      in_place_(!momentum_.defined() && local_.weight_decay == 0 && !anchor_.defined() && !shift_.defined() &&
                !is_masked_),
      update_({rows.values, rows.gradients, momentum_}, local,
              {.pull = correction.pull, .anchor = anchor_, .shift = shift_}, trained_) {}

void LocalStep::run(StackedNetwork& net, std::int64_t active) {
  net.use(active);
  if (is_masked_ || !net.repeatable() || !on_device(rows_.values)) return work(net, active);
  net.repeated(key(active))([&] { work(net, active); });
}

// All that `work` reads besides the network's buffers and the rows that these share.
StackedNetwork::StepKey LocalStep::key(std::int64_t active) const {
  StackedNetwork::StepKey key;
  key.push_back(active);
  key.push_back(local_.nesterov ? 1 : 0);
  for (const double number : {local_.rate, local_.weight_decay, local_.momentum, pull_}) {
    key.push_back(std::bit_cast<std::uint64_t>(number));
  }
  for (const at::Tensor& tensor : {momentum_, anchor_, shift_}) {
    key.push_back(tensor.defined() ? std::bit_cast<std::uint64_t>(tensor.const_data_ptr()) : 0);
    key.push_back(tensor.defined() ? tensor.dim() : 0);
  }
  return key;
}

void LocalStep::work(StackedNetwork& net, std::int64_t active) {
  net.forward();
  net.loss_and_gradient();
  net.backward(use());
  finish(active);
}

void LocalStep::change_weights(std::int64_t active) {
  if (arithmetic_ == StackForm::Arithmetic::library) {
    change_weights_by_library(active);
  } else {
    for (std::int64_t k = 0; k < active; ++k) update_.change(k);
  }
}

void LocalStep::change_weights_by_library(std::int64_t active) {
  for (const Range& range : trained_) change_range_by_library(active, range);
}

void LocalStep::change_range_by_library(std::int64_t active, const Range& range) {
  const auto first = [&](const at::Tensor& t) {
    return (t.dim() == 2 ? t.narrow(0, 0, active) : t).narrow(-1, range.first, range.size);
  };
  at::Tensor y = first(rows_.values), g = first(rows_.gradients);
  if (anchor_.defined()) g.add_(y, pull_).sub_(first(anchor_), pull_);
  if (shift_.defined()) g.add_(first(shift_));
  if (local_.weight_decay != 0) g.add_(y, local_.weight_decay);
  if (momentum_.defined()) {
    at::Tensor m = first(momentum_);
    m.mul_(local_.momentum).add_(g);
    if (local_.nesterov) g.add_(m, local_.momentum);
    y.sub_(local_.nesterov ? g : m, local_.rate);
  } else {
    y.sub_(g, local_.rate);
  }
}

}  // namespace shoal
