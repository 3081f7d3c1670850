#include "sim/agents/transformer_policy.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sim/agents/softmax.hpp"
#include "sim/agents/talk.hpp"
#include "sim/error.hpp"
#include "sim/task/transformer_decoder.hpp"

namespace shoal {
namespace {

// Draws from softmax(logits / temperature); `weights` [V] is overwritten with its terms.
int draw(const float* logits, std::int64_t vocabulary, double temperature, float* weights, RandomStream& random,
         double& log_prob) {
  std::copy_n(logits, vocabulary, weights);
  const auto total =
      static_cast<double>(arithmetic::exponentials(weights, vocabulary, static_cast<float>(1 / temperature)));
  double left = random.uniform() * total;
  std::int64_t chosen = 0;
  while (chosen + 1 < vocabulary && (left -= static_cast<double>(weights[chosen])) >= 0) ++chosen;
  log_prob = std::log(static_cast<double>(weights[chosen]) / total);
  return static_cast<int>(chosen);
}

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
    const auto size = static_cast<std::size_t>(vocabulary_);
    for_chunks(exchanges, [&](std::span<const Exchange> chunk, const float* logits) {
      for (const Exchange& e : chunk) {
        for (std::size_t i = 0; i < e.reply.size(); ++i, logits += vocabulary_, to += vocabulary_) {
          log_softmax({logits, size}, e.temperature, {to, size});
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
    const auto size = static_cast<std::size_t>(vocabulary_);
    std::vector<double> log_p(size), by_logit(size);
    for_chunks(exchanges, [&](std::span<const Exchange> chunk, const float* logits) {
      float* d = slopes_.take(positions(chunk) * vocabulary_);
      for (const Exchange& e : chunk) {
        for (std::size_t i = 0; i < e.reply.size(); ++i, logits += vocabulary_, slope += vocabulary_) {
          log_softmax({logits, size}, e.temperature, log_p);
          by_logit.assign(slope, slope + vocabulary_);
          softmax_backward(log_p, by_logit);
          for (const double s : by_logit) *d++ = static_cast<float>(s / e.temperature);
        }
      }
      transformer_.backward(slopes_.get(), sum);
    });
    gradient.add_(at::from_blob(sum, {layout_.parameters.size}, at::kFloat));
  }

 private:
  void reply_together(std::span<const std::span<const Token>> prompts, double temperature,
                      std::span<RandomStream> random, std::span<Reply> replies) {
    active_.clear(), said_.clear();
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      replies[i].tokens.clear(), replies[i].log_probs.clear();
      active_.push_back(static_cast<int>(i));
    }
    float* weights = weights_.take(vocabulary_);
    const float* logits = decoder_.begin(prompts);
    while (true) {
      std::size_t left = 0;
      said_.clear();
      for (std::size_t row = 0; row < active_.size(); ++row) {
        const auto who = static_cast<std::size_t>(active_[row]);
        double log_prob = 0;
        const Token token = draw(logits + static_cast<std::int64_t>(row) * vocabulary_, vocabulary_, temperature,
                                 weights, random[who], log_prob);
        replies[who].tokens.push_back(token);
        replies[who].log_probs.push_back(log_prob);
        const auto room = layout_.shape.context - std::ssize(prompts[who]);  // positions for words that are read again
        const auto said = std::ssize(replies[who].tokens);
        if (token == talk::end_token || said >= talk::longest_reply || said > room) continue;
        active_[left++] = active_[row];
        said_.push_back(token);
      }
      active_.resize(left);
      if (left == 0) return;
      logits = decoder_.step(active_, said_);
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
  std::vector<int> active_;
  std::vector<Token> said_;
  arithmetic::Memory<float> gradient_, slopes_, weights_;
};

class TransformerPolicy final : public Policy {
 public:
  TransformerPolicy(const TransformerShape& shape, const at::Tensor& start, std::string digest)
      : layout_(shape), start_(start.defined() ? start : layout_.random_parameters({})), digest_(std::move(digest)) {
    ensure(shape.vocabulary == talk::vocabulary, "a policy of {} words (the language has {})", shape.vocabulary,
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
