// Do malicious clients send the mean plus z deviations of the rows that they know, with the paper's z, and does no
// other row change?
#include <gtest/gtest.h>

#include "sim/round/attack.hpp"
#include "tests/sim/round/row_sets.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::unique_ptr<Attack> alie(const std::string& settings) {
  return make_part<Attack>("attack", "", Settings::parse("name = \"alie\"\n" + settings, "test.toml"));
}

// The rows after the attack of the clients with the numbers below `malicious`, [n, d].
at::Tensor crafted(const std::string& settings, const at::Tensor& rows, std::int64_t malicious, Arrival arrival = {}) {
  return on_any_ranks(rows, arrival, [&](RowSet& set, Communicator&) {
    const auto attack = alie(settings + "malicious = " + std::to_string(malicious) + "\n");
    std::vector<std::int64_t> which;
    for (std::int64_t i = 0; i < set.count(); ++i) {
      if (attack->is_malicious(set.clients()[i], 1)) which.push_back(i);
    }
    State state;
    attack->craft(set, which, state, {});
    EXPECT_EQ(std::ssize(set.clients()), rows.size(0));
    std::vector<at::Tensor> found;
    for (std::int64_t i = 0; i < set.count(); ++i) found.push_back(set.row(i));
    return at::stack(found);
  });
}

// The honest rows 0 to 7 of the matrix, known to clients 8 to 10, here renamed to 0 to 2. From the library byzfl.
TEST(LittleIsEnough, AgreesWithByzflOnElevenRows) {
  const Arrival arrival{.clients = {3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2}};
  const at::Tensor expected =
      at::tensor({4.7785008882, 6.1278389453, 4.2609223541, 6.2462501795, 4.9320155709}, at::kDouble);
  const at::Tensor found = crafted("z = 1.5\ndirection = \"plus\"\n", eleven_rows(), 3, arrival);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_LT(difference(found[i], expected), 1e-10);
  EXPECT_TRUE(at::equal(found.narrow(0, 3, 8), eleven_rows().narrow(0, 0, 8)));
}

// z as the paper's formula gives it, computed with another program.
TEST(LittleIsEnough, UsesThePapersQuantile) {
  for (const auto& [n, m, z] :
       {std::tuple{50, 12, 0.33603814}, {25, 5, 0.25334710}, {53, 12, 0.34285531}, {20, 3, 0.07379127}, {3, 1, 0.0}}) {
    const at::Tensor rows = normal_rows(n, 20), honest = rows.narrow(0, m, n - m);
    const at::Tensor deviations = (crafted("", rows, m)[0] - honest.mean(0)) / honest.std(0);
    EXPECT_LT(difference(deviations, at::full({20}, -z, at::kDouble)), 1e-8) << n << " " << m;
  }
}

TEST(LittleIsEnough, KnowsOwnRowsOnly) {
  const at::Tensor rows = normal_rows(12, 4100, at::kFloat), own = rows.narrow(0, 0, 4).to(at::kDouble);
  const at::Tensor found = crafted("z = 2\nknows = \"own\"\n", rows, 4);
  EXPECT_LT(difference(found[1], own.mean(0) - 2 * own.std(0)), 1e-6);
  EXPECT_TRUE(at::equal(found[1], found[3]));
  EXPECT_TRUE(at::equal(found.narrow(0, 4, 8), rows.narrow(0, 4, 8)));
}

// A majority has nothing to hide in, and one row alone has no deviation.
TEST(LittleIsEnough, IsDefinedAtItsEdges) {
  const at::Tensor rows = normal_rows(5, 30);
  EXPECT_TRUE(at::isfinite(crafted("", rows, 3)).all().item<bool>());
  EXPECT_TRUE(at::equal(crafted("", rows, 5), rows));
  EXPECT_TRUE(at::equal(crafted("", rows, 0), rows));
  EXPECT_LT(difference(crafted("z = 3\nknows = \"own\"\n", rows, 1), rows), 1e-15);
}

TEST(LittleIsEnough, BeginsInItsRound) {
  const auto attack = alie("malicious = 2\nfrom_round = 3\n");
  EXPECT_FALSE(attack->is_malicious(ClientId{1}, 2));
  EXPECT_TRUE(attack->is_malicious(ClientId{1}, 3));
  EXPECT_FALSE(attack->is_malicious(ClientId{2}, 3));
  EXPECT_TRUE(attack->wants_rows());
}

}  // namespace
}  // namespace shoal
