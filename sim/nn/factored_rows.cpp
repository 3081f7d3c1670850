#include "sim/nn/factored_rows.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "sim/nn/pack_tensor.hpp"

namespace shoal {
namespace {

std::vector<double> on_host(const at::Tensor& values) {
  const at::Tensor host = values.to(at::kCPU).contiguous();
  const auto* first = host.const_data_ptr<double>();
  return {first, first + host.numel()};
}

template <class T>
at::Tensor tensor_of(std::span<const T> values) {
  return at::tensor(at::ArrayRef<T>(values.data(), values.size()));
}

bool is_factor(const at::Tensor& factor, const at::Tensor& like) {
  return factor.defined() && factor.dim() == 3 && factor.scalar_type() == like.scalar_type() &&
         factor.device() == like.device() && factor.size(0) == like.size(0) && factor.numel() > 0;
}

}  // namespace

std::string FactoredRows::problem() const {
  if (layers.empty() || !layers.front().x.defined() || layers.front().x.dim() != 3) {
    return "factored rows without a layer [K, n, inputs]";
  }
  const at::Tensor& like = layers.front().x;
  if (type() != at::kFloat && type() != at::kDouble) return "factored rows that are neither float32 nor float64";
  if (width < 0) return fmt::format("factored rows of {} values", width);
  std::int64_t end = 0;
  for (const FactoredLayer& layer : layers) {
    if (!is_factor(layer.x, like) || !is_factor(layer.d, like) || layer.x.size(1) != layer.d.size(1)) {
      return fmt::format("the layer at {} of factored rows has factors that do not match", layer.offset);
    }
    std::int64_t size = 0;
    const bool overflows = __builtin_mul_overflow(layer.x.size(2), layer.d.size(2), &size);
    if (overflows || layer.offset < end || size > width - layer.offset) {
      return fmt::format("the layer at {} of factored rows does not fit between {} and {}", layer.offset, end, width);
    }
    end = layer.offset + size;
  }
  return {};
}

at::Tensor FactoredRows::dense() const {
  at::Tensor all = at::zeros({count(), width}, layers.front().x.options());
  for (const FactoredLayer& layer : layers) {
    const at::Tensor product = at::bmm(layer.d.transpose(1, 2), layer.x);
    all.narrow(1, layer.offset, layer.size()).copy_(product.view({count(), layer.size()}));
  }
  return all;
}

std::vector<double> FactoredRows::norms() const {
  at::Tensor squares = at::zeros({count()}, layers.front().x.options().dtype(at::kDouble));
  for (const FactoredLayer& layer : layers) {
    const at::Tensor x = layer.x.to(at::kDouble), d = layer.d.to(at::kDouble);
    const at::Tensor products = at::bmm(x, x.transpose(1, 2)) * at::bmm(d, d.transpose(1, 2));
    squares += products.sum(at::IntArrayRef{1, 2});
  }
  return on_host(squares.clamp_min_(0).sqrt_());  // factors that cancel may leave a tiny negative square; NaN stays
}

std::vector<double> FactoredRows::bounds() const {
  // |sum of d x^T| <= sum of max |d| max |x|, and more by the roundings of a product in the rows' type.
  at::Tensor largest = at::zeros({count()}, layers.front().x.options().dtype(at::kDouble));
  const double unit = type() == at::kFloat ? std::numeric_limits<float>::epsilon() : 0x1p-52;
  for (const FactoredLayer& layer : layers) {
    const auto most = [](const at::Tensor& factor) { return factor.abs().amax(2).to(at::kDouble); };
    const double slack = 1 + unit * (layer.x.size(1) + 1);
    const at::Tensor sums = (most(layer.x) * most(layer.d)).sum(at::IntArrayRef{1}) * slack;
    largest = at::maximum(largest, sums);  // NaN stays
  }
  return on_host(largest);
}

void FactoredRows::scale(std::span<const double> factors) const {
  const at::Tensor each = tensor_of(factors).to(device()).view({-1, 1, 1});
  std::set<const void*> scaled;  // a layer's weights and its bias may share a factor
  for (const FactoredLayer& layer : layers) {
    if (scaled.insert(layer.d.const_data_ptr()).second) layer.d.copy_(layer.d.to(at::kDouble) * each);
  }
}

void FactoredRows::add_to(const SumView& sum, std::span<const std::int64_t> weights, int exponent) const {
  add_weighted(sum, std::vector<double>(weights.begin(), weights.end()), exponent);
}

void FactoredRows::add_weighted(const SumView& sum, std::span<const double> weights, int exponent) const {
  // Rows of weight 0 are left out: they may hold NaN.
  std::vector<std::int64_t> taken;
  std::vector<double> factors;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    if (weights[k] == 0) continue;
    taken.push_back(static_cast<std::int64_t>(k));
    factors.push_back(weights[k]);
  }
  if (taken.empty()) return;
  const bool all = taken.size() == weights.size();
  const at::Tensor rows = tensor_of(std::span<const std::int64_t>(taken)).to(device());
  const at::Tensor each = tensor_of(std::span<const double>(factors)).to(device(), type()).view({-1, 1, 1});
  const std::int64_t one = 1;
  for (const FactoredLayer& layer : layers) {
    const at::Tensor x = all ? layer.x : layer.x.index_select(0, rows);
    const at::Tensor d = (all ? layer.d : layer.d.index_select(0, rows)) * each;
    const at::Tensor product = at::mm(d.flatten(0, 1).t(), x.flatten(0, 1));
    const SumView piece{sum.values + layer.offset, layer.size(), sum.bad_row, sum.device};
    Rows(product.view({1, -1})).add_to(piece, {&one, 1}, exponent);
  }
}

FactoredRows FactoredRows::kept() const {
  FactoredRows copy = *this;
  for (FactoredLayer& layer : copy.layers) layer = {layer.offset, layer.x.clone(), layer.d.clone()};
  return copy;
}

FactoredRows FactoredRows::to(at::Device device) const {
  FactoredRows copy = *this;
  for (FactoredLayer& layer : copy.layers) layer = {layer.offset, layer.x.to(device), layer.d.to(device)};
  return copy;
}

void FactoredRows::pack(Packer& packer) const {
  packer.number(width).number<std::uint64_t>(layers.size());
  for (const FactoredLayer& layer : layers) {
    packer.number(layer.offset);
    pack_tensor(packer, layer.x);
    pack_tensor(packer, layer.d);
  }
}

FactoredRows FactoredRows::unpack(Unpacker& unpacker) {
  FactoredRows rows;
  rows.width = unpacker.number<std::int64_t>();
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    FactoredLayer layer;
    layer.offset = unpacker.number<std::int64_t>();
    layer.x = unpack_tensor(unpacker);
    layer.d = unpack_tensor(unpacker);
    rows.layers.push_back(std::move(layer));
  }
  return rows;
}

}  // namespace shoal
