// Do Krum, Multi-Krum and nearest-neighbour mixing follow their papers' definitions, computed here from all distances,
// and break ties by client?
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/strategies/rules/apply_rules.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::vector<std::int64_t> sorted_by(const at::Tensor& values) {
  std::vector<std::int64_t> order(values.numel());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::int64_t i) { return values[i].item<double>(); });
  return order;
}

// The rows that remain of Krum's definition: the lowest sums of distances to the `near` nearest others.
at::Tensor direct_krum(const at::Tensor& rows, std::int64_t near, std::int64_t m) {
  const at::Tensor distances = direct_distances(rows);
  std::vector<double> scores;
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    std::vector<double> others;
    for (std::int64_t j = 0; j < rows.size(0); ++j) {
      if (j != i) others.push_back(distances[i][j].item<double>());
    }
    std::ranges::sort(others);
    scores.push_back(std::accumulate(others.begin(), others.begin() + near, 0.0));
  }
  std::vector<std::int64_t> chosen = sorted_by(doubles(scores));
  chosen.resize(m);
  return rows.index_select(0, at::tensor(chosen)).mean(0);
}

at::Tensor direct_mixing(const at::Tensor& rows, std::int64_t f) {
  const at::Tensor distances = direct_distances(rows);
  std::vector<at::Tensor> mixed;
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    std::vector<std::int64_t> order = sorted_by(distances[i]);
    order.resize(rows.size(0) - f);
    mixed.push_back(rows.index_select(0, at::tensor(order)).mean(0));
  }
  return at::stack(mixed);
}

std::vector<double> krum_scores(const std::string& neighbours) {
  std::vector<double> scores(11);
  with_rows(eleven_rows(), {}, [&](RowSet& rows, Communicator&) {
    State state;
    rules_of("[{name = \"krum\", f = 3, neighbours = \"" + neighbours + "\"}]")[0]->apply(rows, state,
                                                                                          {.evidence = scores});
    return at::zeros({1});
  });
  return scores;
}

// By a separate program; exact, since all values are multiples of 1/8.
TEST(Krum, GivesTheKnownScoresOfElevenRows) {
  EXPECT_EQ(krum_scores("n-f-2"),
            (std::vector<double>{437.609375, 714.484375, 596.8125, 374.421875, 505.078125, 677.890625, 332.0625,
                                 426.421875, 762.515625, 474.671875, 869.84375}));
  EXPECT_EQ(krum_scores("n-f-1"), (std::vector<double>{604, 903.890625, 750.78125, 520.015625, 661.140625, 844.28125,
                                                       462.25, 517.90625, 959.171875, 578.109375, 1077.546875}));
}

// Results of the library byzfl, and of a separate program for the means of two.
TEST(Krum, ChoosesTheKnownRowsOfElevenRows) {
  const auto krum = [](const std::string& more) {
    return aggregate("[{name = \"krum\", f = 3" + more + "}]", eleven_rows());
  };
  const std::string byzfl = ", neighbours = \"n-f-1\"";
  const at::Tensor row_6 = row_of({-3.5, 3.125, -2.875, 3.75, -2.25});
  EXPECT_TRUE(at::equal(krum(""), row_6));
  EXPECT_TRUE(at::equal(krum(byzfl), row_6));
  EXPECT_LT(difference(krum(", m = 2"), row_of({-4.125, 2.875, -2.75, 4.25, -1.375})), 1e-15);
  EXPECT_LT(difference(krum(", m = 2" + byzfl), row_of({-1.1875, 1.75, -1.625, 1.3125, -2.0625})), 1e-15);
  const at::Tensor eight = row_of({-0.46875, 2.359375, -1.125, 3.28125, -0.203125});
  EXPECT_LT(difference(krum(", m = 8"), eight), 1e-15);
  EXPECT_LT(difference(krum(", m = 8" + byzfl), eight), 1e-15);
}

TEST(Krum, FollowsItsDefinition) {
  for (const auto& [n, f, m] : {std::tuple{7, 2, 1}, {15, 4, 3}, {30, 9, 21}}) {
    const at::Tensor rows = normal_rows(n, 2500, at::kDouble, n);
    const std::string rules = fmt::format("[{{name = \"krum\", f = {}, m = {}}}]", f, m);
    EXPECT_LT(difference(aggregate(rules, rows, {.ranks = 2})[0], direct_krum(rows, n - f - 2, m)), 1e-14) << n;
  }
}

