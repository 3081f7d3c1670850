#include "sim/agents/language/pretraining.hpp"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sim/agents/users/conversation.hpp"
#include "sim/nn/adam.hpp"

namespace shoal {
namespace {

// Random draws of training are keyed by the step alone, those of the evaluation by a number of their own and this one.
constexpr std::int64_t evaluation = 1;
constexpr int conversations = 300;  // for each rule

double rate_at(const Pretraining& options, std::int64_t step) {
  constexpr double warm_up = 100;  // steps
  const double part = 1.0 * step / options.steps;
  return options.rate * std::min(1.0, (step + 1.0) / warm_up) * 0.5 * (1 + std::cos(std::numbers::pi * part));
}

std::vector<talk::Lesson> draw_lessons(std::size_t count, RandomStream random) {
  std::vector<talk::Lesson> lessons(count);
  for (talk::Lesson& lesson : lessons) lesson = talk::lesson(random);
  return lessons;
}

std::vector<Exchange> exchanges_of(const std::vector<talk::Lesson>& lessons) {
  std::vector<Exchange> exchanges;
  exchanges.reserve(lessons.size());
  for (const talk::Lesson& lesson : lessons) exchanges.push_back({lesson.prompt, lesson.reply});
  return exchanges;
}

// Derivatives of the mean next-token loss with respect to log-probabilities, [positions, V].
at::Tensor slopes_of(const std::vector<talk::Lesson>& lessons, std::int64_t positions) {
  at::Tensor slopes = at::zeros({positions, talk::vocabulary}, at::kDouble);
  double* row = slopes.mutable_data_ptr<double>();
  for (const talk::Lesson& lesson : lessons) {
    for (const Token token : lesson.reply) {
      row[token] = -1.0 / positions;
      row += talk::vocabulary;
    }
  }
  return slopes;
}

double norm(std::span<const float> values) {
  double squares = 0;
  for (const double x : values) squares += x * x;
  return std::sqrt(squares);
}

}  // namespace

at::Tensor pretrain(const Policy& policy, const at::Tensor& start, const Pretraining& options,
                    const std::function<void(std::int64_t)>& progress) {
  const std::unique_ptr<RolloutWorker> worker = policy.rollout_worker();
  at::Tensor params = start.clone();
  at::Tensor gradient = at::zeros_like(params);
  const std::size_t size = params.numel();
  SpanAdam adam(size);
  for (std::int64_t step = 0; step < options.steps; ++step) {
    const std::vector<talk::Lesson> lessons =
        draw_lessons(options.batch, RandomStream(random_key(options.seed, "agents/pretraining"), step));
    const std::vector<Exchange> exchanges = exchanges_of(lessons);
    gradient.zero_();
    worker->load(params);
    worker->add_gradient(exchanges, slopes_of(lessons, positions(exchanges)), gradient);
    const std::span<const float> slope(gradient.const_data_ptr<float>(), size);
    const double factor = std::min(1.0, options.clip / std::max(norm(slope), 1e-12));
    adam.apply({params.mutable_data_ptr<float>(), size}, slope, rate_at(options, step), factor);
    if (progress) progress(step + 1);
  }
  return params;
}

namespace {

// Measures the losses of the policy and of the best unigram model.
void measure_losses(RolloutWorker& worker, std::uint64_t seed, Fluency& found) {
  constexpr std::int64_t stream = 0;
  const std::vector<talk::Lesson> lessons =
      draw_lessons(600, RandomStream(random_key(seed, "agents/pretraining"), stream, evaluation));
  const at::Tensor table = worker.log_probs(exchanges_of(lessons));
  const double* row = table.const_data_ptr<double>();
  double sum = 0, tokens = 0;
  std::array<double, talk::vocabulary> count{};
  for (const talk::Lesson& lesson : lessons) {
    for (const Token token : lesson.reply) {
      sum -= row[token];
      row += talk::vocabulary;
      ++count[token];
      ++tokens;
    }
  }
  found.loss = sum / tokens;
  for (const double c : count) {
    if (c > 0) found.unigram -= c / tokens * std::log(c / tokens);
  }
}

// The same question in three prompts: without instruction, after a correction, with a hint.
struct Case {
  talk::Question question;
  std::vector<Token> uninstructed, corrected, hinted;
};

Case draw_case(talk::Rule rule, RandomStream& random) {
  talk::UserBehaviour behaviour;
  behaviour.directive = 1;
  talk::User user{.rules = {rule}};
  user.topic = random.below(talk::topics);
  talk::Conversation conversation(user, behaviour, random);
  Case one{.question = conversation.question(), .uninstructed = conversation.prompt(), .corrected = {}, .hinted = {}};
  one.hinted = talk::Conversation::hinted(one.uninstructed, std::vector<Token>{talk::token_of(rule)});
  std::vector<Token> failed;
  do {
    failed = talk::model_reply(one.question, {}, random);
  } while (talk::satisfies(rule, failed));
  conversation.react(failed, random);
  one.corrected = conversation.prompt();
  return one;
}

struct Shares {
  double follows = 0, correct = 0;
};

// Shares of replies to the prompt `form` of each case that satisfy the rule, and that have the right answer.
Shares shares_of(RolloutWorker& worker, std::span<const Case> cases, talk::Rule rule, std::vector<Token> Case::*form,
                 std::vector<RandomStream>& random) {
  std::vector<std::span<const Token>> prompts;
  for (const Case& one : cases) prompts.push_back(one.*form);
  std::vector<Reply> replies(prompts.size());
  worker.reply(prompts, 1, random, replies);
  Shares sum;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    sum.follows += talk::satisfies(rule, replies[i].tokens) ? 1 : 0;
    sum.correct += talk::is_correct(cases[i].question, replies[i].tokens) ? 1 : 0;
  }
  return {sum.follows / conversations, sum.correct / (conversations * talk::rules)};
}

}  // namespace

Fluency fluency(const Policy& policy, const at::Tensor& params, std::uint64_t seed) {
  const std::unique_ptr<RolloutWorker> worker = policy.rollout_worker();
  worker->load(params);
  Fluency found;
  measure_losses(*worker, seed, found);
  for (int r = 0; r < talk::rules; ++r) {
    const auto rule = static_cast<talk::Rule>(r);
    std::vector<Case> cases;
    std::vector<RandomStream> random;
    for (int i = 0; i < conversations; ++i) {
      random.emplace_back(random_key(seed, "agents/pretraining"), 1 + r * conversations + i, evaluation);
      cases.push_back(draw_case(rule, random.back()));
    }
    const Shares uninstructed = shares_of(*worker, cases, rule, &Case::uninstructed, random);
    found.uninstructed[r] = uninstructed.follows;
    found.correct += uninstructed.correct;
    found.corrected[r] = shares_of(*worker, cases, rule, &Case::corrected, random).follows;
    found.hinted[r] = shares_of(*worker, cases, rule, &Case::hinted, random).follows;
  }
  found.gain = hint_gain(policy, params, seed);
  return found;
}

}  // namespace shoal
