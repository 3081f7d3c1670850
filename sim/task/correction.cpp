#include "sim/task/correction.hpp"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

namespace shoal {

void Step::begin(std::int64_t number, std::int64_t clients) {
  number_ = number;
  clients_ = clients;
}

at::Tensor Step::kept(std::string_view name) {
  auto found = kept_.find(name);
  if (found == kept_.end()) found = kept_.emplace(name, at::zeros(params_.sizes(), params_.options())).first;
  return first(found->second);
}

at::Tensor Step::own(const at::Tensor& of_block) const {
  if (of_block.dim() < 2) return of_block;
  return of_block.index_select(0, at::tensor(order_.first(clients_)).to(of_block.device()));
}

void Step::give_kept(std::int64_t count, std::map<std::string, at::Tensor, std::less<>>& block) const {
  const at::Tensor places = at::tensor(order_).to(params_.device());
  for (const auto& [name, rows] : kept_) {
    at::Tensor& all = block[name];
    if (!all.defined()) all = at::zeros({count, rows.size(1)}, rows.options());
    all.index_copy_(0, places, rows);
  }
}

}  // namespace shoal
