// Are batches gathered as loops over the stored examples would write them, and does padding change nothing?

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "sim/task/batch_feed.hpp"
#include "sim/task/server_examples.hpp"
#include "sim/task/token_store.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using Positions = std::vector<std::int32_t>;

TEST(DenseStore, GathersWhatTheModelSees) {
  for (const Examples& from : {test::random_examples({3, 2, 5}, 7, 40, 9), test::random_bytes({3, 2, 5}, 7, 40, 9)}) {
    const DenseStore store(from);
    for (const Positions& wanted : {Positions{39, 0, 0, 17}, Positions{}, Positions{5}}) {
      Gathered got;
      store.gather(wanted, got);
      const std::int64_t n = std::ssize(wanted);
      EXPECT_EQ(got.features.sizes(), (at::IntArrayRef{n, 2, 5, 3}));
      EXPECT_TRUE(n == 0 || at::equal(got.features, test::features(store, wanted).permute({0, 2, 3, 1})));
      EXPECT_TRUE(at::equal(got.targets, test::labels(store, wanted)));
      EXPECT_FALSE(got.mask.defined());
      EXPECT_FALSE(got.weights.defined());
    }
  }
}

TEST(DenseStore, FillsTheRowsLeftWithZeros) {
  const DenseStore store(test::random_bytes({2, 3, 3}, 7, 40, 9));
  Gathered padded{.features = at::full({4, 18}, std::numeric_limits<float>::infinity()),
                  .targets = at::full({4}, 99, at::kLong),
                  .mask = {},
                  .weights = {}};
  const void* memory = padded.features.const_data_ptr();
  store.gather(Positions{7, 3}, padded);
  Gathered exact;
  store.gather(Positions{7, 3}, exact);
  EXPECT_EQ(padded.features.const_data_ptr(), memory);  // in place
  EXPECT_TRUE(at::equal(padded.features.narrow(0, 0, 2), exact.features.view({2, 18})));
  EXPECT_TRUE(at::equal(padded.features.narrow(0, 2, 2), at::zeros({2, 18})));
  EXPECT_TRUE(at::equal(padded.targets,
                        at::tensor({exact.targets[0].item<int>(), exact.targets[1].item<int>(), 0, 0}, at::kLong)));
}

TEST(DenseStore, HoldsRealTargets) {
  Examples from = test::random_examples({4, 1, 1}, 2, 5, 1);
  from.labels.clear();
  from.form.targets = Form::Targets::reals;
  from.reals = {0.5F, -1, 2, 7, 9};
  const DenseStore store(from);
  Gathered got;
  store.gather(Positions{4, 1}, got);
  EXPECT_EQ(store.count(), 5);
  EXPECT_TRUE(store.labels().empty());
  EXPECT_TRUE(at::equal(got.targets, at::tensor({9.0F, -1.0F})));
}

TEST(DenseStore, RefusesWhatDoesNotFitTogether) {
  const Examples good = test::random_examples({4, 1, 1}, 2, 5, 1);
  const auto broken = [&](const auto& change) {
    Examples bad = good;
    change(bad);
    EXPECT_THROW(DenseStore{bad}, BrokenInvariant);
  };
  broken([](Examples& e) { e.floats.pop_back(); });
  broken([](Examples& e) { e.labels.pop_back(); });
  broken([](Examples& e) { e.labels[3] = 2; });
  broken([](Examples& e) { e.labels[3] = -1; });
  broken([](Examples& e) { e.groups = {1}; });
  broken([](Examples& e) { e.bytes = {1}; });
  broken([](Examples& e) { e.reals = {1}; });
  broken([](Examples& e) { e.form.features = Form::Features::bytes; });
  broken([](Examples& e) { e.form.targets = Form::Targets::tokens; });
}

// Sequence i has i + 1 tokens for i = 0 to 5, in turn; every third target is none.
Sequences six(Form::Targets targets) {
  Sequences s;
  s.form = {.features = Form::Features::tokens, .targets = targets, .vocabulary = 11};
  s.begin = {0};
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j <= i; ++j) {
      s.tokens.push_back((5 * i + j) % 11);
      if (targets == Form::Targets::tokens)
        s.next.push_back(s.next.size() % 3 == 2 ? Sequences::none : (i + 7 * j) % 11);
    }
    s.begin.push_back(std::ssize(s.tokens));
    if (targets == Form::Targets::labels) s.labels.push_back(i % 2);
    if (targets == Form::Targets::reals) s.reals.push_back(0.25F * i);
    s.groups.push_back(i / 2);
  }
  if (targets == Form::Targets::labels) s.form.classes = 2;
  return s;
}

