// The transformer's arithmetic is causal, keeps sequences apart and has the right derivatives, and decoding with cached
// keys and values agrees with reading everything at once.
#include "sim/nn/transformer/transformer.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "sim/error.hpp"
#include "sim/nn/transformer/transformer_decoder.hpp"

namespace shoal {
namespace {

using Tokens = std::vector<std::int32_t>;

constexpr TransformerShape small{.vocabulary = 7, .context = 24, .width = 12, .layers = 2, .heads = 3, .ratio = 2};

// Larger weights than those of a fresh model, so that nothing is nearly linear.
at::Tensor weights_of(const TransformerLayout& layout, std::uint64_t seed) {
  at::Tensor params = layout.random_parameters(random_key(seed, "model/initial_parameters"));
  params.narrow(0, layout.head, layout.parameters.size - layout.head).mul_(30);
  return params;
}

Tokens draw_tokens(std::int64_t count, std::int64_t stream, int vocabulary) {
  RandomStream random(random_key(5, "source/synthetic"), stream);
  Tokens tokens;
  for (; count > 0; --count) tokens.push_back(random.below(vocabulary));
  return tokens;
}

// [predictions, vocabulary]
at::Tensor logits(const TransformerLayout& layout, const at::Tensor& params, std::span<const Sequence> sequences) {
  Transformer<double> transformer(layout);
  const at::Tensor wide = params.to(at::kDouble);
  transformer.load(wide.const_data_ptr<double>());
  std::int64_t rows = 0;
  for (const Sequence& s : sequences) rows += s.predicted;
  const double* found = transformer.forward(sequences);
  return at::tensor(std::vector<double>(found, found + rows * layout.shape.vocabulary)).view({rows, -1});
}

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

// The same network written with tensor operations, for one sequence with a prediction at each token.
at::Tensor by_tensors(const TransformerLayout& layout, const at::Tensor& params, const Tokens& tokens) {
  const TransformerShape& s = layout.shape;
  const at::Tensor all = params.to(at::kDouble);
  const auto at_place = [&](std::int64_t offset, std::int64_t rows, std::int64_t columns) {
    return all.narrow(0, offset, rows * columns).view({rows, columns});
  };
  const auto norm = [&](const at::Tensor& x, std::int64_t offset) {
    return x * at::rsqrt(x.square().mean(-1, true) + 1e-6) * at_place(offset, 1, s.width);
  };
  const std::int64_t n = std::ssize(tokens);
  const at::Tensor index = at::tensor(std::vector<std::int64_t>(tokens.begin(), tokens.end()));
  at::Tensor x = at_place(layout.token_embedding, s.vocabulary, s.width).index_select(0, index) +
                 at_place(layout.position_embedding, s.context, s.width).narrow(0, 0, n);
  const at::Tensor future = at::ones({n, n}, at::kBool).triu(1);
  for (const TransformerLayout::Layer& l : layout.layers) {
    const at::Tensor qkv = norm(x, l.attention_norm).matmul(at_place(l.qkv, 3 * s.width, s.width).t());
    const auto part = [&](int i) {
      return qkv.narrow(1, i * s.width, s.width).reshape({n, s.heads, s.head_width()}).transpose(0, 1);
    };
    const at::Tensor scores = part(0).matmul(part(1).transpose(1, 2)) / std::sqrt(s.head_width());
    const at::Tensor weights = scores.masked_fill(future, -std::numeric_limits<double>::infinity()).softmax(-1);
    const at::Tensor attended = weights.matmul(part(2)).transpose(0, 1).reshape({n, s.width});
    x = x + attended.matmul(at_place(l.attention_out, s.width, s.width).t());
    const at::Tensor units = norm(x, l.mlp_norm).matmul(at_place(l.mlp_in, s.hidden(), s.width).t()).relu();
    x = x + units.matmul(at_place(l.mlp_out, s.width, s.hidden()).t());
  }
  return norm(x, layout.final_norm).matmul(at_place(layout.head, s.vocabulary, s.width).t());
}

TEST(Transformer, AgreesWithTensorOperations) {
  const TransformerLayout layout(small);
  const at::Tensor params = weights_of(layout, 1);
  for (const std::int64_t n : {1, 2, 9, 24}) {
    const Tokens tokens = draw_tokens(n, n, small.vocabulary);
    const Sequence sequence{.first = tokens, .predicted = n};
    EXPECT_LT(difference(logits(layout, params, {&sequence, 1}), by_tensors(layout, params, tokens)), 1e-12);
  }
}

TEST(Transformer, HasTheParametersOfItsShape) {
  // tokens + positions + head: (64 + 96 + 64) 64; a layer: 4 64^2 + 8 64^2 + 2 64; one gain more.
  EXPECT_EQ(TransformerLayout(TransformerShape{}).parameters.size, 224 * 64 + 2 * (12 * 4096 + 128) + 64);
}

TEST(Transformer, FutureTokensDoNotChangeThePast) {
  const TransformerLayout layout(small);
  const at::Tensor params = weights_of(layout, 2);
  const Tokens tokens = draw_tokens(12, 0, small.vocabulary);
  const Sequence whole{.first = tokens, .predicted = 12};
  const at::Tensor before = logits(layout, params, {&whole, 1});
  for (std::size_t changed = 1; changed < tokens.size(); ++changed) {
    Tokens others = tokens;
    others[changed] = (others[changed] + 1) % small.vocabulary;
    const Sequence sequence{.first = others, .predicted = 12};
    const at::Tensor after = logits(layout, params, {&sequence, 1});
    const std::int64_t past = changed;
    EXPECT_EQ(difference(before.narrow(0, 0, past), after.narrow(0, 0, past)), 0) << changed;
    EXPECT_GT(difference(before.narrow(0, past, 1), after.narrow(0, past, 1)), 1e-6) << changed;
  }
}

TEST(Transformer, SequencesDoNotLeakIntoEachOther) {
  const TransformerLayout layout(small);
  const at::Tensor params = weights_of(layout, 3);
  std::vector<Tokens> tokens;
  std::vector<Sequence> sequences;
  for (const std::int64_t n : {5, 1, 24, 13}) tokens.push_back(draw_tokens(n, n, small.vocabulary));
  const std::int64_t predicted[] = {2, 1, 0, 13};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::span<const std::int32_t> all = tokens[i];
    sequences.push_back(
        {.first = all.first(all.size() / 2), .rest = all.subspan(all.size() / 2), .predicted = predicted[i]});
  }
  const at::Tensor together = logits(layout, params, sequences);
  std::int64_t row = 0;
  for (const Sequence& s : sequences) {
    if (s.predicted == 0) continue;
    // Not bit for bit: the library's products may sum in another order for another number of rows.
    EXPECT_LT(difference(together.narrow(0, row, s.predicted), logits(layout, params, {&s, 1})), 1e-12);
    row += s.predicted;
  }
}

TEST(Transformer, AgreesWithFiniteDifferences) {
  const TransformerLayout layout(small);
  const at::Tensor params = weights_of(layout, 4).to(at::kDouble);
  const Tokens a = draw_tokens(9, 1, small.vocabulary), b = draw_tokens(4, 2, small.vocabulary);
  const Sequence sequences[] = {{.first = a, .predicted = 4}, {.first = b, .predicted = 4}};
  const at::Tensor slopes = at::sin(at::arange(8 * small.vocabulary, at::kDouble)).contiguous();
  Transformer<double> transformer(layout);
  const auto value = [&](const at::Tensor& at_params) {
    transformer.load(at_params.const_data_ptr<double>());
    const double* found = transformer.forward(sequences);
    return std::inner_product(found, found + slopes.numel(), slopes.const_data_ptr<double>(), 0.0);
  };
  value(params);
  at::Tensor gradient = at::zeros_like(params);
  transformer.backward(slopes.const_data_ptr<double>(), gradient.mutable_data_ptr<double>());
  const double largest = gradient.abs().max().item<double>();
  ASSERT_GT(largest, 0.1);
  for (std::int64_t i = 0; i < params.numel(); ++i) {
    constexpr double step = 1e-5;
    at::Tensor up = params.clone(), down = params.clone();
    up.mutable_data_ptr<double>()[i] += step;
    down.mutable_data_ptr<double>()[i] -= step;
    // Central differences err by step^2 and by 1e-16 / step; no ReLU of this case is within a step of its kink.
    const double expected = (value(up) - value(down)) / (2 * step);
    ASSERT_NEAR(gradient[i].item<double>(), expected, 1e-7 * largest) << i;
  }
}

TEST(Transformer, AccumulatesGradients) {
  const TransformerLayout layout(small);
  const at::Tensor params = weights_of(layout, 4);
  const Tokens tokens = draw_tokens(6, 1, small.vocabulary);
  const Sequence sequence{.first = tokens, .predicted = 3};
  const at::Tensor slopes = at::ones({3 * small.vocabulary});
  Transformer<float> transformer(layout);
  transformer.load(params.const_data_ptr<float>());
  at::Tensor once = at::zeros_like(params), twice = at::zeros_like(params);
  for (at::Tensor* to : {&once, &twice, &twice}) {
    transformer.forward({&sequence, 1});
    transformer.backward(slopes.const_data_ptr<float>(), to->mutable_data_ptr<float>());
  }
  EXPECT_LT(difference(2 * once, twice), 1e-5 * once.abs().max().item<double>());
}

TEST(Decoder, GivesTheLogitsOfReadingEverything) {
  const TransformerShape shape{.vocabulary = 11, .context = 40, .width = 24, .layers = 3, .heads = 2};
  const TransformerLayout layout(shape);
  const at::Tensor params = weights_of(layout, 6);
  TransformerDecoder decoder(layout);
  decoder.load(params.const_data_ptr<float>());
  std::vector<Tokens> read;
  for (const std::int64_t n : {3, 17, 1, 20}) read.push_back(draw_tokens(n, n, shape.vocabulary));
  std::vector<int> active{0, 1, 2, 3};
  const std::vector<Tokens> prompts = read;
  const std::vector<std::span<const std::int32_t>> views(prompts.begin(), prompts.end());
  const float* found = decoder.begin(views);
  for (int step = 0; step < 20; ++step) {
    for (std::size_t row = 0; row < active.size(); ++row) {
      const Sequence sequence{.first = read[active[row]]};
      const at::Tensor expected = logits(layout, params, {&sequence, 1})[0];
      const double scale = expected.abs().max().item<double>();
      for (int v = 0; v < shape.vocabulary; ++v) {
        // float32 against float64: some hundred roundings of 6e-8.
        ASSERT_NEAR(found[row * 11 + v], expected[v].item<double>(), 2e-5 * scale) << step << " " << active[row];
      }
    }
    if (step == 4) active = {0, 2, 3};
    if (step == 9) active = {2};
    Tokens chosen = draw_tokens(std::ssize(active), 100 + step, shape.vocabulary);
    for (std::size_t row = 0; row < active.size(); ++row) read[active[row]].push_back(chosen[row]);
    found = decoder.step(active, chosen);
  }
}

TEST(Decoder, RefusesTokensBeyondTheContext) {
  const TransformerLayout layout(small);
  const at::Tensor params = weights_of(layout, 7);
  TransformerDecoder decoder(layout);
  decoder.load(params.const_data_ptr<float>());
  const Tokens prompt = draw_tokens(small.context, 0, small.vocabulary);
  const std::span<const std::int32_t> view = prompt;
  decoder.begin({&view, 1});
  const int active = 0;
  const std::int32_t chosen = 1;
  EXPECT_THROW(decoder.step({&active, 1}, {&chosen, 1}), BrokenInvariant);
}

TEST(Arithmetic, ExponentialAgreesWithTheLibrary) {
  for (double x = 0; x > -87; x -= 0.00137) {
    const float f = x;
    const double rounded = f, expected = std::exp(rounded);
    ASSERT_NEAR(arithmetic::exponential(arithmetic::Lanes::all(f))[3] / expected, 1, 2.4e-7) << x;  // 2 units of 2^-23
  }
  EXPECT_LT(arithmetic::exponential(arithmetic::Lanes::all(-std::numeric_limits<float>::infinity()))[0], 2e-38F);
}

TEST(Arithmetic, SumsAnyNumberOfExponentials) {
  for (std::int64_t n = 1; n < 40; ++n) {
    std::vector<float> x;
    std::vector<double> wide;
    for (std::int64_t i = 0; i < n; ++i) {
      x.push_back(3 * std::sin(7 * i + n));
      wide.push_back(x.back());
    }
    const float sum = arithmetic::exponentials(x.data(), n, 0.5F);
    const double expected = arithmetic::exponentials(wide.data(), n, 0.5);
    EXPECT_NEAR(sum / expected, 1, 1e-6);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], wide[i], 1e-6);
    EXPECT_EQ(std::ranges::max(wide), 1);
  }
}

TEST(Layout, RefusesHeadsThatDoNotDivideTheWidth) {
  EXPECT_THROW(TransformerLayout({.width = 64, .heads = 3}), UserError);
  EXPECT_THROW(TransformerLayout({.width = 40'000}), UserError);
}

}  // namespace
}  // namespace shoal
