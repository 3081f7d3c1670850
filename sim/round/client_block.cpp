#include "sim/round/client_block.hpp"

#include <ATen/ops/zeros.h>

#include "sim/round/part.hpp"

namespace shoal {

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

const LocalResult& ClientBlock::train(const at::Tensor& start, const Correction& correction) {
  return keep(trainer_.fit(start, correction));
}

const LocalResult& ClientBlock::gradient(const at::Tensor& params) { return keep(trainer_.gradient(params)); }

const LocalResult& ClientBlock::keep(LocalResult result) {
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
  at::Tensor values = at::zeros({count(), slot.size}, task_.layout().options().dtype(slot.type));
  if (otherwise.defined()) values.copy_(otherwise.expand_as(values));
  for (std::size_t k = 0; k < records_.size(); ++k) {
    if (records_[k][s].defined()) values[k].copy_(records_[k][s]);
  }
  return values;
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

}  // namespace shoal