// The points 0, 1, 10 and 11 have equal scores with one neighbour.
TEST(Krum, BreaksTiesByClient) {
  const at::Tensor rows = at::tensor({0.0, 1.0, 10.0, 11.0}, at::kDouble).unsqueeze(1);
  for (const auto& clients : {std::vector<std::int64_t>{7, 3, 9, 5}, {3, 9, 5, 7}, {9, 5, 7, 3}}) {
    const std::int64_t lowest = std::ranges::min_element(clients) - clients.begin();
    EXPECT_TRUE(at::equal(aggregate("[\"krum\"]", rows, {.ranks = 2, .clients = clients})[0], rows[lowest]));
  }
}

// A cluster of six and an outlier far away, which a mean follows and Krum does not.
TEST(Krum, LeavesOutliersOut) {
  at::Tensor rows = normal_rows(7, 50);
  rows[3].fill_(100);
  const at::Tensor found = aggregate("[{name = \"krum\", f = 1, m = 4}]", rows);
  EXPECT_LT(found.abs().max().item<double>(), 5);
}

TEST(NearestNeighbourMixing, FollowsItsDefinition) {
  for (const auto& [n, f] : {std::pair{5, 1}, {12, 4}, {30, 10}}) {
    const at::Tensor rows = normal_rows(n, 2500, at::kDouble, n);
    const at::Tensor found = with_rows(rows, {.ranks = 3}, [&](RowSet& set, Communicator&) {
      State state;
      rules_of(fmt::format("[{{name = \"nnm\", f = {}}}]", f))[0]->apply(set, state, {});
      std::vector<at::Tensor> mixed;
      for (std::int64_t i = 0; i < set.count(); ++i) mixed.push_back(set.row(i));
      return at::stack(mixed);
    });
    EXPECT_LT(difference(found, direct_mixing(rows, f)), 1e-14) << n;
  }
}

// Results of the library byzfl before a median and before Krum, and of a separate program before the paper's Krum.
TEST(NearestNeighbourMixing, AgreesWithByzflOnElevenRows) {
  const auto after = [](const std::string& rule) {
    return aggregate("[{name = \"nnm\", f = 3}, " + rule + "]", eleven_rows());
  };
  EXPECT_LT(difference(after("\"median\""), row_of({0.1875, 1.359375, -0.78125, 2.796875, -0.078125})), 1e-14);
  EXPECT_LT(difference(after("{name = \"krum\", f = 3, neighbours = \"n-f-1\"}"),
                       row_of({-1.203125, 2.234375, -0.640625, 2.796875, -0.078125})),
            1e-14);
  EXPECT_LT(difference(after("{name = \"krum\", f = 3}"), row_of({-1.046875, 1.265625, -1.15625, 2.734375, -1.265625})),
            1e-14);
}

// Without malicious clients every rule after it sees the mean.
TEST(NearestNeighbourMixing, IsTheMeanForNoMalicious) {
  const at::Tensor rows = normal_rows(8, 60);
  for (const std::string rule : {"median", "krum", "norm_bound"}) {
    const std::string rules =
        "[{name = \"nnm\", f = 0}, {name = \"" + rule + "\"" + (rule == "norm_bound" ? ", bound = 100" : "") + "}]";
    EXPECT_LT(difference(aggregate(rules, rows)[0], rows.mean(0)), 1e-15) << rule;
  }
}

// The middle one of three points has two neighbours at the same distance.
TEST(NearestNeighbourMixing, BreaksTiesByClient) {
  const at::Tensor rows = at::tensor({0.0, 1.0, 2.0}, at::kDouble).unsqueeze(1);
  const auto middle = [&](std::vector<std::int64_t> clients, std::int64_t position) {
    return with_rows(rows, {.clients = std::move(clients)},
                     [&](RowSet& set, Communicator&) {
                       State state;
                       rules_of("[\"nnm\"]")[0]->apply(set, state, {});
                       return set.row(position);
                     })
        .item<double>();
  };
  EXPECT_EQ(middle({0, 1, 2}, 1), 0.5);
  EXPECT_EQ(middle({2, 1, 0}, 1), 1.5);
  EXPECT_EQ(middle({2, 9, 0}, 2), 1.5);
}

}  // namespace
}  // namespace shoal
