// The transformer as a policy: its replies and their log-probabilities, its weights' file, the value of hints.

#include "sim/agents/language/transformer_policy.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "datasets/language/shipped_weights.hpp"
#include "sim/agents/language/pretraining.hpp"
#include "sim/agents/users/talk.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

// The policy, opened as the composer opens it.
std::unique_ptr<Policy> opened(Settings settings) {
  std::unique_ptr<Policy> policy = find_part<Policy>("policy", "transformer").make(settings);
  policy->open(shipped_weights);
  return policy;
}

std::unique_ptr<Policy> shipped() { return opened(Settings()); }

std::vector<RandomStream> streams(std::size_t count, std::int64_t from = 0) {
  std::vector<RandomStream> all;
  for (std::size_t i = 0; i < count; ++i) {
    all.emplace_back(random_key(3, "agents/world"), from + i);
  }
  return all;
}

std::vector<talk::Lesson> lessons(int count) {
  RandomStream random(random_key(4, "agents/world"), 0);
  std::vector<talk::Lesson> all;
  for (; count > 0; --count) all.push_back(talk::lesson(random));
  return all;
}

std::vector<std::span<const Token>> prompts_of(const std::vector<talk::Lesson>& lessons) {
  std::vector<std::span<const Token>> prompts;
  for (const talk::Lesson& lesson : lessons) prompts.emplace_back(lesson.prompt);
  return prompts;
}

std::vector<Reply> replies(RolloutWorker& worker, const std::vector<talk::Lesson>& lessons, double temperature,
                           std::vector<RandomStream> random) {
  std::vector<Reply> all(lessons.size());
  worker.reply(prompts_of(lessons), temperature, random, all);
  return all;
}

TEST(TransformerPolicy, ComesWithWeights) {
  const auto policy = shipped();
  // tokens + positions + head: (64 + 64 + 64) 64; two layers of 12 64^2 + 2 64; one gain more.
  EXPECT_EQ(policy->layout().size, 192 * 64 + 2 * (12 * 4096 + 128) + 64);
  EXPECT_EQ(policy->initial_parameters().numel(), policy->layout().size);
  EXPECT_EQ(policy->digest().size(), 64U);
}

TEST(TransformerPolicy, EndsRepliesAndKnowsTheirProbabilities) {
  const auto policy = shipped();
  const auto worker = policy->rollout_worker();
  worker->load(policy->initial_parameters());
  const auto examples = lessons(70);  // more than are generated together
  constexpr double temperature = 0.7;
  const auto answers = replies(*worker, examples, temperature, streams(70));
  std::vector<Exchange> exchanges;
  std::vector<double> rolled;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto& tokens = answers[i].tokens;
    ASSERT_FALSE(tokens.empty());
    ASSERT_TRUE(tokens.back() == talk::end_token || std::ssize(tokens) == talk::longest_reply);
    ASSERT_EQ(std::ranges::count(tokens, talk::end_token), tokens.back() == talk::end_token ? 1 : 0);
    exchanges.push_back({examples[i].prompt, tokens, temperature});
    rolled.insert(rolled.end(), answers[i].log_probs.begin(), answers[i].log_probs.end());
  }
  const at::Tensor table = worker->log_probs(exchanges);
  ASSERT_EQ(table.size(0), std::ssize(rolled));
  EXPECT_LT((table.exp().sum(1) - 1).abs().max().item<double>(), 1e-12);
  std::int64_t row = 0;
  for (const Reply& reply : answers) {
    for (const Token token : reply.tokens) {
      // Decoding with cached keys and values against a full forward pass, both in float32.
      ASSERT_NEAR(table[row][token].item<double>(), rolled[row], 1e-4);
      ++row;
    }
  }
}

TEST(TransformerPolicy, RepliesDrawFromTheirOwnStreams) {
  const auto policy = shipped();
  const auto worker = policy->rollout_worker();
  worker->load(policy->initial_parameters());
  const auto examples = lessons(20);
  const auto before = replies(*worker, examples, 1, streams(20));
  auto random = streams(20, 1000);
  random[7] = streams(20)[7];
  const auto after = replies(*worker, examples, 1, random);
  EXPECT_EQ(after[7].tokens, before[7].tokens);
  int changed = 0;
  for (std::size_t i = 0; i < 20; ++i) changed += after[i].tokens != before[i].tokens ? 1 : 0;
  EXPECT_GT(changed, 10);
}

TEST(TransformerPolicy, GivesTheSameBitsForTheSameCall) {
  const auto policy = shipped();
  const auto examples = lessons(40);
  const auto once = policy->rollout_worker(), again = policy->rollout_worker();
  once->load(policy->initial_parameters());
  // At another alignment in memory, and after other work.
  const at::Tensor room = at::empty({policy->layout().size + 1});
  again->load(room.narrow(0, 1, policy->layout().size).copy_(policy->initial_parameters()));
  replies(*again, lessons(3), 1, streams(3));
  const auto a = replies(*once, examples, 1, streams(40)), b = replies(*again, examples, 1, streams(40));
  std::vector<Exchange> exchanges;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens);
    EXPECT_EQ(a[i].log_probs, b[i].log_probs);
    exchanges.push_back({examples[i].prompt, a[i].tokens});
  }
  const at::Tensor table = once->log_probs(exchanges);
  EXPECT_TRUE(at::equal(table, again->log_probs(exchanges)));
  at::Tensor first = at::zeros({policy->layout().size}), second = at::zeros_like(first);
  once->add_gradient(exchanges, table, first);
  again->add_gradient(exchanges, table, second);
  EXPECT_TRUE(at::equal(first, second));
}