TEST(TokenStore, GathersAsPlainLoopsDo) {
  const Sequences s = six(Form::Targets::tokens);
  const TokenStore store(s);
  EXPECT_EQ(store.count(), 6);
  EXPECT_EQ(store.form().longest, 6);
  for (const Positions& wanted : {Positions{2, 0, 4}, Positions{5, 5}, Positions{0}, Positions{1, 0, 3, 5}}) {
    std::int64_t t = 0;
    for (const std::int32_t i : wanted) t = std::max(t, s.begin[i + 1] - s.begin[i]);
    EXPECT_EQ(store.longest(wanted), t);
    Gathered got;
    store.gather(wanted, got);
    ASSERT_EQ(got.features.sizes(), (at::IntArrayRef{std::ssize(wanted), t}));
    for (std::size_t row = 0; row < wanted.size(); ++row) {
      for (std::int64_t j = 0; j < t; ++j) {
        const std::int64_t at = s.begin[wanted[row]] + j;
        const bool there = at < s.begin[wanted[row] + 1], counts = there && s.next[at] >= 0;
        EXPECT_EQ(got.features[row][j].item<std::int64_t>(), there ? s.tokens[at] : 0);
        EXPECT_EQ(got.targets[row][j].item<std::int64_t>(), counts ? s.next[at] : 0);
        EXPECT_EQ(got.mask[row][j].item<float>(), counts ? 1 : 0);
      }
    }
  }
}

TEST(TokenStore, PadsWithoutChangingASequence) {
  for (const auto targets : {Form::Targets::tokens, Form::Targets::labels, Form::Targets::reals}) {
    const TokenStore store(six(targets));
    Gathered alone,
        wide{.features = at::full({4, 9}, 5, at::kLong), .targets = {}, .mask = at::full({4, 9}, 7.0F), .weights = {}};
    const bool per_token = targets == Form::Targets::tokens;
    if (per_token) wide.targets = at::full({4, 9}, 5, at::kLong);
    if (targets == Form::Targets::labels) wide.targets = at::full({4}, 5, at::kLong);
    if (targets == Form::Targets::reals) wide.targets = at::full({4}, 5.0F);
    store.gather(Positions{3}, alone);
    store.gather(Positions{1, 3}, wide);
    EXPECT_TRUE(at::equal(wide.features[1].narrow(0, 0, 4), alone.features[0]));
    EXPECT_TRUE(at::equal(wide.mask[1].narrow(0, 0, 4), alone.mask[0]));
    EXPECT_EQ(wide.features.sum().item<std::int64_t>(), (5 + 6) + (15 % 11 + 16 % 11 + 17 % 11 + 18 % 11));
    EXPECT_EQ(wide.mask[1].narrow(0, 4, 5).sum().item<float>(), 0);
    EXPECT_EQ(wide.mask.narrow(0, 2, 2).sum().item<float>(), 0);
    if (per_token) {
      EXPECT_TRUE(at::equal(wide.targets[1].narrow(0, 0, 4), alone.targets[0]));
    } else {
      EXPECT_TRUE(at::equal(wide.targets.narrow(0, 1, 1), alone.targets));
    }
  }
}

// A masked mean over tokens and its gradient: bits of a batch, whatever it is padded to.
TEST(TokenStore, PaddingChangesNoBitOfALoss) {
  const TokenStore store(six(Form::Targets::tokens));
  const at::Tensor table = at::arange(11 * 11, at::kFloat).sin().view({11, 11});
  const auto loss_and_gradient = [&](std::int64_t rows, std::int64_t columns) {
    Gathered g;
    if (rows > 0) {
      g.features = at::zeros({rows, columns}, at::kLong);
      g.targets = at::zeros({rows, columns}, at::kLong);
      g.mask = at::zeros({rows, columns});
    }
    store.gather(Positions{2, 5, 0}, g);
    const at::Tensor weights = table.clone().requires_grad_();
    const at::Tensor losses =
        -at::log_softmax(at::embedding(weights, g.features), -1).gather(-1, g.targets.unsqueeze(-1)).squeeze(-1);
    double sum = 0;  // in the order of the tokens, so that only padding differs
    const at::Tensor counted = losses.detach() * g.mask;
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = 0; j < 6; ++j) sum += j < counted.size(1) ? counted[i][j].item<float>() : 0;
    }
    (losses * g.mask).sum().backward();
    return std::pair(sum, weights.grad());
  };
  const auto [loss, gradient] = loss_and_gradient(0, 0);
  const auto [padded_loss, padded_gradient] = loss_and_gradient(5, 13);
  EXPECT_EQ(loss, padded_loss);
  EXPECT_TRUE(at::equal(padded_gradient, gradient));
  EXPECT_GT(loss, 0);
}

