// How fast does an agent's transformer generate and learn on one core?
//
//   OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 build/release/bench/agents
//
// rollout/N: the policy answers N prompts. gradient: the gradient for a batch of 16 replies. Counters: `tokens`, tokens
// per second, sampled or in the batch's replies; `arithmetic`, the share of the time that decoding takes when its
// tokens are known, without draws and bookkeeping; `of_bound`, the share that the matrix products alone take, with the
// same numbers of rows.
#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros_like.h>

#include <numeric>

#include "bench/bound.hpp"
#include "datasets/language/shipped_weights.hpp"
#include "sim/agents/language/transformer_policy.hpp"
#include "sim/agents/users/talk.hpp"
#include "sim/nn/transformer/transformer_decoder.hpp"

namespace {

using namespace shoal;
using namespace shoal::bench;

struct Bench {
  Bench() { at::set_num_threads(1); }

  TransformerLayout layout{talking_shape()};
  at::Tensor params = transformer_parameters(layout.shape, parse_safetensors(shipped_weights(), "shipped"), "shipped");
  std::unique_ptr<Policy> policy = transformer_policy(layout.shape, params);
  std::unique_ptr<RolloutWorker> worker = policy->rollout_worker();
};

// Matrix products of the forward and the backward pass over `tokens` tokens with `predicted` predictions.
class Products {
 public:
  explicit Products(const Bench& bench) : layout_(bench.layout), params_(bench.params.clone()) {}

  void forward(std::int64_t tokens, std::int64_t predicted) {
    each(tokens, predicted, [this](std::int64_t offset, std::int64_t rows, std::int64_t in, std::int64_t out) {
      const float* weight = params_.const_data_ptr<float>() + offset;
      arithmetic::linear(x_.take(rows * in), weight, y_.take(rows * out), rows, in, out);
    });
  }
  void backward(std::int64_t tokens, std::int64_t predicted) {
    each(tokens, predicted, [this](std::int64_t offset, std::int64_t rows, std::int64_t in, std::int64_t out) {
      const float* weight = params_.const_data_ptr<float>() + offset;
      arithmetic::linear_input(y_.take(rows * out), weight, x_.take(rows * in), rows, in, out);
      arithmetic::linear_weight(y_.get(), x_.get(), w_.take(in * out), rows, in, out);
    });
  }

 private:
  template <class Use>
  void each(std::int64_t tokens, std::int64_t predicted, Use use) {
    const std::int64_t width = layout_.shape.width, hidden = layout_.shape.hidden();
    for (const TransformerLayout::Layer& layer : layout_.layers) {
      const std::int64_t out = &layer == &layout_.layers.back() ? predicted : tokens;
      use(layer.qkv, tokens, width, 3 * width);
      use(layer.attention_out, out, width, width);
      use(layer.mlp_in, out, width, hidden);
      use(layer.mlp_out, out, hidden, width);
    }
    use(layout_.head, predicted, width, std::int64_t{layout_.shape.vocabulary});
  }

  const TransformerLayout& layout_;
  at::Tensor params_;
  arithmetic::Memory<float> x_, y_, w_;
};

struct Prompts {
  std::vector<talk::Lesson> lessons;
  std::vector<std::span<const Token>> all;