// In steps of any size, several replies in turn, while the worker has other weights already.
TEST(TransformerPolicy, GivesTheSameBitsInSteps) {
  const auto policy = shipped();
  const auto worker = policy->rollout_worker();
  const at::Tensor params = policy->initial_parameters();
  auto examples = lessons(30);
  examples[0].prompt.resize(talk::context - 2, talk::agent_token);  // ends with the context
  std::vector<Reply> whole(30), stepped(30);
  std::vector<RandomStream> once = streams(30), again = streams(30);
  worker->load(params);
  std::vector<std::unique_ptr<Generation>> generations;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::span<const Token> prompt(examples[i].prompt);
    worker->reply({&prompt, 1}, 0.7, {&once[i], 1}, {&whole[i], 1});
    generations.push_back(worker->generate(prompt, 0.7));
  }
  EXPECT_LE(whole[0].tokens.size(), 3U);
  worker->load(params * 2);
  for (std::size_t running = 30; running > 0;) {
    for (std::size_t i = 0; i < examples.size(); ++i) {
      if (!generations[i]) continue;
      const std::size_t before = stepped[i].tokens.size(), step = 1 + i % 3;
      const bool more = generations[i]->step(step, again[i], stepped[i]);
      if (more) {
        ASSERT_EQ(stepped[i].tokens.size(), before + step);
        continue;
      }
      generations[i].reset();
      --running;
    }
  }
  for (std::size_t i = 0; i < examples.size(); ++i) {
    EXPECT_EQ(stepped[i].tokens, whole[i].tokens);
    EXPECT_EQ(stepped[i].log_probs, whole[i].log_probs);
    EXPECT_EQ(again[i].bits(), once[i].bits());
  }
}

TEST(TransformerPolicy, HasTheGradientOfItsLogProbabilities) {
  const auto policy = shipped();
  const auto worker = policy->rollout_worker();
  const at::Tensor params = policy->initial_parameters();
  const auto examples = lessons(40);  // more tokens than are scored together
  std::vector<Exchange> exchanges;
  std::int64_t rows = 0;
  for (const talk::Lesson& lesson : examples) {
    exchanges.push_back({lesson.prompt, lesson.reply, 0.8});
    rows += std::ssize(lesson.reply);
  }
  const at::Tensor slopes = at::sin(at::arange(rows * talk::vocabulary, at::kDouble)).view({rows, talk::vocabulary});
  at::Tensor gradient = at::ones_like(params);
  worker->load(params);
  worker->add_gradient(exchanges, slopes, gradient);
  gradient -= 1;
  // A difference along a direction of many parameters, so that float32 still resolves it.
  const at::Tensor direction = gradient / gradient.norm();
  constexpr double step = 1e-3;
  const auto value = [&](double at) {
    const at::Tensor moved = params + at * direction;
    worker->load(moved);
    return (worker->log_probs(exchanges) * slopes).sum().item<double>();
  };
  const double expected = (value(step) - value(-step)) / (2 * step);
  EXPECT_NEAR(gradient.norm().item<double>() / expected, 1, 2e-3);
}

TEST(TransformerPolicy, EmptyRepliesHaveNoRows) {
  const auto policy = shipped();
  const auto worker = policy->rollout_worker();
  worker->load(policy->initial_parameters());
  const auto examples = lessons(2);
  const std::vector<Exchange> exchanges{{examples[0].prompt, {}}, {examples[1].prompt, examples[1].reply}};
  const at::Tensor table = worker->log_probs(exchanges);
  ASSERT_EQ(table.size(0), std::ssize(examples[1].reply));
  EXPECT_LT((table - worker->log_probs(std::span(exchanges).subspan(1))).abs().max().item<double>(), 1e-4);
}

// --- files

constexpr TransformerShape tiny{.vocabulary = talk::vocabulary, .context = talk::context, .width = 8, .layers = 1};

