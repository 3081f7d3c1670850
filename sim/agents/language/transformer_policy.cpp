#include "sim/agents/language/transformer_policy.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sim/agents/softmax.hpp"
#include "sim/agents/users/talk.hpp"
#include "sim/error.hpp"
#include "sim/nn/transformer/transformer_decoder.hpp"

namespace shoal {
namespace {

struct Draw {
  Token token;
  double log_prob;
};

// Samples from softmax(logits / temperature); `weights` [V] is overwritten with its terms.
Draw draw(const float* logits, std::int64_t vocabulary, double temperature, float* weights, RandomStream& random) {
  std::copy_n(logits, vocabulary, weights);
  const double total = arithmetic::exponentials(weights, vocabulary, 1 / temperature);
  double left = random.uniform() * total;
  Token token = 0;
  for (; token + 1 < vocabulary; ++token) {
    left -= weights[token];
    if (!(left >= 0)) break;  // true as well where weights of a diverged model are NaN
  }
  return {token, std::log(weights[token] / total)};
}

// A reply of `length` tokens has ended or has the maximum length, or its next token would not fit the context.
bool is_complete(Token last, std::int64_t length, std::int64_t prompt, const TransformerShape& shape) {
  return last == talk::end_token || length >= talk::longest_reply || prompt + length > shape.context;
}

class TransformerGeneration final : public Generation {
 public:
  TransformerGeneration(const TransformerLayout& layout, const at::Tensor& params, std::span<const Token> prompt,
                        double temperature)
      : layout_(layout), decoder_(layout), params_(params), temperature_(temperature), prompt_(std::ssize(prompt)) {
    decoder_.load(params_.const_data_ptr<float>());
    logits_ = decoder_.begin({&prompt, 1});
    weights_.take(layout.shape.vocabulary);
  }

  bool step(std::int64_t tokens, RandomStream& random, Reply& reply) override {
    for (; tokens > 0; --tokens) {
      if (length_ > 0) logits_ = decoder_.step({&only_, 1}, {&last_, 1});
      const auto [token, log_prob] = draw(logits_, layout_.shape.vocabulary, temperature_, weights_.get(), random);
      reply.tokens.push_back(token);
      reply.log_probs.push_back(log_prob);
      last_ = token;
      ++length_;
      if (is_complete(token, length_, prompt_, layout_.shape)) return false;
    }
    return true;
  }

 private:
  static constexpr int only_ = 0;  // the decoder's only sequence

  const TransformerLayout& layout_;
  TransformerDecoder decoder_;
  at::Tensor params_;  // kept for the decoder
  double temperature_;
  std::int64_t prompt_, length_ = 0;  // numbers of tokens
  Token last_ = 0;
  const float* logits_ = nullptr;  // those that the decoder gave last
  arithmetic::Memory<float> weights_;
};

Sequence sequence(const Exchange& e) {
  const std::size_t read = e.reply.empty() ? 0 : e.reply.size() - 1;  // nothing is predicted from the last token
  return {.first = e.prompt, .rest = e.reply.first(read), .predicted = std::ssize(e.reply)};
}

class TransformerWorker final : public RolloutWorker {
 public:
  explicit TransformerWorker(const TransformerLayout& layout)
      : layout_(layout), decoder_(layout), transformer_(layout), vocabulary_(layout.shape.vocabulary) {}

  void load(const at::Tensor& params) override {
    ensure(params.numel() == layout_.parameters.size, "{} parameters for a transformer of {}", params.numel(),
           layout_.parameters.size);
    params_ = params.contiguous();
    if (reinterpret_cast<std::uintptr_t>(params_.const_data_ptr()) % 64 != 0) params_ = params_.clone();
    decoder_.load(params_.const_data_ptr<float>());
    transformer_.load(params_.const_data_ptr<float>());
  }

  void reply(std::span<const std::span<const Token>> prompts, double temperature, std::span<RandomStream> random,
             std::span<Reply> replies) override {
    for (std::size_t first = 0; first < prompts.size(); first += replies_together) {
      const std::size_t count = std::min(replies_together, prompts.size() - first);
      reply_together(prompts.subspan(first, count), temperature, random.subspan(first, count),
                     replies.subspan(first, count));
    }
  }

  at::Tensor log_probs(std::span<const Exchange> exchanges) override {
    at::Tensor all = at::empty({positions(exchanges), vocabulary_}, at::kDouble);
    double* to = all.mutable_data_ptr<double>();
    for_chunks(exchanges, [&](std::span<const Exchange> chunk, const float* logits) {
      for (const Exchange& e : chunk) {
        for (std::size_t i = 0; i < e.reply.size(); ++i) {
          log_softmax(row(logits), e.temperature, row(to));
          logits += vocabulary_;
          to += vocabulary_;
        }
      }
    });
    return all;
  }

