#include "sim/nn/transformer/transformer_decoder.hpp"

#include "sim/error.hpp"

namespace shoal {

using namespace arithmetic;

namespace {

constexpr int lanes = 16;

// to = sum over t of weights[t] values[t, ...], for as many columns as fit into registers.
template <int columns>
void weighted_sum(const float* values, const float* weights, std::int64_t positions, std::int64_t width, float* to) {
  float sums[columns] = {};
  for (std::int64_t t = 0; t < positions; ++t, values += width) {
    for (int d = 0; d < columns; ++d) sums[d] += weights[t] * values[d];
  }
  std::copy_n(sums, columns, to);
}

}  // namespace

TransformerDecoder::TransformerDecoder(const TransformerLayout& layout)
    : layout_(layout),
      reader_(layout),
      keys_size_((layout.shape.context + block - 1) / block * block * layout.shape.width),
      values_size_(std::int64_t{layout.shape.context} * layout.shape.width) {
  weights_.take(layout.shape.context + block);
}

void TransformerDecoder::load(const float* params) {
  params_ = params;
  reader_.load(params);
}

const float* TransformerDecoder::begin(std::span<const std::span<const std::int32_t>> prompts) {
  sequences_.clear();
  lengths_.clear();
  for (const auto& prompt : prompts) {
    sequences_.push_back({.first = prompt});
    lengths_.push_back(std::ssize(prompt));
  }
  const float* logits = reader_.forward(sequences_);
  cache_.take(std::ssize(prompts) * layout_.shape.layers * (keys_size_ + values_size_));
  for (int layer = 0; layer < layout_.shape.layers; ++layer) {
    const Qkv<const float> rows = reader_.qkv(layer);
    for (std::int64_t i = 0; i < std::ssize(prompts); ++i) {
      const std::int64_t first = reader_.segments()[i].input;
      for (std::int64_t t = 0; t < lengths_[i]; ++t) {
        append(cache_of(i, layer), t, rows.key(first + t, 0), rows.value(first + t, 0));
      }
    }
  }
  return logits;
}

void TransformerDecoder::append(float* cache, std::int64_t position, const float* key, const float* value) const {
  const std::int64_t width = layout_.shape.width;
  float* keys = cache + position / block * block * width + position % block;
  for (std::int64_t j = 0; j < width; ++j) keys[j * block] = key[j];
  std::copy_n(value, width, cache + keys_size_ + position * width);
}

void TransformerDecoder::score(const float* keys, const float* query, std::int64_t positions, float* scores) const {
  const std::int64_t width = layout_.shape.width, head_width = layout_.shape.head_width();
  for (std::int64_t at = 0; at < positions; at += block, keys += block * width) {
    Lanes::Floats low{}, high{};
    for (std::int64_t d = 0; d < head_width; ++d) {
      low += Lanes::load(keys + d * block) * query[d];
      high += Lanes::load(keys + d * block + Lanes::count) * query[d];
    }
    Lanes::store(low, scores + at);
    Lanes::store(high, scores + at + Lanes::count);
  }
}

// Attention of one token to all positions so far, head by head. Whole blocks are scored; the scores of empty positions
// at the end of the last block are not used.
void TransformerDecoder::attend(const float* cache, std::int64_t positions, const float* query, float* attended) {
  const std::int64_t width = layout_.shape.width, head_width = layout_.shape.head_width();
  const float scale = 1 / std::sqrt(static_cast<float>(head_width));
  float* weights = weights_.get();
  for (std::int64_t first = 0; first < width; first += head_width) {
    score(cache + first * block, query + first, positions, weights);
    const float total = exponentials(weights, positions, scale);
    const float* values = cache + keys_size_ + first;
    float* to = attended + first;
    std::int64_t d = 0;
    for (; d + lanes <= head_width; d += lanes) weighted_sum<lanes>(values + d, weights, positions, width, to + d);
    for (; d < head_width; ++d) weighted_sum<1>(values + d, weights, positions, width, to + d);
    const float factor = 1 / total;
    for (std::int64_t d = 0; d < head_width; ++d) to[d] *= factor;
  }
}

const float* TransformerDecoder::step(std::span<const int> active, std::span<const std::int32_t> tokens) {
  const std::int64_t rows = std::ssize(active), width = layout_.shape.width, vocabulary = layout_.shape.vocabulary;
  float* x = x_.take(rows * width);  // the residual stream
  embed(active, tokens, x);
  for (int layer = 0; layer < layout_.shape.layers; ++layer) {
    attention(layer, active, x);
    mlp(layer, rows, x);
  }
  float* norm = norm_.take(rows * width);
  normalize(x, params_ + layout_.final_norm, norm, inverse_.take(rows), rows, width);
  float* logits = logits_.take(rows * vocabulary);
  linear(norm, params_ + layout_.head, logits, rows, width, vocabulary);
  return logits;
}

void TransformerDecoder::embed(std::span<const int> active, std::span<const std::int32_t> tokens, float* x) {
  const std::int64_t width = layout_.shape.width;
  for (std::size_t i = 0; i < active.size(); ++i, x += width) {
    const std::int64_t position = lengths_[active[i]]++;
    ensure(position < layout_.shape.context, "a reply beyond the context of {} tokens", layout_.shape.context);
    const float* token = params_ + layout_.token_embedding + tokens[i] * width;
    const float* learned = params_ + layout_.position_embedding + position * width;
    for (std::int64_t j = 0; j < width; ++j) x[j] = token[j] + learned[j];
  }
}

void TransformerDecoder::attention(int layer, std::span<const int> active, float* x) {
  const TransformerLayout::Layer& at = layout_.layers[layer];
  const std::int64_t rows = std::ssize(active), width = layout_.shape.width;
  float* norm = norm_.take(rows * width);
  float* attended = attended_.take(rows * width);
  const Qkv<float> qkv{qkv_.take(3 * rows * width), width, layout_.shape.head_width()};
  normalize(x, params_ + at.attention_norm, norm, inverse_.take(rows), rows, width);
  linear(norm, params_ + at.qkv, qkv.rows, rows, width, 3 * width);
  for (std::int64_t i = 0; i < rows; ++i) {
    float* cache = cache_of(active[i], layer);
    const std::int64_t positions = lengths_[active[i]];
    append(cache, positions - 1, qkv.key(i, 0), qkv.value(i, 0));
    attend(cache, positions, qkv.query(i, 0), attended + i * width);
  }
  linear(attended, params_ + at.attention_out, x, rows, width, width, 1.0F);
}

void TransformerDecoder::mlp(int layer, std::int64_t rows, float* x) {
  const TransformerLayout::Layer& at = layout_.layers[layer];
  const std::int64_t width = layout_.shape.width, units = layout_.shape.hidden();
  float* norm = norm_.take(rows * width);
  float* hidden = hidden_.take(rows * units);
  normalize(x, params_ + at.mlp_norm, norm, inverse_.take(rows), rows, width);
  linear(norm, params_ + at.mlp_in, hidden, rows, width, units);
  for (std::int64_t i = 0; i < rows * units; ++i) hidden[i] = hidden[i] > 0 ? hidden[i] : 0;
  linear(hidden, params_ + at.mlp_out, x, rows, units, width, 1.0F);
}

}  // namespace shoal
