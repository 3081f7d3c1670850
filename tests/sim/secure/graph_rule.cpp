// Are degree and threshold those of the published search, and are the probabilities behind them right?
#include "sim/secure/graph_rule.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>
#include <vector>

#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr auto curious = ServerModel::curious;
constexpr auto semi_malicious = ServerModel::semi_malicious;
constexpr GraphRule none{};

struct Row {
  double corrupt, dropout;
  ServerModel server;
  std::array<GraphRule, 6> rules;  // for 10, 100, ..., 1,000,000 clients
};

// google-parfait/federated-compute, fcp/secagg/server/graph_parameter_finder_test.cc.
const std::vector<Row> published = {
    {.45, .45, curious, {{none, {92, 46}, {822, 417}, {3494, 1771}, {5508, 2788}, {6240, 3156}}}},
    {.33, .33, curious, {{{8, 4}, {68, 34}, {286, 150}, {422, 221}, {480, 251}, {518, 270}}}},
    {.3, .3, semi_malicious, {{none, {92, 62}, {872, 584}, {4822, 3230}, {9388, 6286}, {11136, 7454}}}},
    {.05, .33, curious, {{{4, 2}, {28, 6}, {72, 24}, {86, 29}, {96, 32}, {102, 34}}}},
    {.05, .33, semi_malicious, {{{8, 5}, {72, 39}, {398, 223}, {746, 420}, {882, 496}, {970, 545}}}},
    {.33, .05, curious, {{{4, 4}, {34, 29}, {78, 60}, {92, 70}, {102, 77}, {110, 83}}}},
    {.33, .05, semi_malicious, {{{4, 4}, {42, 37}, {132, 109}, {178, 146}, {196, 160}, {212, 173}}}},
    {.05, .05, curious, {{{2, 2}, {12, 6}, {30, 17}, {34, 20}, {36, 21}, {38, 22}}}},
    {.05, .05, semi_malicious, {{{2, 2}, {16, 11}, {52, 37}, {62, 44}, {68, 48}, {74, 52}}}},
    {.33, 0, curious, {{{4, 4}, {26, 25}, {38, 36}, {42, 40}, {46, 44}, {50, 47}}}},
    {.33, 0, semi_malicious, {{{4, 4}, {26, 26}, {38, 37}, {42, 41}, {46, 45}, {50, 49}}}},
    {0, .33, curious, {{{4, 2}, {26, 2}, {38, 2}, {42, 2}, {46, 2}, {50, 2}}}},
    {0, .33, semi_malicious, {{{8, 5}, {68, 35}, {228, 115}, {326, 164}, {372, 187}, {410, 206}}}},
    {0, 0, curious, {{{2, 2}, {2, 2}, {2, 2}, {2, 2}, {2, 2}, {2, 2}}}},
    {0, 0, semi_malicious, {{{2, 2}, {2, 2}, {2, 2}, {2, 2}, {2, 2}, {2, 2}}}},
};

TEST(GraphRule, GivesAllPublishedRows) {
  for (const Row& row : published) {
    std::int64_t clients = 1;
    for (const GraphRule& expected : row.rules) {
      clients *= 10;
      const auto found = graph_rule({clients, row.corrupt, row.dropout, row.server});
      EXPECT_EQ(found.value_or(none), expected)
          << clients << " clients, " << row.corrupt << ", " << row.dropout << ": " << found.value_or(none).degree
          << ", " << found.value_or(none).threshold;
    }
  }
}

TEST(GraphRule, KnowsWhatIsNotPossible) {
  for (const ServerModel server : {curious, semi_malicious})
    EXPECT_EQ(graph_rule({1000, .5, .5, server}), std::nullopt);
  EXPECT_EQ(graph_rule({1000, .33, .33, semi_malicious}), std::nullopt);
  EXPECT_THROW(graph_rule({1000, .1, 1, curious}), UserError);
  EXPECT_THROW(graph_rule({1000, .1, -.1, curious}), UserError);
  EXPECT_THROW(graph_rule({0, .1, .1, curious}), UserError);
}

// A random group can hold more than its part of the corrupt clients: with 5 % dropouts, 13 of 20, 19 of 50 or 25 of
// 100.
TEST(GraphRule, CountsTheCorruptClientsOfAGroup) {
  const auto in_group = [](std::int64_t clients, std::int64_t corrupt) {
    return graph_rule({.clients = clients, .dropout = .05, .corrupt_clients = corrupt});
  };
  for (const auto& [clients, corrupt] : {std::pair{10, 10}, {20, 13}, {50, 19}, {100, 25}}) {
    EXPECT_EQ(most_corrupt(clients, 1000, .05), corrupt);
  }
  EXPECT_EQ(in_group(10, 10), std::nullopt);
  EXPECT_EQ(in_group(20, 13), (GraphRule{16, 14}));
  EXPECT_EQ(in_group(50, 19), (GraphRule{22, 20}));
  EXPECT_EQ(in_group(100, 25), (GraphRule{28, 23}));
}

}  // namespace
}  // namespace shoal
