#include "sim/agents/warm_up.hpp"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sim/agents/conversation.hpp"
#include "sim/task/adam.hpp"

namespace shoal {
namespace {

// Draws of training are keyed by the step, those of measuring by this and a number below.
constexpr std::int64_t measuring = 1;

double rate_at(const WarmUp& options, std::int64_t step) {
  constexpr double rise = 100;
  const double part = static_cast<double>(step) / static_cast<double>(options.steps);
  return options.rate * std::min(1.0, (static_cast<double>(step) + 1) / rise) * 0.5 *
         (1 + std::cos(std::numbers::pi * part));
}

std::vector<Exchange> exchanges_of(const std::vector<talk::Lesson>& lessons) {
  std::vector<Exchange> exchanges;
  for (const talk::Lesson& lesson : lessons) exchanges.push_back({lesson.prompt, lesson.reply});
  return exchanges;
}

double norm(std::span<const float> values) {
  double squares = 0;
  for (const double x : values) squares += x * x;
  return std::sqrt(squares);
}

}  // namespace

at::Tensor warm_up(const Policy& policy, const at::Tensor& start, const WarmUp& options,
                   const std::function<void(std::int64_t)>& progress) {
  const std::unique_ptr<RolloutWorker> worker = policy.rollout_worker();
  at::Tensor params = start.clone();
  at::Tensor gradient = at::zeros_like(params);
  const auto size = static_cast<std::size_t>(params.numel());
  SpanAdam adam(size);
  std::vector<talk::Lesson> lessons(static_cast<std::size_t>(options.batch));
  for (std::int64_t step = 0; step < options.steps; ++step) {
    RandomStream random(random_key(options.seed, Purpose::agent_warm_up), step);
    std::int64_t words = 0;
    for (talk::Lesson& lesson : lessons) {
      lesson = talk::lesson(random);
      words += std::ssize(lesson.reply);
    }
    at::Tensor slopes = at::zeros({words, talk::vocabulary}, at::kDouble);
    double* row = slopes.mutable_data_ptr<double>();
    for (const talk::Lesson& lesson : lessons) {
      for (const Token token : lesson.reply) {
        row[token] = -1 / static_cast<double>(words);
        row += talk::vocabulary;
      }
    }
    gradient.zero_();
    worker->load(params);
    worker->add_gradient(exchanges_of(lessons), slopes, gradient);
    const std::span<const float> slope(gradient.const_data_ptr<float>(), size);
    const double factor = std::min(1.0, options.clip / std::max(norm(slope), 1e-12));
    adam.apply({params.mutable_data_ptr<float>(), size}, slope, rate_at(options, step), factor);
    if (progress) progress(step + 1);
  }
  return params;
}

namespace {

// Next-word loss of the policy, and of the best worker without a context.
std::pair<double, double> losses(RolloutWorker& worker, std::uint64_t seed) {
  constexpr std::int64_t stream = 0;
  RandomStream random(random_key(seed, Purpose::agent_warm_up), stream, measuring);
  std::vector<talk::Lesson> lessons(600);
  for (talk::Lesson& lesson : lessons) lesson = talk::lesson(random);
  const at::Tensor table = worker.log_probs(exchanges_of(lessons));
  const double* row = table.const_data_ptr<double>();
  double sum = 0, words = 0;
  std::array<double, talk::vocabulary> count{};
  for (const talk::Lesson& lesson : lessons) {
    for (const Token token : lesson.reply) {
      sum -= row[token];
      row += talk::vocabulary;
      ++count[static_cast<std::size_t>(token)];
      ++words;
    }
  }
  double entropy = 0;
  for (const double c : count) entropy -= c > 0 ? c / words * std::log(c / words) : 0;
  return {sum / words, entropy};
}

// One question in the three forms: nothing said about the rule, said in a correction, said in a hint.
struct Asked {
  talk::Question question;
  std::array<std::vector<Token>, 3> prompts;
};

Asked ask(talk::Rule rule, RandomStream& random) {
  talk::UserBehaviour behaviour;
  behaviour.directive = 1;
  const talk::User user{.topic = static_cast<int>(random.below(talk::topics)), .rules = {rule}};
  talk::Conversation conversation(user, behaviour, random);
  Asked asked{.question = conversation.question(), .prompts = {}};
  asked.prompts[0] = conversation.prompt();
  asked.prompts[2] = talk::Conversation::hinted(asked.prompts[0], std::vector<Token>{talk::token_of(rule)});
  std::vector<Token> failed;
  do {
    failed = talk::model_reply(asked.question, {}, random);
  } while (talk::satisfies(rule, failed));
  conversation.react(failed, random);
  asked.prompts[1] = conversation.prompt();
  return asked;
}

}  // namespace

Fluency fluency(const Policy& policy, const at::Tensor& params, std::uint64_t seed) {
  const std::unique_ptr<RolloutWorker> worker = policy.rollout_worker();
  worker->load(params);
  Fluency found;
  std::tie(found.loss, found.baseline) = losses(*worker, seed);
  constexpr int conversations = 300;
  const std::array<std::array<double, talk::rules>*, 3> shares{&found.plain, &found.told, &found.hinted};
  for (int rule = 0; rule < talk::rules; ++rule) {
    std::vector<Asked> asked;
    std::vector<RandomStream> random;
    std::vector<std::span<const Token>> prompts;
    for (int i = 0; i < conversations; ++i) {
      random.emplace_back(random_key(seed, Purpose::agent_warm_up), 1 + rule * conversations + i, measuring);
      asked.push_back(ask(static_cast<talk::Rule>(rule), random.back()));
    }
    for (std::size_t form = 0; form < shares.size(); ++form) {
      prompts.clear();
      for (const Asked& one : asked) prompts.push_back(one.prompts[form]);
      std::vector<Reply> replies(prompts.size());
      worker->reply(prompts, 1, random, replies);
      int follows = 0, correct = 0;
      for (std::size_t i = 0; i < replies.size(); ++i) {
        follows += talk::satisfies(static_cast<talk::Rule>(rule), replies[i].tokens) ? 1 : 0;
        correct += talk::is_correct(asked[i].question, replies[i].tokens) ? 1 : 0;
      }
      (*shares[form])[static_cast<std::size_t>(rule)] = static_cast<double>(follows) / conversations;
      if (form == 0) found.correct += static_cast<double>(correct) / (conversations * talk::rules);
    }
  }
  found.gain = hint_gain(policy, params, seed);
  return found;
}

}  // namespace shoal
