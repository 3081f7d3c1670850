#pragma once
// Examples of one fixed shape, such as images or vectors of features, each with a label or a real number.

#include <memory>
#include <utility>

#include "sim/task/example_store.hpp"

namespace shoal {

/// The contents of a dense store. Features are in `bytes` or in `floats`, whichever `form.features` says.
struct Examples {
  Form form;
  std::vector<std::uint8_t> bytes;   // [n, channels, height, width]
  std::vector<float> floats;         // the same
  std::vector<std::int32_t> labels;  // [n]
  std::vector<float> reals;          // [n], in place of labels where targets are real
  std::vector<std::int32_t> groups;  // [n] or empty

  std::span<const std::uint8_t> mapped{};  // in place of `bytes`: features that lie elsewhere, as in a mapped file,
  std::shared_ptr<const void> owner{};     // and what keeps them there
};

class DenseStore final : public ExampleStore {
 public:
  /// Checks that everything fits together; labels are 0 to classes - 1.
  explicit DenseStore(Examples examples);
  DenseStore(const DenseStore&) = delete;
  DenseStore& operator=(const DenseStore&) = delete;

  const Form& form() const override { return own_.form; }
  std::int64_t count() const override { return count_; }
  void gather(std::span<const std::int32_t> positions, Gathered& to) const override;
  std::span<const std::int32_t> labels() const override { return own_.labels; }
  std::span<const std::int32_t> groups() const override { return own_.groups; }
  std::vector<std::span<const std::byte>> contents() const override;

  /// [n, channels, height, width], as stored; empty where features are real.
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  /// The same for real features; empty where they are bytes.
  std::span<const float> floats() const { return own_.floats; }
  /// [n], real targets; empty where targets are labels.
  std::span<const float> reals() const { return own_.reals; }

 private:
  void check() const;

  Examples own_;
  std::span<const std::uint8_t> bytes_;
  std::int64_t count_;
};

/// A store of these examples, to be shared.
std::shared_ptr<const DenseStore> stored(Examples examples);

}  // namespace shoal
