#include "strategies/aggregators/shared/ring_words.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/ring.hpp"

namespace shoal {

std::int64_t ring_words(std::span<const Wire> wires) {
  std::int64_t words = 0;
  for (const Wire& wire : wires) words += wire.channel.size + 1;
  return words;
}

template <class Word>
RingWords<Word>::RingWords(const AggregationPlan& plan, int bits)
    : plan_(plan), spare_bits_(std::numeric_limits<Word>::digits - bits) {
  constexpr int width = std::numeric_limits<Word>::digits;
  for (std::size_t c = 0; c < plan.wires.size(); ++c) {
    // A round that is refused opens its session too, whatever its weights.
    const double total = std::clamp(plan.total_weight[c] / plan.scales[c].weight_unit, 1.0, std::ldexp(1.0, width - 2));
    exponents_.push_back(ring_exponent<Word>(total, *plan.wires[c].channel.bound) - spare_bits_);
  }
}

template <class Word>
std::vector<at::Tensor> RingWords<Word>::rows_of(const Contribution& contribution) {
  std::vector<at::Tensor> rows;
  for (const Rows& channel : contribution.channels) rows.push_back(channel.to(at::kCPU).dense().contiguous());
  return rows;
}

template <class Word>
void RingWords<Word>::encode(std::span<Word> words, const std::vector<at::Tensor>& rows,
                             const Contribution& contribution, std::size_t k) const {
  std::size_t at = 0;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const std::size_t size = plan_.wires[c].channel.size;
    const std::span<Word> own = words.subspan(at, size);
    const std::int64_t weight = contribution.weights[c][k];
    if (rows[c].scalar_type() == at::kDouble) {
      ring_encode<Word, double>(own, {rows[c].const_data_ptr<double>() + k * size, size}, weight, exponents_[c]);
    } else {
      ring_encode<Word, float>(own, {rows[c].const_data_ptr<float>() + k * size, size}, weight, exponents_[c]);
    }
    words[at + size] = static_cast<Word>(contribution.shares[c][k]);
    at += size + 1;
  }
}

template <class Word>
double RingWords<Word>::divisor(std::span<const Word> sum, std::size_t c) const {
  const Word word = sum[begin_of(c) + plan_.wires[c].channel.size];
  return static_cast<double>(static_cast<Word>(word << spare_bits_) >> spare_bits_);
}

template <class Word>
at::Tensor RingWords<Word>::mean(std::span<const Word> sum, std::size_t c) const {
  const std::span<const Word> own = sum.subspan(begin_of(c), plan_.wires[c].channel.size);
  at::Tensor mean = at::empty({std::ssize(own)}, at::TensorOptions(plan_.type));
  const double total = divisor(sum, c);
  if (total == 0) return mean.zero_();
  std::vector<Word> words(own.begin(), own.end());
  for (Word& word : words) word <<= spare_bits_;  // the sign to the top
  const int exponent = exponents_[c] + spare_bits_;
  if (plan_.type == at::kDouble) {
    ring_decode<Word, double>({mean.mutable_data_ptr<double>(), words.size()}, words, exponent, total);
  } else {
    ring_decode<Word, float>({mean.mutable_data_ptr<float>(), words.size()}, words, exponent, total);
  }
  return mean;
}

template class RingWords<std::uint32_t>;
template class RingWords<std::uint64_t>;

}  // namespace shoal
