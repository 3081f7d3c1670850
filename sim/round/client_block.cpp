#include "sim/round/client_block.hpp"

#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "sim/round/part.hpp"
#include "sim/round/server_rows.hpp"

namespace shoal {
namespace {

at::Tensor own_row(const at::Tensor& params, std::int64_t k) {
  return params.dim() == 2 ? params.select(0, k) : params;
}

// The tensors [1, n, ...] that `tensor` takes from each client, as [K, most, ...]; undefined where no client has one.
at::Tensor padded(std::span<const ExampleOutputs> clients, std::int64_t most, double behind, const auto& tensor) {
  const auto some = std::ranges::find_if(clients, [&](const ExampleOutputs& o) { return tensor(o).defined(); });
  if (some == clients.end()) return {};
  std::vector<std::int64_t> shape = tensor(*some).sizes().vec();
  shape[0] = std::ssize(clients);
  shape[1] = most;
  at::Tensor all = at::zeros(shape, tensor(*some).options()).fill_(behind);
  for (std::int64_t k = 0; k < std::ssize(clients); ++k) {
    const at::Tensor own = tensor(clients[k]);  // undefined in place of features of a client without examples
    if (own.defined()) all.select(0, k).narrow(0, 0, own.size(1)).copy_(own.select(0, 0));
  }
  return all;
}

}  // namespace

ClientBlock::ClientBlock(std::span<const Participation> block, const LocalSettings& local, const Task& task,
                         Trainer& trainer, std::span<const MemorySlot> slots, std::vector<ClientRecord> records,
                         std::string_view section)
    : block_(block),
      local_(local),
      task_(task),
      trainer_(trainer),
      slots_(slots),
      records_(std::move(records)),
      written_(block.size(), ClientRecord(slots.size())),
      section_(section) {
  trainer_.open(block_, local_);
}

std::int64_t ClientBlock::examples(std::int64_t k) const {
  return last_.figures.empty() ? task_.work(block_[k].client).examples : last_.figures[k].examples;
}

at::Tensor ClientBlock::label_counts() const {
  std::vector<at::Tensor> counts;
  for (const Participation& p : block_) {
    const std::vector<std::int64_t> own = task_.client_labels(p.client).examples;
    if (own.empty()) {
      user_error(
          "[strategy] counts the clients' examples of each label, and those of the task have none. Use data with "
          "labels, or another strategy.");
    }
    counts.push_back(at::tensor(own, at::kLong));
  }
  return at::stack(counts);
}

LocalResult ClientBlock::train(const at::Tensor& start, const Correction& correction, const LocalSettings* own,
                               int pass) {
  open(own, pass);
  return keep(trainer_.fit(start, correction));
}

LocalResult ClientBlock::gradient(const at::Tensor& params) {
  open(nullptr, 0);
  return keep(trainer_.gradient(params));
}

void ClientBlock::open(const LocalSettings* own, int pass) {
  last_.delta = Rows();  // the trainer may write there again
  const bool as_told = own == nullptr && pass == 0;
  if (as_told && as_told_) return;
  trainer_.open(block_, own == nullptr ? local_ : *own, pass);
  as_told_ = as_told;
}

LocalResult ClientBlock::keep(LocalResult result) {
  last_ = std::move(result);
  const std::size_t figures = task_.figures().size();
  for (std::size_t k = 0; k < last_.figures.size(); ++k) {
    const std::int64_t most = task_.work(block_[k].client).examples;
    std::int64_t& examples = last_.figures[k].examples;
    if (!last_.counts_examples) examples = most;
    ensure(last_.figures[k].figures.size() == figures,
           "a trainer has measured {} figures of a client (the task names {})", last_.figures[k].figures.size(),
           figures);
    ensure(examples <= most, "training used {} examples of a client that has {}", examples, most);
  }
  return last_;
}

at::Tensor ClientBlock::recall(std::string_view name, const at::Tensor& otherwise) const {
  const std::size_t s = slot_of(slots_, scoped(section_, name));
  const MemorySlot& slot = slots_[s];
  at::Tensor values = at::zeros({count(), slot.size}, layout().options().dtype(slot.type));
  if (otherwise.defined()) values.copy_(otherwise.expand_as(values));
  for (std::size_t k = 0; k < records_.size(); ++k) {
    if (records_[k][s].defined()) values[k].copy_(records_[k][s]);
  }
  return values;
}

at::Tensor ClientBlock::received(std::string_view row, const at::Tensor& otherwise) const {
  return recall(kept_row(row), otherwise);
}

void ClientBlock::remember(std::string_view name, const at::Tensor& values) {
  const std::size_t s = slot_of(slots_, scoped(section_, name));
  const MemorySlot& slot = slots_[s];
  ensure(values.dim() == 2 && values.size(0) == count() && values.size(1) == slot.size,
         "memory '{}' is written with another shape than [{}, {}]", name, count(), slot.size);
  const at::Tensor host = values.cpu();  // one copy for all clients
  for (std::size_t k = 0; k < written_.size(); ++k) {
    written_[k][s] = host[k].to(slot.type, /*non_blocking=*/false, /*copy=*/true);
  }
}

std::vector<Evaluation> ClientBlock::evaluate(const at::Tensor& params, std::string_view set) {
  std::vector<Evaluation> seen;
  for (std::int64_t k = 0; k < count(); ++k) {
    seen.push_back(trainer_.evaluate_own(own_row(params, k), block_[k].client, set));
  }
  return seen;
}

ExampleOutputs ClientBlock::outputs(const at::Tensor& params, std::string_view set) {
  if (!task_.has_outputs()) {
    user_error(
        "[strategy] needs a model's outputs on single examples, and the task has none. Use [data] and [model], or "
        "another strategy.");
  }
  std::vector<ExampleOutputs> own;
  std::int64_t most = 0;
  for (std::int64_t k = 0; k < count(); ++k) {
    own.push_back(trainer_.outputs_own(own_row(params, k), block_[k].client, set));
    most = std::max(most, own.back().counts[0]);
  }
  ExampleOutputs all;
  all.scores = padded(own, most, 0, [](const ExampleOutputs& o) { return o.scores; });
  all.features = padded(own, most, 0, [](const ExampleOutputs& o) { return o.features; });
  all.targets = padded(own, most, -1, [](const ExampleOutputs& o) { return o.targets; });
  for (const ExampleOutputs& o : own) all.counts.push_back(o.counts[0]);
  return all;
}

}  // namespace shoal
