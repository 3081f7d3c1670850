#pragma once
// Decoding token by token: a transformer with a key-value cache of earlier tokens.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/nn/transformer/transformer.hpp"

namespace shoal {

/// Continues several sequences at once, each from its own prompt. For one thread; owns all buffers, allocates nothing
/// per token. The layout must outlive it.
class TransformerDecoder {
 public:
  explicit TransformerDecoder(const TransformerLayout& layout);

  /// Uses these parameters, [d] aligned to 64 bytes, until the next call; makes no copy.
  void load(const float* params);
  /// Reads all prompts. Returns the logits of the token after each, [prompts, vocabulary], valid until the next call.
  const float* begin(std::span<const std::span<const std::int32_t>> prompts);
  /// Appends tokens[i] to sequence active[i]. `active` is a subset of the last call's sequences in the same order,
  /// without the finished ones. Returns the logits of their next tokens, [active, vocabulary], until the next call.
  const float* step(std::span<const int> active, std::span<const std::int32_t> tokens);

 private:
  // The cache of one sequence in one layer. Keys: [context / block][width][block], so that a block of positions is one
  // vector. Values follow: [context][width].
  static constexpr std::int64_t block = 16;
  float* cache_of(std::int64_t sequence, std::int64_t layer) {
    return cache_.get() + (sequence * layout_.shape.layers + layer) * (keys_size_ + values_size_);
  }
  void append(float* cache, std::int64_t position, const float* key, const float* value) const;
  void score(const float* keys, const float* query, std::int64_t positions, float* scores) const;
  void attend(const float* cache, std::int64_t positions, const float* query, float* attended);
  void embed(std::span<const int> active, std::span<const std::int32_t> tokens, float* x);
  void attention(int layer, std::span<const int> active, float* x);
  void mlp(int layer, std::int64_t rows, float* x);

  const TransformerLayout& layout_;
  Transformer<float> reader_;
  const float* params_ = nullptr;
  std::int64_t keys_size_, values_size_;
  arithmetic::Memory<float> cache_, x_, norm_, inverse_, qkv_, attended_, hidden_, logits_, weights_;
  std::vector<std::int64_t> lengths_;  // tokens of each sequence
  std::vector<Sequence> sequences_;
};

}  // namespace shoal
