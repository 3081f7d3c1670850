#include "sim/nn/transformer/transformer.hpp"

#include "sim/error.hpp"

namespace shoal {

using namespace arithmetic;

template <class Real>
Transformer<Real>::Transformer(const TransformerLayout& layout) : layout_(layout), layers_(layout.layers.size()) {}

template <class Real>
void Transformer<Real>::pack(std::span<const Sequence> sequences) {
  const std::int64_t heads = layout_.shape.heads;
  segments_.clear();
  last_segments_.clear();
  ids_.clear();
  positions_.clear();
  tokens_ = 0;
  predictions_ = 0;
  std::int64_t weights = 0, last_weights = 0;
  for (const Sequence& s : sequences) {
    const std::int64_t n = s.length();
    ensure(n >= 1 && n <= layout_.shape.context, "a sequence of {} tokens (the context has {})", n,
           layout_.shape.context);
    ensure(s.predicted >= 0 && s.predicted <= n, "{} predictions in a sequence of {} tokens", s.predicted, n);
    segments_.push_back({.input = tokens_, .length = n, .first_query = 0, .output = tokens_, .weights = weights});
    last_segments_.push_back({.input = tokens_,
                              .length = n,
                              .first_query = n - s.predicted,
                              .output = predictions_,
                              .weights = last_weights});
    ids_.insert(ids_.end(), s.first.begin(), s.first.end());
    ids_.insert(ids_.end(), s.rest.begin(), s.rest.end());
    for (int i = 0; i < n; ++i) positions_.push_back(i);
    tokens_ += n;
    predictions_ += s.predicted;
    weights += heads * n * n;
    last_weights += heads * s.predicted * n;
  }
  for (const std::int32_t id : ids_) {
    ensure(id >= 0 && id < layout_.shape.vocabulary, "token {} (the vocabulary has {})", id, layout_.shape.vocabulary);
  }
}

template <class Real>
void Transformer<Real>::embed(Real* x) const {
  const std::int64_t width = layout_.shape.width;
  for (std::int64_t i = 0; i < tokens_; ++i) {
    const Real* token = params_ + layout_.token_embedding + ids_[i] * width;
    const Real* position = params_ + layout_.position_embedding + positions_[i] * width;
    for (std::int64_t j = 0; j < width; ++j) x[i * width + j] = token[j] + position[j];
  }
}

template <class Real>
const Real* Transformer<Real>::forward(std::span<const Sequence> sequences) {
  ensure(params_ != nullptr, "a transformer without weights");
  pack(sequences);
  const std::int64_t width = layout_.shape.width, vocabulary = layout_.shape.vocabulary;
  embed(layers_[0].in.take(tokens_ * width));
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    attention(l);
    mlp(l);
  }
  Real* norm = final_norm_.take(predictions_ * width);
  normalize(final_.get(), params_ + layout_.final_norm, norm, final_inverse_.take(predictions_), predictions_, width);
  Real* logits = logits_.take(predictions_ * vocabulary);
  linear(norm, params_ + layout_.head, logits, predictions_, width, vocabulary);
  return logits;
}

// mid = in + attention(norm(in)), for the rows that the layer outputs.
template <class Real>
void Transformer<Real>::attention(std::size_t l) {
  Layer& layer = layers_[l];
  const TransformerLayout::Layer& at = layout_.layers[l];
  const std::int64_t width = layout_.shape.width, outputs = outputs_of(l);
  Real* norm = layer.in_norm.take(tokens_ * width);
  normalize(layer.in.get(), params_ + at.attention_norm, norm, layer.in_inverse.take(tokens_), tokens_, width);
  linear(norm, params_ + at.qkv, layer.qkv.take(3 * tokens_ * width), tokens_, width, 3 * width);
  attend(layer, segments_of(l));
  Real* mid = layer.mid.take(outputs * width);
  for (const Segment& s : segments_of(l)) {
    const Real* from = layer.in.get() + (s.input + s.first_query) * width;
    std::copy_n(from, s.queries() * width, mid + s.output * width);
  }
  linear(layer.attended.get(), params_ + at.attention_out, mid, outputs, width, width, Real{1});
}

