// Does a malicious client send its own update with the other sign, and does a mean become what the paper's arithmetic
// says?
#include <gtest/gtest.h>

#include "sim/round/attack.hpp"
#include "tests/composed.hpp"
#include "tests/sim/round/row_sets.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// The update of a block after the attack of those clients in it that are malicious.
UpdateBlock flipped(const std::string& settings, UpdateBlock update) {
  const auto attack =
      make_part<Attack>("attack", "", Settings::parse("name = \"sign_flip\"\n" + settings, "test.toml"));
  const Federation parts = federation("task = {name = \"quadratic\", clients = 10, dimension = 4}\n");
  std::vector<Participation> block;
  std::vector<std::int64_t> malicious;
  for (std::int64_t k = 0; k < update.channels[0].count(); ++k) {
    block.push_back({.id = ParticipationId{k}, .client = ClientId{k}});
    if (attack->is_malicious(ClientId{k}, 1)) malicious.push_back(k);
  }
  const LocalSettings local = parts.local->at(1);
  const std::unique_ptr<Trainer> trainer = parts.task->trainer();
  ClientBlock clients(block, local, *parts.task, *trainer, {}, std::vector<ClientRecord>(block.size()),
                      "strategy/0/fed_avg");
  const std::vector<Channel> channels = parts.channels();
  const PartContext context{.layout = parts.task->layout(),
                            .channels = channels,
                            .block = block,
                            .section = "attack/0/sign_flip",
                            .key = {},
                            .expected_cohort = 10};
  attack->corrupt({}, clients, update, malicious, context);
  return update;
}

TEST(SignFlip, FlipsTheFirstChannelOfItsClients) {
  const at::Tensor rows = normal_rows(5, 4, at::kFloat), others = normal_rows(5, 2, at::kFloat);
  const UpdateBlock update = flipped("malicious = 2\nscale = 3\n", {std::vector<Rows>{rows.clone(), others.clone()}});
  EXPECT_TRUE(at::equal(update.channels[0].dense().narrow(0, 0, 2), rows.narrow(0, 0, 2) * -3));
  EXPECT_TRUE(at::equal(update.channels[0].dense().narrow(0, 2, 3), rows.narrow(0, 2, 3)));
  EXPECT_TRUE(at::equal(update.channels[1].dense(), others));
}

// A share of 0.2 that sends -s times the honest update leaves 1 - 0.2 - 0.2 s of the mean.
TEST(SignFlip, TurnsAMeanAroundAboveFourfold) {
  const at::Tensor honest = normal_rows(1, 4);
  for (const auto& [scale, left] : {std::pair{1, 0.6}, {4, 0.0}, {5, -0.2}}) {
    const UpdateBlock update =
        flipped(fmt::format("malicious = 2\nscale = {}\n", scale), {std::vector<Rows>{honest.expand({10, 4}).clone()}});
    EXPECT_LT(difference(update.channels[0].dense().mean(0), honest[0] * left), 1e-15);
  }
}

TEST(SignFlip, LeavesABlockOfHonestClientsAlone) {
  const at::Tensor rows = normal_rows(3, 4, at::kFloat);
  EXPECT_TRUE(at::equal(flipped("malicious = 0\n", {std::vector<Rows>{rows.clone()}}).channels[0].dense(), rows));
}

}  // namespace
}  // namespace shoal
