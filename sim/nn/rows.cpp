#include "sim/nn/rows.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <type_traits>
#include <variant>

#include "kernels/device.hpp"
#include "kernels/fixed_point.hpp"
#include "kernels/vector_ops.hpp"
#include "sim/error.hpp"
#include "sim/nn/device.hpp"
#include "sim/nn/factored_rows.hpp"
#include "sim/nn/pack_tensor.hpp"
#include "sim/nn/sparse_rows.hpp"
#include "sim/nn/word_rows.hpp"

namespace shoal {

struct Rows::Other {
  std::variant<SparseRows, FactoredRows, WordRows> form;
};

namespace {

enum class Packed : std::int8_t { dense, sparse, factored, words };

template <class T>
RowView<const T> view(const at::Tensor& dense) {
  return {dense.const_data_ptr<T>(), dense.size(0), dense.size(1)};
}

// Calls body(T{}) with the rows' own type.
template <class Body>
void with_type(const at::Tensor& dense, const Body& body) {
  if (dense.scalar_type() == at::kFloat) {
    body(float{});
  } else {
    body(double{});
  }
}

template <class Form>
Form&& checked(Form&& form) {
  const std::string problem = form.problem();
  ensure(problem.empty(), "{}", problem);
  return std::forward<Form>(form);
}

// The same for parts that came from outside.
template <class Form>
Form unpacked(Unpacker& unpacker) {
  Form form = Form::unpack(unpacker);
  const std::string problem = form.problem();
  if (!problem.empty()) user_error("{} in '{}'. Use the version that wrote it.", problem, unpacker.source());
  return form;
}

std::int64_t width_of(const SparseRows& rows) { return rows.width; }
std::int64_t width_of(const FactoredRows& rows) { return rows.width; }
std::int64_t width_of(const WordRows& rows) { return rows.words.size(1); }

}  // namespace

// Calls use with the parts of the form; the rows are not dense.
template <class Use>
auto Rows::with_other(const Use& use) const {
  ensure(other_ != nullptr, "rows without values");
  return std::visit(use, other_->form);
}

Rows::Rows(at::Tensor dense) : dense_(dense.dim() == 1 ? dense.unsqueeze(0) : std::move(dense)) {
  ensure(dense_.dim() == 2, "updates of {} dimensions (expected [d] or [K, d])", dense_.dim());
  ensure(dense_.scalar_type() == at::kFloat || dense_.scalar_type() == at::kDouble,
         "updates are neither float32 nor float64");
  dense_ = dense_.contiguous();
}

Rows::Rows(SparseRows rows) : other_(std::make_shared<const Other>(Other{checked(std::move(rows))})) {}
Rows::Rows(FactoredRows rows) : other_(std::make_shared<const Other>(Other{checked(std::move(rows))})) {}
Rows::Rows(WordRows rows) : other_(std::make_shared<const Other>(Other{checked(std::move(rows))})) {}

std::int64_t Rows::count() const {
  if (dense_.defined()) return dense_.size(0);
  return with_other([](const auto& rows) { return rows.count(); });
}

std::int64_t Rows::width() const {
  if (dense_.defined()) return dense_.size(1);
  return with_other([](const auto& rows) { return width_of(rows); });
}

at::ScalarType Rows::type() const {
  if (dense_.defined()) return dense_.scalar_type();
  return with_other([](const auto& rows) { return rows.type(); });
}

at::Device Rows::device() const {
  if (dense_.defined()) return dense_.device();
  return with_other([](const auto& rows) { return rows.device(); });
}

at::Tensor Rows::dense() const {
  if (dense_.defined()) return dense_;
  return with_other([](const auto& rows) { return rows.dense(); });
}

const SparseRows* Rows::sparse() const { return other_ == nullptr ? nullptr : std::get_if<SparseRows>(&other_->form); }
const FactoredRows* Rows::factored() const {
  return other_ == nullptr ? nullptr : std::get_if<FactoredRows>(&other_->form);
}
const WordRows* Rows::integers() const { return other_ == nullptr ? nullptr : std::get_if<WordRows>(&other_->form); }

at::Tensor Rows::stored(std::int64_t k) const {
  if (dense_.defined()) return dense_.narrow(0, k, 1);
  const SparseRows* rows = sparse();
  ensure(rows != nullptr, "these rows store no values");
  return rows->values.narrow(0, rows->starts[k], rows->entries(k)).unsqueeze(0);
}

std::vector<double> Rows::norms() const {
  if (!dense_.defined()) return with_other([](const auto& rows) { return rows.norms(); });
  std::vector<double> out(count());
  with_type(dense_, [&]<class T>(T) {
    if (!on_device(dense_)) return shoal::norms<T>(view<T>(dense_), out);
    DeviceArray<double> there(current_stream(), out.size());
    shoal::norms<T>(current_stream(), view<T>(dense_), there.data());
    there.read(out);
  });
  return out;
}

std::vector<double> Rows::bounds() const {
  if (!dense_.defined()) return with_other([](const auto& rows) { return rows.bounds(); });
  std::vector<double> out(count());
  with_type(dense_, [&]<class T>(T) {
    if (on_device(dense_)) {
      DeviceArray<RowRange> there(current_stream(), out.size());
      scan_rows<T>(current_stream(), view<T>(dense_), there.data());
      std::vector<RowRange> ranges(out.size());
      there.read(ranges);
      std::ranges::transform(ranges, out.begin(), &RowRange::max_abs);
      return;
    }
    for (std::int64_t k = 0; k < count(); ++k) out[k] = scan<T>(view<T>(dense_).row(k)).max_abs;
  });
  return out;
}

void Rows::scale(std::span<const double> factors) {
  ensure(std::ssize(factors) == count(), "{} factors for {} rows", factors.size(), count());
  if (!dense_.defined()) return with_other([&](const auto& rows) { rows.scale(factors); });
  with_type(dense_, [&]<class T>(T) {
    const RowView<T> rows(dense_.mutable_data_ptr<T>(), count(), width());
    if (!on_device(dense_)) return scale_rows<T>(rows, factors);
    if (std::ranges::all_of(factors, [](double factor) { return factor == 1; })) return;
    const DeviceArray<double> there(current_stream(), factors);
    scale_rows<T>(current_stream(), rows, there.data());
  });
}

void Rows::add_to(const SumView& sum, std::span<const std::int64_t> weights, int exponent) const {
  require_places(sum, weights.size());
  if (!dense_.defined()) return with_other([&](const auto& rows) { rows.add_to(sum, weights, exponent); });
  with_type(dense_, [&]<class T>(T) {
    if (!on_device(dense_)) {
      return accumulate_rows<T>({sum.values, static_cast<std::size_t>(sum.size)}, view<T>(dense_), weights, exponent);
    }
    const DeviceArray<std::int64_t> there(current_stream(), weights);
    accumulate_rows<T>(current_stream(), sum.values, view<T>(dense_), there.data(), exponent, sum.bad_row);
  });
}

void Rows::add_weighted(const SumView& sum, std::span<const double> weights, int exponent) const {
  require_places(sum, weights.size());
  if (!dense_.defined()) return with_other([&](const auto& rows) { rows.add_weighted(sum, weights, exponent); });
  if (!on_device(dense_)) {
    for (std::int64_t k = 0; k < count(); ++k) {
      if (weights[k] == 0) continue;
      const at::Tensor product = dense_[k].to(at::kDouble) * weights[k];
      accumulate<double>({sum.values, static_cast<std::size_t>(sum.size)}, view<double>(product.unsqueeze(0)).row(0), 1,
                         exponent);
    }
    return;
  }
  std::vector<std::int64_t> parts;
  for (const double weight : weights) parts.push_back(weight == 0 ? 0 : 1);
  const DeviceArray<std::int64_t> there(current_stream(), std::span<const std::int64_t>(parts));
  const at::Tensor factors = at::tensor(at::ArrayRef(weights.data(), weights.size()), at::kDouble);
  const at::Tensor products = dense_.to(at::kDouble) * factors.to(dense_.device()).unsqueeze(1);
  accumulate_rows<double>(current_stream(), sum.values, view<double>(products), there.data(), exponent, sum.bad_row);
}

void Rows::require_places(const SumView& sum, std::size_t weights) const {
  ensure(sum.size == width() && static_cast<std::int64_t>(weights) == count() && sum.device.type() == device().type(),
         "{} rows of {} values with {} weights do not fit a sum of {} values, or are on another device", count(),
         width(), weights, sum.size);
}

Rows Rows::words(const WordFormat& format, std::span<const std::int64_t> weights, RandomKey key,
                 std::span<const Participation> block) const {
  ensure(std::ssize(weights) == count(), "{} weights for {} rows", weights.size(), count());
  if (const WordRows* own = integers()) return own->weighted(format, weights);
  return WordRows::of(dense().cpu(), format, weights, key, block);
}

Rows Rows::kept() const {
  if (dense_.defined()) return dense_.clone();
  return with_other([](const auto& rows) { return Rows(rows.kept()); });
}

Rows Rows::to(at::Device device) const {
  if (dense_.defined()) return dense_.to(device);
  if (device == this->device()) return *this;
  return with_other([&](const auto& rows) { return Rows(rows.to(device)); });
}

void Rows::pack(Packer& packer) const {
  Packed form = Packed::dense;
  if (sparse() != nullptr) form = Packed::sparse;
  if (factored() != nullptr) form = Packed::factored;
  if (integers() != nullptr) form = Packed::words;
  packer.number(static_cast<std::int8_t>(form));
  if (form == Packed::dense) return pack_tensor(packer, dense_);
  with_other([&](const auto& rows) { rows.pack(packer); });
}

Rows Rows::unpack(Unpacker& unpacker) {
  switch (static_cast<Packed>(unpacker.number<std::int8_t>())) {
    case Packed::dense: {
      const at::Tensor dense = unpack_tensor(unpacker);
      const bool is_real = dense.scalar_type() == at::kFloat || dense.scalar_type() == at::kDouble;
      if (!is_real || dense.dim() != 2 || dense.numel() == 0) {
        user_error("rows of '{}' are not [K, d] of real numbers. Use the version that wrote it.", unpacker.source());
      }
      return dense;
    }
    case Packed::sparse:
      return unpacked<SparseRows>(unpacker);
    case Packed::factored:
      return unpacked<FactoredRows>(unpacker);
    case Packed::words:
      return unpacked<WordRows>(unpacker);
  }
  user_error("rows of '{}' have a form that this version does not know. Use the version that wrote it.",
             unpacker.source());
}

}  // namespace shoal