// The next layer's input = mid + mlp(norm(mid)).
template <class Real>
void Transformer<Real>::mlp(std::size_t l) {
  Layer& layer = layers_[l];
  const TransformerLayout::Layer& at = layout_.layers[l];
  const std::int64_t width = layout_.shape.width, units = layout_.shape.hidden(), outputs = outputs_of(l);
  Real* norm = layer.mid_norm.take(outputs * width);
  normalize(layer.mid.get(), params_ + at.mlp_norm, norm, layer.mid_inverse.take(outputs), outputs, width);
  Real* hidden = layer.hidden.take(outputs * units);
  linear(norm, params_ + at.mlp_in, hidden, outputs, width, units);
  for (std::int64_t i = 0; i < outputs * units; ++i) hidden[i] = hidden[i] > 0 ? hidden[i] : Real{0};
  Real* next = (is_last(l) ? final_ : layers_[l + 1].in).take(outputs * width);
  std::copy_n(layer.mid.get(), outputs * width, next);
  linear(hidden, params_ + at.mlp_out, next, outputs, units, width, Real{1});
}

// attended = softmax(scale Q K^T) V for each head; keeps the attention weights for backward.
template <class Real>
void Transformer<Real>::attend(Layer& layer, std::span<const Segment> segments) {
  const std::int64_t width = layout_.shape.width, heads = layout_.shape.heads, head_width = layout_.shape.head_width();
  const Real scale = 1 / std::sqrt(static_cast<Real>(head_width));
  std::int64_t outputs = 0, weight_count = 0;
  for (const Segment& s : segments) {
    outputs += s.queries();
    weight_count += heads * s.queries() * s.length;
  }
  Real* weights = layer.weights.take(weight_count);
  Real* attended = layer.attended.take(outputs * width);
  const Qkv<const Real> rows = view<const Real>(layer.qkv.get());
  for (const Segment& s : segments) {
    for (std::int64_t h = 0; h < heads; ++h) {
      const std::int64_t queries = s.queries();
      Real* w = weights + s.weights + h * queries * s.length;
      product(Operand::plain, Operand::transposed, queries, s.length, head_width, scale,
              rows.query(s.input + s.first_query, h), rows.stride(), rows.key(s.input, h), rows.stride(), Real{0}, w,
              s.length);
      // Softmax under the causal mask: a token attends to itself and to earlier tokens.
      for (std::int64_t i = 0; i < queries; ++i) {
        Real* row = w + i * s.length;
        const std::int64_t visible = s.first_query + i + 1;
        const Real factor = 1 / exponentials(row, visible);
        for (std::int64_t j = 0; j < visible; ++j) row[j] *= factor;
        std::fill(row + visible, row + s.length, Real{0});
      }
      product(Operand::plain, Operand::plain, queries, head_width, s.length, Real{1}, w, s.length,
              rows.value(s.input, h), rows.stride(), Real{0}, attended + s.output * width + h * head_width, width);
    }
  }
}

// From the gradient of the attention's outputs to that of queries, keys and values. Masked weights are 0, and so are
// their gradients.
template <class Real>
void Transformer<Real>::attend_backward(const Layer& layer, std::span<const Segment> segments, const Real* d_attended,
                                        Real* d_qkv) {
  const std::int64_t width = layout_.shape.width, heads = layout_.shape.heads, head_width = layout_.shape.head_width();
  const Real scale = 1 / std::sqrt(static_cast<Real>(head_width));
  const Qkv<const Real> rows = view(layer.qkv.get());
  const Qkv<Real> d_rows = view(d_qkv);
  const std::int64_t stride = rows.stride();
  for (const Segment& s : segments) {
    const std::int64_t queries = s.queries(), n = s.length, first = s.input + s.first_query;
    Real* d_w = d_weights_.take(queries * n);
    for (std::int64_t i = s.input; i < first; ++i) std::fill_n(d_rows.query(i, 0), width, Real{0});
    for (std::int64_t h = 0; h < heads; ++h) {
      const Real* d_out = d_attended + s.output * width + h * head_width;
      const Real* w = layer.weights.get() + s.weights + h * queries * n;
      product(Operand::transposed, Operand::plain, n, head_width, queries, Real{1}, w, n, d_out, width, Real{0},
              d_rows.value(s.input, h), stride);
      product(Operand::plain, Operand::transposed, queries, n, head_width, Real{1}, d_out, width,
              rows.value(s.input, h), stride, Real{0}, d_w, n);
      for (std::int64_t i = 0; i < queries; ++i) {  // through the softmax
        Real* d = d_w + i * n;
        const Real* row = w + i * n;
        const Real mean = lane_sum<Real>(n, [=](std::int64_t j) { return row[j] * d[j]; });
        for (std::int64_t j = 0; j < n; ++j) d[j] = row[j] * (d[j] - mean);
      }
      product(Operand::plain, Operand::plain, queries, head_width, n, scale, d_w, n, rows.key(s.input, h), stride,
              Real{0}, d_rows.query(first, h), stride);
      product(Operand::transposed, Operand::plain, n, head_width, queries, scale, d_w, n, rows.query(first, h), stride,
              Real{0}, d_rows.key(s.input, h), stride);
    }
  }
}

