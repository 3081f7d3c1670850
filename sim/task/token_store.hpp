#pragma once
// Sequences of tokens of unequal lengths, each with a label, a real number, or a target for every token.

#include <memory>

#include "sim/task/example_store.hpp"

namespace shoal {

/// The contents of a store of sequences. Sequence i has the tokens from begin[i] to begin[i + 1].
struct Sequences {
  static constexpr std::int32_t none = -1;  // a target that does not count

  Form form;                         // `longest` is filled in by the store
  std::vector<std::int64_t> begin;   // [n + 1], ascending from 0
  std::vector<std::int32_t> tokens;  // 0 to vocabulary - 1
  std::vector<std::int32_t> next;    // as many as tokens, where targets are tokens: the target of each, or `none`
  std::vector<std::int32_t> labels;  // [n], where targets are labels
  std::vector<float> reals;          // [n], where targets are real
  std::vector<std::int32_t> groups;  // [n] or empty
};

class TokenStore final : public ExampleStore {
 public:
  /// Checks that everything fits together.
  explicit TokenStore(Sequences sequences);

  const Form& form() const override { return own_.form; }
  std::int64_t count() const override { return std::ssize(own_.begin) - 1; }
  /// Features, targets and mask as in Gathered; a sequence's tokens are the first of its row.
  void gather(std::span<const std::int32_t> positions, Gathered& to) const override;
  std::int64_t targets(std::span<const std::int32_t> positions) const override;
  std::int64_t longest(std::span<const std::int32_t> positions) const override;
  std::span<const std::int32_t> labels() const override { return own_.labels; }
  std::span<const std::int32_t> groups() const override { return own_.groups; }
  std::vector<std::span<const std::byte>> contents() const override;

 private:
  std::int64_t length(std::int64_t i) const { return own_.begin[i + 1] - own_.begin[i]; }
  void check() const;

  Sequences own_;
};

}  // namespace shoal
