#pragma once
// Views of arrays (pointer, sizes, stride), which own nothing.

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/host_device.hpp"

namespace shoal {

/// [rows, columns] values, usually a client per row. The values of a row are adjacent; row starts are `stride` apart.
/// RowView<const T> reads, RowView<T> also writes and converts to RowView<const T>.
template <class T>
class RowView {
 public:
  RowView() = default;
  /// `stride` counts values, not bytes; 0 makes every row the same memory. Throws std::invalid_argument on negative
  /// sizes or a stride between 1 and columns - 1.
  RowView(T* data, std::int64_t rows, std::int64_t columns, std::int64_t stride)
      : data_(data), rows_(rows), columns_(columns), stride_(stride) {
    if (rows < 0 || columns < 0 || stride < 0 || (stride != 0 && stride < columns))
      throw std::invalid_argument("row view of " + std::to_string(rows) + " x " + std::to_string(columns) +
                                  " values with stride " + std::to_string(stride));
  }
  RowView(T* data, std::int64_t rows, std::int64_t columns) : RowView(data, rows, columns, columns) {}

  template <class U>
    requires(std::is_same_v<const U, T> && !std::is_const_v<U>)
  RowView(const RowView<U>& other) : RowView(other.data(), other.rows(), other.columns(), other.stride()) {}

  SHOAL_HD T* data() const { return data_; }
  SHOAL_HD std::int64_t rows() const { return rows_; }
  SHOAL_HD std::int64_t columns() const { return columns_; }
  SHOAL_HD std::int64_t stride() const { return stride_; }
  /// Start of row i; for bodies that also run on the device, where std::span does not.
  SHOAL_HD T* at(std::int64_t i) const { return data_ + i * stride_; }
  std::span<T> row(std::int64_t i) const { return std::span<T>(at(i), columns_); }

 private:
  T* data_ = nullptr;
  std::int64_t rows_ = 0, columns_ = 0, stride_ = 0;
};

/// The d values as a view of [1, d].
template <class T>
RowView<T> one_row(std::span<T> values) {
  return {values.data(), 1, std::ssize(values)};
}

/// Throws std::invalid_argument, naming `what`, unless the two sizes agree.
inline void require_size(const char* what, std::size_t size, std::size_t expected) {
  if (size != expected)
    throw std::invalid_argument(std::string(what) + " of " + std::to_string(size) + " values (expected " +
                                std::to_string(expected) + ")");
}

}  // namespace shoal