template <class Real>
void Transformer<Real>::backward(const Real* slopes, Real* gradient) {
  const std::int64_t width = layout_.shape.width, vocabulary = layout_.shape.vocabulary;
  Real* d_x = d_x_.take(std::max(tokens_, predictions_) * width);  // with respect to the residual stream
  Real* d_norm = d_norm_.take(tokens_ * width);
  linear_weight(slopes, final_norm_.get(), gradient + layout_.head, predictions_, width, vocabulary);
  linear_input(slopes, params_ + layout_.head, d_norm, predictions_, width, vocabulary);
  std::fill_n(d_x, predictions_ * width, Real{0});
  normalize_backward(d_norm, final_.get(), params_ + layout_.final_norm, final_inverse_.get(), d_x,
                     gradient + layout_.final_norm, predictions_, width);
  for (std::size_t l = layers_.size(); l-- > 0;) {
    mlp_backward(l, d_x, gradient);
    attention_backward(l, d_x, gradient);
  }
  embed_backward(d_x, gradient);
}

template <class Real>
void Transformer<Real>::mlp_backward(std::size_t l, Real* d_x, Real* gradient) {
  const Layer& layer = layers_[l];
  const TransformerLayout::Layer& at = layout_.layers[l];
  const std::int64_t width = layout_.shape.width, units = layout_.shape.hidden(), outputs = outputs_of(l);
  Real* d_norm = d_norm_.get();
  Real* d_hidden = d_hidden_.take(outputs * units);
  const Real* hidden = layer.hidden.get();
  linear_weight(d_x, hidden, gradient + at.mlp_out, outputs, units, width);
  linear_input(d_x, params_ + at.mlp_out, d_hidden, outputs, units, width);
  for (std::int64_t i = 0; i < outputs * units; ++i) d_hidden[i] = hidden[i] > 0 ? d_hidden[i] : Real{0};
  linear_weight(d_hidden, layer.mid_norm.get(), gradient + at.mlp_in, outputs, width, units);
  linear_input(d_hidden, params_ + at.mlp_in, d_norm, outputs, width, units);
  normalize_backward(d_norm, layer.mid.get(), params_ + at.mlp_norm, layer.mid_inverse.get(), d_x,
                     gradient + at.mlp_norm, outputs, width);
}

// d_x [outputs, width] of the layer's outputs becomes d_x [tokens, width] of its inputs.
template <class Real>
void Transformer<Real>::attention_backward(std::size_t l, Real* d_x, Real* gradient) {
  const Layer& layer = layers_[l];
  const TransformerLayout::Layer& at = layout_.layers[l];
  const std::int64_t width = layout_.shape.width, outputs = outputs_of(l);
  Real* d_norm = d_norm_.get();
  Real* d_attended = d_attended_.take(outputs * width);
  linear_weight(d_x, layer.attended.get(), gradient + at.attention_out, outputs, width, width);
  linear_input(d_x, params_ + at.attention_out, d_attended, outputs, width, width);
  Real* d_qkv = d_qkv_.take(3 * tokens_ * width);
  attend_backward(layer, segments_of(l), d_attended, d_qkv);
  linear_weight(d_qkv, layer.in_norm.get(), gradient + at.qkv, tokens_, width, 3 * width);
  linear_input(d_qkv, params_ + at.qkv, d_norm, tokens_, width, 3 * width);
  Real* d_in = d_x;
  if (is_last(l)) {  // its outputs are the rows of the predictions alone
    d_in = d_in_.take(tokens_ * width);
    std::fill_n(d_in, tokens_ * width, Real{0});
    for (const Segment& s : last_segments_) {
      std::copy_n(d_x + s.output * width, s.queries() * width, d_in + (s.input + s.first_query) * width);
    }
  }
  normalize_backward(d_norm, layer.in.get(), params_ + at.attention_norm, layer.in_inverse.get(), d_in,
                     gradient + at.attention_norm, tokens_, width);
  if (d_in != d_x) std::copy_n(d_in, tokens_ * width, d_x);
}

template <class Real>
void Transformer<Real>::embed_backward(const Real* d_x, Real* gradient) const {
  const std::int64_t width = layout_.shape.width;
  for (std::int64_t i = 0; i < tokens_; ++i) {
    Real* token = gradient + layout_.token_embedding + ids_[i] * width;
    Real* position = gradient + layout_.position_embedding + positions_[i] * width;
    for (std::int64_t j = 0; j < width; ++j) {
      token[j] += d_x[i * width + j];
      position[j] += d_x[i * width + j];
    }
  }
}

template class Transformer<float>;
template class Transformer<double>;

}  // namespace shoal