std::string error_of(const std::string& settings) {
  Settings s = Settings::parse(settings, "test.toml");
  try {
    opened(s);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

class WeightsFile : public testing::Test {
 protected:
  void write(std::span<const std::byte> bytes) const {
    std::ofstream(path).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  }
  std::string settings(const std::string& sides) const { return "weights = \"" + path + "\"\n" + sides; }
  void TearDown() override { std::filesystem::remove(path); }

  const std::string path = testing::TempDir() + "/weights" + std::to_string(::getpid()) + ".safetensors";
  const at::Tensor params = TransformerLayout(tiny).random_parameters({});
  const std::vector<std::byte> file = transformer_file(tiny, params, {});
};

TEST_F(WeightsFile, IsReadBack) {
  write(file);
  Settings s = Settings::parse(settings("width = 8\nlayers = 1"), "test.toml");
  const auto policy = opened(s);
  EXPECT_TRUE(at::equal(policy->initial_parameters(), params));
}

TEST_F(WeightsFile, MustFitTheSettings) {
  using testing::HasSubstr;
  write(file);
  EXPECT_THAT(error_of(settings("layers = 1")), HasSubstr("'words'"));
  EXPECT_THAT(error_of(settings("width = 8")), HasSubstr("no tensor 'layer2.attention.norm'"));
  EXPECT_THAT(error_of(settings("width = 8\nlayers = 1\nheads = 2")), HasSubstr("has 4 heads"));
  EXPECT_THAT(error_of("width = 32"), HasSubstr("weights that come with the program have width 64"));
  EXPECT_THAT(error_of("weights = \"/nowhere\""), HasSubstr("cannot read"));
}

TEST_F(WeightsFile, MustBeWhole) {
  write(std::span(file).first(file.size() - 1));
  EXPECT_THAT(error_of(settings("width = 8\nlayers = 1")), testing::HasSubstr("not a safetensors file"));
  SafeTensors parsed = parse_safetensors(file, "memory");
  std::erase_if(parsed.model, [](const ModelParameter& p) { return p.name == "head"; });
  write(safetensors(parsed.model, parsed.metadata));
  EXPECT_THAT(error_of(settings("width = 8\nlayers = 1")), testing::HasSubstr("no tensor 'head'"));
  const at::Tensor broken = params.clone();
  broken[3] = std::numeric_limits<float>::quiet_NaN();
  write(transformer_file(tiny, broken, {}));
  EXPECT_THAT(error_of(settings("width = 8\nlayers = 1")), testing::HasSubstr("not finite"));
}

// --- hints

TEST(HintGain, IsLargeForThePretrainedPolicy) {
  const auto policy = shipped();
  const HintGain gain = hint_gain(*policy, policy->initial_parameters(), 1);
  // A policy that follows every hint gains -log(share of compliant replies without one): for shares near 0.4, 0.2, 0.1
  // and their opposites 0.6, 0.35, 0.9 that is 1.1 nats on average.
  EXPECT_TRUE(gain.open());
  EXPECT_GT(gain.low, 0.7);
  EXPECT_LT(gain.high, 2);
  EXPECT_GT(gain.mean, gain.low);
}

TEST(HintGain, IsNearZeroWithRandomWeights) {
  const TransformerLayout layout(talking_shape());
  double sum = 0;
  constexpr int policies = 10;
  for (std::uint64_t seed = 0; seed < policies; ++seed) {
    const at::Tensor params = layout.random_parameters(random_key(seed, "model/initial_parameters"));
    const HintGain gain = hint_gain(*transformer_policy(layout.shape, params), params, 1);
    EXPECT_FALSE(gain.open());
    sum += gain.mean;
  }
  EXPECT_NEAR(sum / policies, 0, 0.1);  // three deviations of 0.1 over the root of ten
}

TEST(HintGain, IsZeroWithUniformReplies) {
  const TransformerLayout layout(talking_shape());
  const at::Tensor params = layout.random_parameters({});
  params.narrow(0, layout.head, layout.parameters.size - layout.head).zero_();
  const HintGain gain = hint_gain(*transformer_policy(layout.shape, params), params, 1);
  EXPECT_EQ(gain.mean, 0);
  EXPECT_FALSE(gain.open());
}

TEST(Pretraining, LearnsAndRepeatsItself) {
  const TransformerLayout layout(tiny);
  const at::Tensor start = layout.random_parameters({});
  const auto policy = transformer_policy(tiny, start);
  const Pretraining options{.steps = 150, .batch = 16, .rate = 3e-2};
  std::int64_t steps = 0;
  const at::Tensor once = pretrain(*policy, start, options, [&](std::int64_t done) { steps = done; });
  EXPECT_EQ(steps, 150);
  EXPECT_TRUE(at::equal(once, pretrain(*policy, start, options)));
  const Fluency found = fluency(*policy, once, 1);
  EXPECT_LT(found.loss, found.unigram - 0.3);  // it learned more than the frequencies of tokens
  EXPECT_NEAR(fluency(*policy, start, 1).loss, std::log(64.0), 0.1);
}

TEST(Fluency, OfTheShippedWeights) {
  const auto policy = shipped();
  const Fluency found = fluency(*policy, policy->initial_parameters(), 7);
  EXPECT_GT(found.correct, 0.97);
  const std::array expected{0.4, 0.2, 0.1};
  for (std::size_t rule = 0; rule < talk::rules; ++rule) {
    EXPECT_GT(found.corrected[rule], 0.9) << rule;
    EXPECT_GT(found.hinted[rule], 0.9) << rule;
    if (rule < expected.size()) {
      EXPECT_NEAR(found.uninstructed[rule], expected[rule], 0.1) << rule;  // over three deviations of 300
    }
  }
}

}  // namespace
}  // namespace shoal