  void add_gradient(std::span<const Exchange> exchanges, const at::Tensor& slopes, at::Tensor& gradient) override {
    const at::Tensor rows = slopes.contiguous();
    const double* slope = rows.const_data_ptr<double>();
    float* sum = gradient_.take(layout_.parameters.size);
    std::fill_n(sum, layout_.parameters.size, 0.0F);
    std::vector<double> log_p(vocabulary_), by_logit;
    for_chunks(exchanges, [&](std::span<const Exchange> chunk, const float* logits) {
      float* d = slopes_.take(positions(chunk) * vocabulary_);
      for (const Exchange& e : chunk) {
        for (std::size_t i = 0; i < e.reply.size(); ++i) {
          log_softmax(row(logits), e.temperature, log_p);
          by_logit.assign(slope, slope + vocabulary_);
          softmax_backward(log_p, by_logit);
          for (const double s : by_logit) *d++ = s / e.temperature;
          logits += vocabulary_;
          slope += vocabulary_;
        }
      }
      transformer_.backward(slopes_.get(), sum);
    });
    gradient.add_(at::from_blob(sum, {layout_.parameters.size}, at::kFloat));
  }

  std::unique_ptr<Generation> generate(std::span<const Token> prompt, double temperature) override {
    return std::make_unique<TransformerGeneration>(layout_, params_, prompt, temperature);
  }

 private:
  template <class T>
  std::span<T> row(T* values) const {
    return std::span<T>(values, vocabulary_);
  }

  void reply_together(std::span<const std::span<const Token>> prompts, double temperature,
                      std::span<RandomStream> random, std::span<Reply> replies) {
    active_.clear();
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      replies[i] = {};
      active_.push_back(i);
    }
    float* weights = weights_.take(vocabulary_);
    const float* logits = decoder_.begin(prompts);
    while (true) {
      std::size_t left = 0;
      tokens_.clear();
      for (std::size_t row = 0; row < active_.size(); ++row) {
        const int i = active_[row];
        const auto [token, log_prob] = draw(logits + row * vocabulary_, vocabulary_, temperature, weights, random[i]);
        replies[i].tokens.push_back(token);
        replies[i].log_probs.push_back(log_prob);
        if (is_complete(token, std::ssize(replies[i].tokens), std::ssize(prompts[i]), layout_.shape)) continue;
        active_[left] = i;
        ++left;
        tokens_.push_back(token);
      }
      active_.resize(left);
      if (left == 0) return;
      logits = decoder_.step(active_, tokens_);
    }
  }

  template <class Use>
  void for_chunks(std::span<const Exchange> exchanges, Use use) {
    while (!exchanges.empty()) {
      sequences_.clear();
      std::int64_t tokens = 0;
      for (const Exchange& e : exchanges) {
        sequences_.push_back(sequence(e));
        tokens += sequences_.back().length();
        if (tokens > tokens_together && sequences_.size() > 1) {
          sequences_.pop_back();
          break;
        }
      }
      use(exchanges.first(sequences_.size()), transformer_.forward(sequences_));
      exchanges = exchanges.subspan(sequences_.size());
    }
  }

  const TransformerLayout& layout_;
  TransformerDecoder decoder_;
  Transformer<float> transformer_;
  std::int64_t vocabulary_;
  at::Tensor params_;
  std::vector<Sequence> sequences_;
  std::vector<int> active_;    // replies that are not complete
  std::vector<Token> tokens_;  // their last tokens
  arithmetic::Memory<float> gradient_, slopes_, weights_;
};

class TransformerPolicy final : public Policy {
 public:
  TransformerPolicy(const TransformerShape& shape, const at::Tensor& start, std::string digest)
      : layout_(shape), start_(start.defined() ? start : layout_.random_parameters({})), digest_(std::move(digest)) {
    ensure(shape.vocabulary == talk::vocabulary, "a policy of {} tokens (the language has {})", shape.vocabulary,
           talk::vocabulary);
  }

  const ParameterLayout& layout() const override { return layout_.parameters; }
  at::Tensor initial_parameters() const override { return start_.clone(); }
  std::unique_ptr<RolloutWorker> rollout_worker() const override {
    return std::make_unique<TransformerWorker>(layout_);
  }
  double flops_per_token() const override { return layout_.flops_per_token(layout_.shape.context / 4.0); }
  std::string digest() const override { return digest_; }

 private:
  TransformerLayout layout_;
  at::Tensor start_;
  std::string digest_;
};

}  // namespace

TransformerShape talking_shape() { return {.vocabulary = talk::vocabulary, .context = talk::context}; }

std::unique_ptr<Policy> transformer_policy(const TransformerShape& shape, const at::Tensor& start, std::string digest) {
  return std::make_unique<TransformerPolicy>(shape, start, std::move(digest));
}

}  // namespace shoal