TEST(TokenStore, RefusesWhatDoesNotFitTogether) {
  const auto broken = [](Form::Targets targets, const auto& change) {
    Sequences bad = six(targets);
    change(bad);
    EXPECT_THROW(TokenStore{bad}, BrokenInvariant);
  };
  using enum Form::Targets;
  broken(tokens, [](Sequences& s) { s.begin[1] = 0; });  // an empty sequence
  broken(tokens, [](Sequences& s) { s.begin.back() += 1; });
  broken(tokens, [](Sequences& s) { s.begin.clear(); });
  broken(tokens, [](Sequences& s) { s.next.pop_back(); });
  broken(tokens, [](Sequences& s) { s.tokens[4] = 11; });
  broken(tokens, [](Sequences& s) { s.next[4] = -2; });
  broken(labels, [](Sequences& s) { s.labels[2] = 2; });
  broken(labels, [](Sequences& s) { s.next.push_back(1); });
  broken(reals, [](Sequences& s) { s.reals.pop_back(); });
  broken(reals, [](Sequences& s) { s.form.features = Form::Features::reals; });
}

// Deals to two clients in turn, and shows what it has seen.
class InTurn final : public Partition {
 public:
  std::unique_ptr<ClientExamples> deal(const ExampleStore& train, std::uint64_t) const override {
    labels.assign(train.labels().begin(), train.labels().end());
    groups.assign(train.groups().begin(), train.groups().end());
    train.gather(Positions{0, 3}, gathered);
    const std::int64_t half = train.count() / 2;
    return std::make_unique<test::Consecutive>(std::vector<std::int64_t>{half, train.count() - half});
  }
  mutable Positions labels, groups;
  mutable Gathered gathered;
};

TEST(ServerExamples, AreHeldByNoClient) {
  Examples from = test::random_examples({4, 1, 1}, 5, 101, 1);
  for (int i = 0; i < 101; ++i) from.groups.push_back(i / 7);
  const DenseStore train(from);
  const InTurn partition;
  const DealtExamples dealt = deal(partition, train, 30, 5, "test");
  EXPECT_EQ(dealt.server.size(), 30U);
  EXPECT_TRUE(std::ranges::is_sorted(dealt.server));
  Positions others;
  std::vector<int> owners(101);
  for (const std::int32_t i : dealt.server) ++owners[i];
  for (std::int64_t client = 0; client < 2; ++client) {
    Positions own(dealt.clients->count(ClientId{client}));
    dealt.clients->indices(ClientId{client}, own);
    for (const std::int32_t i : own) ++owners[i];
    others.insert(others.end(), own.begin(), own.end());
  }
  EXPECT_EQ(owners, std::vector<int>(101, 1));
  for (std::size_t i = 0; i < others.size(); ++i) {
    EXPECT_EQ(partition.labels[i], from.labels[others[i]]);
    EXPECT_EQ(partition.groups[i], from.groups[others[i]]);
  }
  Gathered direct;
  train.gather(Positions{others[0], others[3]}, direct);
  EXPECT_TRUE(at::equal(partition.gathered.features, direct.features));
  EXPECT_EQ(deal(partition, train, 30, 5, "test").server, dealt.server);
  EXPECT_NE(deal(partition, train, 30, 6, "test").server, dealt.server);
  EXPECT_TRUE(deal(partition, train, 0, 5, "test").server.empty());
  EXPECT_THROW(deal(partition, train, 101, 5, "test"), UserError);
}

}  // namespace
}  // namespace shoal
