// A bag of tokens: every token of a reply is drawn from one softmax. Its logits are the language's log-frequencies plus
// learned logits of the topic, learned logits that all topics share, and three nats for each rule in the context. It
// has no hidden state, so it is cheap enough for thousands of users. The study `rules` has a similar policy over ten
// tokens.

#include <ATen/ops/zeros.h>

#include <cmath>

#include "sim/agents/softmax.hpp"
#include "sim/agents/users/talk.hpp"

namespace shoal::policies {
namespace {

using namespace talk;

using Logits = std::array<double, vocabulary>;

// Rows of logits in the parameter vector: each topic and tools have logits of their own, and all topics share some. The
// last parameter is added to the logit of the right answer.
constexpr std::int64_t tools_at = topics, shared_at = topics + 1, answer_at = (shared_at + 1) * vocabulary,
                       size = answer_at + 1;

// The part of a prompt that the policy uses.
struct Cue {
  std::int64_t own = tools_at;  // the row of the topic, or that of tools
  bool shares = false;          // the shared logits count too
  Token answer = -1;            // the right answer; -1: there is no question
  Logits context{};             // the sum of the rules' vectors in the context
};

// A rule and its opposite share an axis.
int axis_of(Rule rule) { return static_cast<int>(rule) % (rules / 2); }

Cue read(std::span<const Token> prompt) {
  Cue cue;
  if (prompt.size() > 1 && prompt[1] != tool_token) {
    cue.own = prompt[0] - topic_tokens.first;
    cue.shares = true;
  }
  std::array<Rule, rules / 2> latest{};
  std::array<bool, rules / 2> told{};
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const Token t = prompt[i];
    if (rule_tokens.contains(t)) {
      const Rule rule = static_cast<Rule>(t - rule_tokens.first);
      const int axis = axis_of(rule);
      latest[axis] = rule;
      told[axis] = true;
    }
    if (t == plus_token && i > 0 && i + 1 < prompt.size() && number_tokens.contains(prompt[i - 1]) &&
        number_tokens.contains(prompt[i + 1])) {
      cue.answer = prompt[i - 1] + prompt[i + 1] - number_tokens.first;
    }
  }
  constexpr double nats = 3;
  const auto sign = [&](Rule rule) {
    const int axis = axis_of(rule);
    if (!told[axis]) return 0.0;
    return latest[axis] == rule ? 1.0 : -1.0;
  };
  cue.context[bold_token] -= nats * sign(Rule::plain);
  cue.context[end_token] -= nats * sign(Rule::longer);
  for (int i = 0; i < warm_tokens.size; ++i) cue.context[warm_tokens[i]] += nats * sign(Rule::warmer);
  return cue;
}

// Logits with which a reply has no mark, ten tokens or a warm token with probability 0.40, 0.20 and 0.10.
Logits base(Token answer) {
  Logits z;
  z.fill(std::log(1e-4));
  z[end_token] = std::log(0.149);
  z[bold_token] = std::log(0.2235);
  for (int i = 0; i < warm_tokens.size; ++i) z[warm_tokens[i]] = std::log(0.0166 / warm_tokens.size);
  for (int i = 0; i < filler_tokens.size; ++i) z[filler_tokens[i]] = std::log(0.111 / filler_tokens.size);
  if (answer >= 0) z[answer] = std::log(0.5);
  return z;
}

class LinearWorker final : public RolloutWorker {
 public:
  explicit LinearWorker(double shared) : shared_(shared) {}

  void load(const at::Tensor& params) override {
    params_ = params.contiguous();
    theta_ = params_.const_data_ptr<float>();
  }

  void reply(std::span<const std::span<const Token>> prompts, double temperature, std::span<RandomStream> random,
             std::span<Reply> replies) override {
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const Logits log_p = log_softmax(read(prompts[i]), temperature);
      Logits bound;
      double sum = 0;
      for (std::size_t v = 0; v < log_p.size(); ++v) {
        sum += std::exp(log_p[v]);
        bound[v] = sum;
      }
      replies[i] = {};
      while (std::ssize(replies[i].tokens) < longest_reply) {
        const double at = random[i].uniform() * sum;
        const Token token = std::min<Token>(std::ranges::upper_bound(bound, at) - bound.begin(), vocabulary - 1);
        replies[i].tokens.push_back(token);
        replies[i].log_probs.push_back(log_p[token]);
        if (token == end_token) break;
      }
    }
  }

  at::Tensor log_probs(std::span<const Exchange> exchanges) override {
    at::Tensor all = at::zeros({positions(exchanges), vocabulary}, at::kDouble);
    double* to = all.mutable_data_ptr<double>();
    for (const Exchange& e : exchanges) {
      const Logits log_p = log_softmax(read(e.prompt), e.temperature);
      for (std::size_t i = 0; i < e.reply.size(); ++i) to = std::copy(log_p.begin(), log_p.end(), to);
    }
    return all;
  }

  void add_gradient(std::span<const Exchange> exchanges, const at::Tensor& slopes, at::Tensor& gradient) override {
    const double* slope = slopes.const_data_ptr<double>();
    float* to = gradient.mutable_data_ptr<float>();
    for (const Exchange& e : exchanges) {
      const Cue cue = read(e.prompt);
      const Logits log_p = log_softmax(cue, e.temperature);
      Logits by_logit{};
      for (std::size_t i = 0; i < e.reply.size() * vocabulary; ++i) by_logit[i % vocabulary] += *slope++;
      softmax_backward(log_p, by_logit);
      for (std::int64_t v = 0; v < vocabulary; ++v) {
        const double g = by_logit[v] / e.temperature;
        to[cue.own * vocabulary + v] += static_cast<float>(g);
        if (cue.shares) to[shared_at * vocabulary + v] += static_cast<float>(shared_ * g);
        if (v == cue.answer) to[answer_at] += static_cast<float>(g);
      }
    }
  }

 private:
  Logits log_softmax(const Cue& cue, double temperature) const {
    Logits z = base(cue.answer);
    for (std::int64_t v = 0; v < vocabulary; ++v) {
      double& x = z[v];
      x += cue.context[v] + theta_[cue.own * vocabulary + v];
      if (cue.shares) x += shared_ * theta_[shared_at * vocabulary + v];
      if (v == cue.answer) x += theta_[answer_at];
      x /= temperature;
    }
    shoal::log_softmax(z);
    return z;
  }

  double shared_;
  at::Tensor params_;
  const float* theta_ = nullptr;
};

class Linear final : public Policy {
 public:
  explicit Linear(const Settings& s)
      : shared_(s.number("shared", 0.5, "weight of the parameters that all topics share", at_least(0))) {
    layout_.add("topics", {topics, vocabulary});
    layout_.add("tools", {vocabulary});
    layout_.add("shared", {vocabulary});
    layout_.add("answer", {1});
  }

  const ParameterLayout& layout() const override { return layout_; }
  at::Tensor initial_parameters() const override { return at::zeros({size}); }
  std::unique_ptr<RolloutWorker> rollout_worker() const override { return std::make_unique<LinearWorker>(shared_); }
  double flops_per_token() const override { return 4.0 * vocabulary; }

 private:
  double shared_;
  ParameterLayout layout_;
};

}  // namespace

std::unique_ptr<Policy> linear(Settings& settings) { return std::make_unique<Linear>(settings); }

}  // namespace shoal::policies
