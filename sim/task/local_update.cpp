#include "sim/task/local_update.hpp"

#include "kernels/vector_ops.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

template <class T>
std::span<T> row(const at::Tensor& rows, std::int64_t k) {
  return std::span(rows.mutable_data_ptr<T>() + k * rows.stride(0), rows.size(1));
}

// A correction's values for client k, from [d] or [K, d]; empty where the tensor is undefined.
template <class T>
std::span<const T> term(const at::Tensor& tensor, std::int64_t k) {
  if (!tensor.defined()) return {};
  ensure(tensor.is_contiguous() && tensor.scalar_type() == c10::CppTypeToScalarType<T>::value,
         "a correction is not contiguous or not of the parameters' type");
  const bool shared = tensor.dim() == 1 || tensor.size(0) == 1;
  return std::span(tensor.const_data_ptr<T>() + (shared ? 0 : k * tensor.size(1)), tensor.size(-1));
}

}  // namespace

at::Tensor row_or_shared(const at::Tensor& tensor, std::int64_t k) {
  return tensor.dim() == 2 ? tensor.select(0, k) : tensor;
}

bool is_free(const at::Tensor& buffer) {
  return buffer.defined() && buffer.use_count() == 1 && buffer.storage().use_count() == 1;
}

std::vector<Range> trained_ranges(const ParameterLayout& layout, const at::Tensor& trainable) {
  if (!trainable.defined()) return layout.trained();
  ensure(trainable.dim() == 1 && trainable.size(0) == layout.size, "a mask of other parameters");
  const at::Tensor mask = trainable.to(at::kCPU, at::kBool).contiguous();
  const bool* has = mask.const_data_ptr<bool>();
  std::vector<Range> ranges;
  for (const Range& range : layout.trained()) {
    for (std::int64_t i = range.first; i < range.first + range.size; ++i) {
      if (!has[i]) continue;
      const bool follows = !ranges.empty() && ranges.back().first + ranges.back().size == i;
      if (!follows) ranges.push_back({i, 0});
      ++ranges.back().size;
    }
  }
  if (ranges.empty()) ranges.emplace_back();
  return ranges;
}

std::vector<ClientFigures> planned_figures(const Task& task, std::span<const Participation> block,
                                           const LocalSettings& local) {
  std::vector<ClientFigures> figures;
  for (const Participation& p : block) {
    figures.push_back({.steps = local.local_steps(task.work(p.client).examples, p.fraction)});
  }
  return figures;
}

std::vector<std::int64_t> active_clients(std::span<const ClientFigures> clients, std::int64_t step) {
  std::vector<std::int64_t> active;
  for (std::int64_t k = 0; k < std::ssize(clients); ++k) {
    if (step < clients[k].steps) active.push_back(k);
  }
  return active;
}

template <class T>
LocalUpdate<T>::LocalUpdate(Buffers buffers, const LocalSettings& local, Correction correction,
                            std::vector<Range> trained)
    : buffers_(std::move(buffers)), local_(local), correction_(std::move(correction)), trained_(std::move(trained)) {
  if (trained_.empty()) trained_.push_back({0, buffers_.parameters.size(1)});
  ensure(correction_.pull == 0 || correction_.anchor.defined(), "a pull of {} without an anchor", correction_.pull);
  if (buffers_.momentum.defined()) buffers_.momentum.zero_();
}

template <class T>
void LocalUpdate<T>::run(std::span<const std::int64_t> active) const {
  for (const std::int64_t k : active) change(k);
}

template <class T>
void LocalUpdate<T>::change(std::int64_t k) const {
  SgdStep<T> step{.rate = local_.rate,
                  .decay = local_.weight_decay,
                  .pull = correction_.pull,
                  .anchor = {},
                  .shift = {},
                  .momentum = local_.momentum,
                  .buffer = {},
                  .nesterov = local_.nesterov};
  const std::span<const T> anchor = term<T>(correction_.anchor, k), shift = term<T>(correction_.shift, k);
  for (const Range& range : trained_) {
    const auto part = [&](auto values) { return values.empty() ? values : values.subspan(range.first, range.size); };
    step.anchor = part(anchor);
    step.shift = part(shift);
    if (buffers_.momentum.defined()) step.buffer = part(row<T>(buffers_.momentum, k));
    sgd_step<T>(part(row<T>(buffers_.parameters, k)), part(row<T>(buffers_.gradients, k)), step);
  }
}

template class LocalUpdate<float>;
template class LocalUpdate<double>;

}  // namespace shoal
