#pragma once
// The words of a ring Z_{2^b} that a client sends under masks or encryption: the values of all channels one after the
// other, each channel followed by the client's term of its divisor, so that the server learns the total weight only.

#include <vector>

#include "sim/round/aggregator.hpp"

namespace shoal {

/// The number of words of one client.
std::int64_t ring_words(std::span<const Wire> wires);

/// Encodes clients and decodes sums. Memory words may be wider than the ring: what is above is cut off in the end.
template <class Word>
class RingWords {
 public:
  RingWords(const AggregationPlan& plan, int bits);

  /// The channels of a contribution as `encode` reads them.
  static std::vector<at::Tensor> rows_of(const Contribution& contribution);
  void encode(std::span<Word> words, const std::vector<at::Tensor>& rows, const Contribution& contribution,
              std::size_t k) const;
  /// The weight and the mean of a channel, on the host, from the sum of the words.
  double weight(std::span<const Word> sum, std::size_t c) const {
    return divisor(sum, c) * plan_.scales[c].weight_unit;
  }
  at::Tensor mean(std::span<const Word> sum, std::size_t c) const;

 private:
  std::size_t begin_of(std::size_t c) const { return ring_words(std::span(plan_.wires).first(c)); }
  double divisor(std::span<const Word> sum, std::size_t c) const;

  const AggregationPlan& plan_;
  int spare_bits_;              // bits of a memory word above the ring
  std::vector<int> exponents_;  // per channel
};

}  // namespace shoal
