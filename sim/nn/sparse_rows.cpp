#include "sim/nn/sparse_rows.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "kernels/device.hpp"
#include "kernels/sparsify.hpp"
#include "sim/nn/device.hpp"
#include "sim/nn/pack_tensor.hpp"

namespace shoal {
namespace {

constexpr std::int64_t most_values = std::numeric_limits<std::int32_t>::max();

// Calls use(first row, entries) with the entries as dense rows, which share their memory: all at once where each row
// has as many, as after top-k, otherwise row by row.
template <class Use>
void each_entries(const SparseRows& rows, const Use& use) {
  const std::int64_t count = rows.count();
  if (count == 0) return;
  const std::int64_t each = rows.entries(0);
  bool equal = true;
  for (std::int64_t k = 1; k < count; ++k) equal = equal && rows.entries(k) == each;
  if (equal) return use(std::int64_t{0}, Rows(rows.values.view({count, each})));
  for (std::int64_t k = 0; k < count; ++k) use(k, Rows(rows.values.narrow(0, rows.starts[k], rows.entries(k))));
}

// factors[k] for each entry of row k, as a float64 tensor beside the values.
at::Tensor by_entry(const SparseRows& rows, std::span<const double> factors) {
  at::Tensor each = at::empty({rows.values.numel()}, at::kDouble);
  for (std::int64_t k = 0; k < rows.count(); ++k) {
    std::fill_n(each.mutable_data_ptr<double>() + rows.starts[k], rows.entries(k), factors[k]);
  }
  return each.to(rows.device());
}

template <class T>
void add(const SparseRows& rows, const SumView& sum, std::span<const std::int64_t> weights, int exponent) {
  if (!on_device(rows.values)) {
    const std::span<std::int64_t> values(sum.values, sum.size);
    for (std::int64_t k = 0; k < rows.count(); ++k) {
      if (weights[k] == 0) continue;
      scatter_add(values, rows.positions_of(k), std::span<const T>(rows.values_of<T>(k)), weights[k], exponent);
    }
    return;
  }
  const DeviceArray<std::int64_t> starts(current_stream(), std::span<const std::int64_t>(rows.starts));
  const DeviceArray<std::int64_t> factors(current_stream(), weights);
  const auto* positions = reinterpret_cast<const std::uint32_t*>(rows.positions.const_data_ptr<std::int32_t>());
  const SparseView<T> view{rows.count(), starts.data(), positions, rows.values.const_data_ptr<T>()};
  scatter_add_rows<T>(current_stream(), sum.values, sum.size, view, factors.data(), exponent, sum.bad_row);
}

}  // namespace

SparseRows SparseRows::with_room(std::int64_t count, std::int64_t each, std::int64_t width,
                                 const at::TensorOptions& options) {
  SparseRows rows{.width = width,
                  .starts = {},
                  .positions = at::empty({count * each}, options.dtype(at::kInt)),
                  .values = at::empty({count * each}, options)};
  for (std::int64_t k = 0; k <= count; ++k) rows.starts.push_back(k * each);
  return rows;
}

std::span<std::uint32_t> SparseRows::positions_of(std::int64_t k) const {
  // Positions are not negative, so they are the same numbers with and without a sign.
  auto* first = reinterpret_cast<std::uint32_t*>(positions.mutable_data_ptr<std::int32_t>());
  return {first + starts[k], static_cast<std::size_t>(entries(k))};
}

std::string SparseRows::problem() const {
  if (width < 0 || width > most_values) return fmt::format("sparse rows of {} values", width);
  if (!positions.defined() || !values.defined() || positions.dim() != 1 || values.dim() != 1 ||
      positions.scalar_type() != at::kInt || (type() != at::kFloat && type() != at::kDouble) ||
      !positions.is_contiguous() || !values.is_contiguous() || positions.numel() != values.numel() ||
      positions.device() != values.device()) {
    return "sparse rows whose positions and values do not match";
  }
  if (starts.empty() || starts.front() != 0 || starts.back() != values.numel() || !std::ranges::is_sorted(starts)) {
    return "sparse rows whose starts do not match their entries";
  }
  for (std::int64_t k = 0; k < count() && !on_device(positions); ++k) {
    const auto own = positions_of(k);
    const bool ascend = std::ranges::adjacent_find(own, std::greater_equal<>()) == own.end();
    if (!ascend || (!own.empty() && own.back() >= width)) {
      return fmt::format("sparse row {} whose positions do not ascend below {}", k, width);
    }
  }
  return {};
}

at::Tensor SparseRows::dense() const {
  at::Tensor all = at::zeros({count(), width}, values.options());
  for (std::int64_t k = 0; k < count(); ++k) {
    all[k].index_copy_(0, positions.narrow(0, starts[k], entries(k)).to(at::kLong),
                       values.narrow(0, starts[k], entries(k)));
  }
  return all;
}

std::vector<double> SparseRows::norms() const {
  std::vector<double> all(count());
  each_entries(*this,
               [&](std::int64_t first, const Rows& own) { std::ranges::copy(own.norms(), all.begin() + first); });
  return all;
}

std::vector<double> SparseRows::bounds() const {
  std::vector<double> all(count());
  each_entries(*this,
               [&](std::int64_t first, const Rows& own) { std::ranges::copy(own.bounds(), all.begin() + first); });
  return all;
}

void SparseRows::scale(std::span<const double> factors) const {
  each_entries(*this, [&](std::int64_t first, Rows own) { own.scale(factors.subspan(first, own.count())); });
}

void SparseRows::add_to(const SumView& sum, std::span<const std::int64_t> weights, int exponent) const {
  if (type() == at::kFloat) return add<float>(*this, sum, weights, exponent);
  add<double>(*this, sum, weights, exponent);
}

void SparseRows::add_weighted(const SumView& sum, std::span<const double> weights, int exponent) const {
  std::vector<std::int64_t> parts;
  for (const double weight : weights) parts.push_back(weight == 0 ? 0 : 1);
  SparseRows products = *this;
  products.values = values.to(at::kDouble) * by_entry(*this, weights);
  products.add_to(sum, parts, exponent);
}

SparseRows SparseRows::kept() const { return {width, starts, positions.clone(), values.clone()}; }

SparseRows SparseRows::to(at::Device device) const { return {width, starts, positions.to(device), values.to(device)}; }

void SparseRows::pack(Packer& packer) const {
  packer.number(width).array(std::span<const std::int64_t>(starts));
  pack_tensor(packer, positions);
  pack_tensor(packer, values);
}

SparseRows SparseRows::unpack(Unpacker& unpacker) {
  SparseRows rows;
  rows.width = unpacker.number<std::int64_t>();
  rows.starts = unpacker.array<std::int64_t>();
  rows.positions = unpack_tensor(unpacker);
  rows.values = unpack_tensor(unpacker);
  return rows;
}

}  // namespace shoal
