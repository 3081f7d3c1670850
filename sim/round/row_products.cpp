// Products of the rows of a RowSet, exact sums over the ranks.
#include "sim/round/row_set.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/gram.hpp"
#include "sim/error.hpp"
#include "sim/nn/rows.hpp"
#include "sim/round/row_arithmetic.hpp"

namespace shoal {
using namespace row_arithmetic;

// A power of two per base row, the same on every rank, that brings its values below 1.
std::vector<double> RowSet::base_factors() const {
  const std::int64_t n = columns_.size(0);
  std::vector<double> largest(n, 0.0);
  if (own_count() > 0 && n > 0) largest = Rows(columns_).bounds();
  Bytes bytes;
  append<double>(bytes, largest);
  for (const Bytes& theirs : comm_->gather_all(bytes)) {
    ensure(theirs.size() == bytes.size(), "a rank has another number of rows");
    std::vector<double> other(n);
    if (n > 0) std::memcpy(other.data(), theirs.data(), theirs.size());
    for (std::int64_t i = 0; i < n; ++i) {
      ensure(std::isfinite(other[i]), "row {} holds a value that is not finite", i);
      largest[i] = std::max(largest[i], other[i]);
    }
  }
  std::ranges::transform(largest, largest.begin(), product_factor);
  return largest;
}

const at::Tensor& RowSet::base_gram() {
  if (base_gram_.defined()) return base_gram_;
  const std::vector<double> factors = base_factors();
  const std::int64_t n = std::ssize(factors);
  const int exponent = product_exponent(width_);
  std::vector<std::int64_t> sums(n * (n + 1) / 2, 0);
  with_type(type(), [&]<class T>(T) {
    for_each_range(
        [&](Range own) { add_products(view<T>(columns_, own.begin, own.count()), factors, exponent, sums); });
  });
  comm_->sum(sums);
  base_gram_ = at::empty({n, n}, doubles());
  double* gram = base_gram_.mutable_data_ptr<double>();
  const double unit = std::ldexp(1.0, -exponent);
  std::size_t p = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j <= i; ++j, ++p) {
      gram[i * n + j] = gram[j * n + i] = sums[p] * unit / factors[i] / factors[j];
    }
  }
  return base_gram_;
}

const at::Tensor& RowSet::known_gram() {
  if (!map_.defined()) return base_gram();
  if (!gram_.defined()) gram_ = mapped(map_, base_gram());
  return gram_;
}

// Products of the extra vectors with the rows, then among themselves: [extra, n + extra].
at::Tensor RowSet::products_of(std::span<const at::Tensor> extra) {
  const std::int64_t e = std::ssize(extra), own = own_count();
  at::Tensor others = at::empty({e, own}, columns_.options());
  std::vector<double> factors;
  for (std::int64_t i = 0; i < e; ++i) {
    ensure(extra[i].numel() == width_, "a vector of {} values beside rows of {}", extra[i].numel(), width_);
    others[i].copy_(extra[i].narrow(0, begin_, own));
    const double largest = Rows(extra[i].to(columns_.options()).contiguous()).bounds()[0];
    ensure(std::isfinite(largest), "a vector beside the rows holds a value that is not finite");
    factors.push_back(product_factor(largest));
  }
  const std::vector<double> row_factors = base_factors();
  const std::int64_t n = std::ssize(row_factors);
  const int exponent = product_exponent(width_);
  std::vector<std::int64_t> sums(e * (n + e), 0);
  with_type(type(), [&]<class T>(T) {
    const std::span<std::int64_t> all(sums);
    for_each_range([&](Range range) {
      const auto left = view<T>(others, range.begin, range.count());
      const auto rows = view<T>(columns_, range.begin, range.count());
      add_products(left, factors, rows, row_factors, exponent, all.first(e * n));
      add_products(left, factors, left, factors, exponent, all.subspan(e * n));
    });
  });
  comm_->sum(sums);
  const double unit = std::ldexp(1.0, -exponent);
  at::Tensor with_rows = at::empty({e, n}, doubles()), among = at::empty({e, e}, doubles());
  for (std::int64_t i = 0; i < e; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      with_rows.mutable_data_ptr<double>()[i * n + j] = sums[i * n + j] * unit / factors[i] / row_factors[j];
    }
    for (std::int64_t j = 0; j < e; ++j) {
      among.mutable_data_ptr<double>()[i * e + j] = sums[e * n + i * e + j] * unit / factors[i] / factors[j];
    }
  }
  if (map_.defined()) with_rows = times(with_rows, map_.t().contiguous());
  return at::cat({with_rows, among}, 1);
}

std::span<const double> RowSet::gram(std::span<const at::Tensor> extra) {
  const at::Tensor& own = known_gram();
  if (extra.empty()) return values_of(own);
  const at::Tensor more = products_of(extra);
  const std::int64_t n = rows_, size = more.size(1);
  extended_.assign(size * size, 0);
  for (std::int64_t i = 0; i < size; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) {
      const double product =
          i < n ? own.const_data_ptr<double>()[i * n + j] : more.const_data_ptr<double>()[(i - n) * size + j];
      extended_[i * size + j] = extended_[j * size + i] = product;
    }
  }
  return extended_;
}

std::vector<double> RowSet::norms() {
  std::vector<double> found(rows_);
  if (map_.defined() || base_gram_.defined()) {
    const std::span<const double> products = gram();
    for (std::int64_t i = 0; i < rows_; ++i) found[i] = std::sqrt(std::max(0.0, products[i * (rows_ + 1)]));
    return found;
  }
  const std::vector<double> factors = base_factors();
  const int exponent = product_exponent(width_);
  std::vector<std::int64_t> sums(rows_, 0);
  with_type(type(), [&]<class T>(T) {
    for_each_range([&](Range own) { add_squares(view<T>(columns_, own.begin, own.count()), factors, exponent, sums); });
  });
  comm_->sum(sums);
  for (std::int64_t i = 0; i < rows_; ++i) {
    found[i] = std::sqrt(sums[i] * std::ldexp(1.0, -exponent)) / factors[i];
  }
  return found;
}

}  // namespace shoal
