#include "sim/round/server_data.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>

#include "kernels/fixed_point.hpp"
#include "sim/nn/pack_tensor.hpp"
#include "sim/round/federation.hpp"

namespace shoal {
namespace {

std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

// The range of all ranks' gradients together.
RowRange common_range(std::span<const SummedGradient> own, Communicator& comm) {
  RowRange range;
  const auto widen = [&](const RowRange& by) {
    range.finite = range.finite && by.finite;
    range.max_abs = std::max(range.max_abs, by.max_abs);
  };
  for (const SummedGradient& chunk : own) widen(scan<float>(values_of(chunk.gradient)));
  Packer packer;
  packer.row(range);
  const Bytes mine(packer.bytes().begin(), packer.bytes().end());
  for (const Bytes& bytes : comm.gather_all(mine)) widen(Unpacker(bytes, "a range of gradients").row<RowRange>());
  return range;
}

}  // namespace

std::int64_t ServerData::own_chunks(std::int64_t n) const {
  const std::int64_t all = chunks(n);
  return all > comm_.rank() ? (all - comm_.rank() - 1) / comm_.size() + 1 : 0;
}

void ServerData::for_each_own(std::span<const std::int32_t> positions, const auto& work) const {
  const std::int64_t n = std::ssize(positions);
  ensure(std::ranges::all_of(positions, [&](std::int32_t i) { return i >= 0 && i < count(); }),
         "an example of the server beyond its {}", count());
  trainers_.for_each(own_chunks(n), [&](int, std::size_t i, Trainer& trainer) {
    const std::int64_t first = (comm_.rank() + i * comm_.size()) * chunk_size;
    work(i, trainer, positions.subspan(first, std::min(chunk_size, n - first)));
  });
}

Evaluation ServerData::evaluate(const at::Tensor& params, std::string_view set) const {
  return shoal::evaluate(params, set, task_, comm_, trainers_);
}

ExampleOutputs ServerData::outputs(const at::Tensor& params, std::span<const std::int32_t> positions) const {
  const std::int64_t n = std::ssize(positions);
  std::vector<ExampleOutputs> own(own_chunks(n));
  for_each_own(positions, [&](std::size_t i, Trainer& trainer, std::span<const std::int32_t> chunk) {
    own[i] = trainer.server_outputs(params, chunk);
  });
  Packer packer;
  for (const ExampleOutputs& chunk : own) {
    packer.number<std::uint8_t>(chunk.features.defined());
    for (const at::Tensor& part : {chunk.scores, chunk.targets, chunk.features}) {
      if (part.defined()) pack_tensor(packer, part);
    }
  }
  const std::vector<Bytes> by_rank = comm_.gather_all({packer.bytes().begin(), packer.bytes().end()});
  std::vector<Unpacker> of;
  for (const Bytes& bytes : by_rank) of.emplace_back(bytes, "outputs on the server's examples");
  std::vector<at::Tensor> scores, features, targets;
  for (std::int64_t c = 0; c < chunks(n); ++c) {
    Unpacker& from = of[c % comm_.size()];
    const bool has_features = from.number<std::uint8_t>() != 0;
    scores.push_back(unpack_tensor(from));
    targets.push_back(unpack_tensor(from));
    if (has_features) features.push_back(unpack_tensor(from));
  }
  ExampleOutputs all;
  if (n > 0) {
    const auto joined = [&](const std::vector<at::Tensor>& parts) { return at::cat(parts, 1).to(params.device()); };
    all.scores = joined(scores);
    all.targets = joined(targets);
    if (!features.empty()) all.features = joined(features);
  } else {
    trainers_.for_each(1, [&](int, std::size_t, Trainer& trainer) { all = trainer.server_outputs(params, {}); });
  }
  all.counts = {n};
  return all;
}

at::Tensor ServerData::gradient(const at::Tensor& params, std::span<const std::int32_t> positions) const {
  std::vector<SummedGradient> own(own_chunks(std::ssize(positions)));
  for_each_own(positions, [&](std::size_t i, Trainer& trainer, std::span<const std::int32_t> chunk) {
    own[i] = trainer.server_gradient(params, chunk);
    own[i].gradient = own[i].gradient.cpu();
  });
  const RowRange range = common_range(own, comm_);
  if (!range.finite) return at::full_like(params, std::numeric_limits<double>::quiet_NaN());
  if (range.max_abs == 0) return at::zeros_like(params);

  const int exponent = unit_exponent(chunks(std::ssize(positions)), range.max_abs);
  std::vector<std::int64_t> sum(params.numel() + 1);
  const std::span<std::int64_t> values = std::span(sum).first(params.numel());
  for (const SummedGradient& chunk : own) {
    accumulate<float>(values, values_of(chunk.gradient), 1, exponent);
    sum.back() += chunk.targets;
  }
  comm_.sum(sum);
  at::Tensor mean = at::empty_like(params, params.options().device(at::kCPU));
  to_mean<float>(values, exponent, sum.back(), {mean.mutable_data_ptr<float>(), values.size()});
  return mean.to(params.device());
}

std::optional<ServerData> server_data(const Task& task, Communicator& comm, Trainers& trainers) {
  if (!task.has_outputs() || task.evaluated_examples("server") == 0) return std::nullopt;
  return ServerData(task, comm, trainers);
}

}  // namespace shoal