  explicit Prompts(std::int64_t count) : lessons(count) {
    RandomStream random(random_key(1, "agents/world"), 0);
    for (talk::Lesson& lesson : lessons) {
      lesson = talk::lesson(random);
      all.emplace_back(lesson.prompt);
    }
  }
};

std::vector<RandomStream> streams(std::size_t count) {
  std::vector<RandomStream> all;
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(random_key(2, "agents/world"), i);
  return all;
}

// The arithmetic of RolloutWorker::reply, for tokens that are known.
void decode(TransformerDecoder& decoder, const Bench& bench, const Prompts& prompts,
            const std::vector<Reply>& replies) {
  std::vector<float> terms(bench.layout.shape.vocabulary);
  const auto soften = [&](const float* logits, std::size_t rows) {
    for (std::size_t i = 0; i < rows; ++i) {
      std::copy_n(logits + i * terms.size(), terms.size(), terms.data());
      benchmark::DoNotOptimize(arithmetic::exponentials(terms.data(), std::ssize(terms)));
    }
  };
  for (std::size_t first = 0; first < replies.size(); first += replies_together) {
    const std::size_t count = std::min(replies_together, replies.size() - first);
    soften(decoder.begin(std::span(prompts.all).subspan(first, count)), count);
    std::vector<int> active(count);
    std::iota(active.begin(), active.end(), 0);
    for (std::size_t length = 1;; ++length) {
      std::erase_if(active, [&](int i) { return replies[first + i].tokens.size() <= length; });
      if (active.empty()) break;
      std::vector<Token> tokens;
      for (const int i : active) tokens.push_back(replies[first + i].tokens[length - 1]);
      soften(decoder.step(active, tokens), active.size());
    }
  }
}

void products_of(Products& products, const Prompts& prompts, const std::vector<Reply>& replies) {
  for (std::size_t first = 0; first < replies.size(); first += replies_together) {
    const std::size_t count = std::min(replies_together, replies.size() - first);
    std::int64_t tokens = 0;
    for (std::size_t i = first; i < first + count; ++i) tokens += std::ssize(prompts.all[i]);
    products.forward(tokens, count);
    for (std::size_t length = 1; length < talk::longest_reply; ++length) {
      std::int64_t rows = 0;
      for (std::size_t i = first; i < first + count; ++i) rows += replies[i].tokens.size() > length ? 1 : 0;
      if (rows > 0) products.forward(rows, rows);
    }
  }
}

void rollout(benchmark::State& state) {
  const Bench bench;
  const Prompts prompts(state.range(0));
  std::vector<Reply> replies(prompts.all.size());
  bench.worker->load(bench.params);
  const auto answer = [&] {
    std::vector<RandomStream> random = streams(replies.size());
    bench.worker->reply(prompts.all, 1, random, replies);
  };
  for (auto _ : state) answer();
  std::int64_t tokens = 0;
  for (const Reply& reply : replies) tokens += std::ssize(reply.tokens);
  TransformerDecoder decoder(bench.layout);
  decoder.load(bench.params.const_data_ptr<float>());
  Products products(bench);
  const int tries = 20 + 3000 / state.range(0);
  const double all = fastest(tries, answer);
  state.counters["arithmetic"] = fastest(tries, [&] { decode(decoder, bench, prompts, replies); }) / all;
  state.counters["of_bound"] = fastest(tries, [&] { products_of(products, prompts, replies); }) / all;
  state.counters["tokens"] = benchmark::Counter(tokens, benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel("its matrix products");
}

void gradient(benchmark::State& state) {
  const Bench bench;
  const Prompts prompts(16);
  std::vector<Exchange> exchanges;
  std::int64_t tokens = 0, rows = 0;
  for (const talk::Lesson& lesson : prompts.lessons) {
    exchanges.push_back({lesson.prompt, lesson.reply});
    tokens += std::ssize(lesson.prompt) + std::ssize(lesson.reply) - 1;
    rows += std::ssize(lesson.reply);
  }
  bench.worker->load(bench.params);
  const at::Tensor slopes = at::ones({rows, bench.layout.shape.vocabulary}, at::kDouble);
  at::Tensor sum = at::zeros_like(bench.params);
  const auto learn = [&] { bench.worker->add_gradient(exchanges, slopes, sum); };
  for (auto _ : state) learn();
  Products products(bench);
  const double all = fastest(200, learn);
  state.counters["of_bound"] = fastest(200,
                                       [&] {
                                         products.forward(tokens, rows);
                                         products.backward(tokens, rows);
                                       }) /
                               all;
  state.counters["tokens"] = benchmark::Counter(rows, benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel("its matrix products");
}

BENCHMARK(rollout)->Arg(1)->Arg(16)->Arg(300);
BENCHMARK(gradient);

}  // namespace
