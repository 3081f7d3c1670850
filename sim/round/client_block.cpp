#include "sim/round/client_block.hpp"

#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "sim/round/part.hpp"

namespace shoal {

ClientBlock::ClientBlock(std::span<const Participation> block, const LocalSettings& local, const Task& task,
                         Trainer& trainer, const ClientMemory& memory, std::vector<ClientRecord> records,
                         std::string_view section)
    : block_(block),
      local_(local),
      task_(task),
      trainer_(trainer),
      memory_(memory),
      records_(std::move(records)),
      written_(block.size(), ClientRecord(memory.slots().size())),
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
  for (std::size_t k = 0; k < last_.figures.size(); ++k) {
    const std::int64_t most = task_.work(block_[k].client).examples;
    std::int64_t& examples = last_.figures[k].examples;
    if (!last_.counts_examples) examples = most;
    ensure(examples <= most, "training used {} examples of a client that has {}", examples, most);
  }
  return last_;
}

at::Tensor ClientBlock::recall(std::string_view name, const at::Tensor& otherwise) const {
  const std::size_t s = memory_.slot(scoped(section_, name));
  const MemorySlot& slot = memory_.slots()[s];
  at::Tensor values = at::zeros({count(), slot.size}, task_.layout().options().dtype(slot.type));
  if (otherwise.defined()) values.copy_(otherwise.expand_as(values));
  for (std::size_t k = 0; k < records_.size(); ++k) {
    if (records_[k][s].defined()) values[k].copy_(records_[k][s]);
  }
  return values;
}

void ClientBlock::remember(std::string_view name, const at::Tensor& values) {
  const std::size_t s = memory_.slot(scoped(section_, name));
  const MemorySlot& slot = memory_.slots()[s];
  ensure(values.dim() == 2 && values.size(0) == count() && values.size(1) == slot.size,
         "memory '{}' is written with another shape than [{}, {}]", name, count(), slot.size);
  const at::Tensor host = values.cpu();  // one copy for all clients
  for (std::size_t k = 0; k < written_.size(); ++k) {
    written_[k][s] = host[k].to(slot.type, /*non_blocking=*/false, /*copy=*/true);
  }
}

}  // namespace shoal
