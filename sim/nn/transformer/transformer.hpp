#pragma once
// Forward and backward pass of a causal transformer over sequences of unequal length, packed without padding.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/nn/transformer/transformer_arithmetic.hpp"
#include "sim/nn/transformer/transformer_layout.hpp"

namespace shoal {

/// A sequence of tokens: those of `first`, then those of `rest`; at least one, at most as many as the context has. At
/// each of the last `predicted` tokens the model predicts the next one.
struct Sequence {
  std::span<const std::int32_t> first, rest{};
  std::int64_t predicted = 1;

  std::int64_t length() const { return std::ssize(first) + std::ssize(rest); }
};

/// Rows [tokens, 3 width]: a token's queries for all heads, then its keys, then its values.
template <class Real>
struct Qkv {
  Real* rows;
  std::int64_t width, head_width;

  std::int64_t stride() const { return 3 * width; }
  Real* query(std::int64_t token, std::int64_t head) const { return rows + token * stride() + head * head_width; }
  Real* key(std::int64_t token, std::int64_t head) const { return query(token, head) + width; }
  Real* value(std::int64_t token, std::int64_t head) const { return key(token, head) + width; }
};

/// A transformer for one thread; owns all buffers. Real is float or double. The layout must outlive it.
template <class Real>
class Transformer {
 public:
  explicit Transformer(const TransformerLayout& layout);

  /// Uses these parameters, [d] aligned to 64 bytes, until the next call; makes no copy.
  void load(const Real* params) { params_ = params; }
  /// Logits [predictions of all sequences, vocabulary], valid until the next call.
  const Real* forward(std::span<const Sequence> sequences);
  /// After forward: adds the gradient of sum(slopes * logits) to `gradient` [d]; slopes [predictions, vocabulary].
  void backward(const Real* slopes, Real* gradient);

  /// The rows of one sequence in a layer. A layer reads all tokens of the sequence and computes outputs for those from
  /// `first_query` on.
  struct Segment {
    std::int64_t input;        // first row of the layer's input
    std::int64_t length;       // tokens
    std::int64_t first_query;  // index of a token within the sequence
    std::int64_t output;       // first row of the layer's output
    std::int64_t weights;      // offset of the attention weights, [heads, queries, length]

    std::int64_t queries() const { return length - first_query; }
  };
  /// After forward: queries, keys and values of all tokens in a layer, and the rows of each sequence.
  Qkv<const Real> qkv(std::int64_t layer) const { return view(layers_[layer].qkv.get()); }
  std::span<const Segment> segments() const { return segments_; }

 private:
  // Values that forward keeps for backward. The last layer computes outputs for the predictions alone.
  struct Layer {
    arithmetic::Memory<Real> in, in_inverse, in_norm;  // [tokens, width], [tokens], [tokens, width]
    arithmetic::Memory<Real> qkv;                      // [tokens, 3 width]
    arithmetic::Memory<Real> weights, attended;        // attention weights and outputs [outputs, width]
    arithmetic::Memory<Real> mid, mid_inverse, mid_norm, hidden;
  };

  template <class T>
  Qkv<T> view(T* rows) const {
    return {rows, layout_.shape.width, layout_.shape.head_width()};
  }
  void pack(std::span<const Sequence> sequences);
  void embed(Real* x) const;
  void embed_backward(const Real* d_x, Real* gradient) const;
  void attention(std::size_t l);
  void attend(Layer& layer, std::span<const Segment> segments);
  void attend_backward(const Layer& layer, std::span<const Segment> segments, const Real* d_attended, Real* d_qkv);
  void mlp(std::size_t l);
  void mlp_backward(std::size_t l, Real* d_x, Real* gradient);
  void attention_backward(std::size_t l, Real* d_x, Real* gradient);
  bool is_last(std::size_t l) const { return l + 1 == layers_.size(); }
  std::span<const Segment> segments_of(std::size_t l) const { return is_last(l) ? last_segments_ : segments_; }
  std::int64_t outputs_of(std::size_t l) const { return is_last(l) ? predictions_ : tokens_; }

  const TransformerLayout& layout_;
  const Real* params_ = nullptr;
  std::vector<Layer> layers_;
  std::vector<Segment> segments_, last_segments_;  // sequences in all layers but the last; in the last
  std::vector<std::int32_t> ids_, positions_;      // each token's id in the vocabulary and position
  std::int64_t tokens_ = 0, predictions_ = 0;      // sums over all sequences
  arithmetic::Memory<Real> final_, final_inverse_, final_norm_, logits_;
  arithmetic::Memory<Real> d_x_, d_in_, d_norm_, d_hidden_, d_qkv_, d_attended_, d_weights_;
};

extern template class Transformer<float>;
extern template class Transformer<double>;

}  // namespace shoal
