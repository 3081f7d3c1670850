// Does error feedback lose nothing: is everything that a client computes either sent or still in its memory?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/strategies/codecs/fixed_rows.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t clients = 5, size = 12, kept = 3;
constexpr const char* codec = "{name = \"top_k\", keep = 0.25}";

// Values of different magnitudes that change from round to round, in quarters, so that sums are exact.
double value_of(const Participation& p, std::int64_t j) {
  return ((value(p.client) * 7 + j * 5 + p.round * 11) % 23 - 11) / 4.0;
}

// Algorithm 1 of the paper for one client: returns what it sends and leaves the rest in `memory`.
std::vector<double> send(std::vector<double>& memory, const Participation& p) {
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t j = 0; j < size; ++j) memory[j] += value_of(p, j);
  std::ranges::stable_sort(order, {}, [&](std::size_t j) { return -std::abs(memory[j]); });
  std::vector<double> sent(size, 0.0);
  for (std::int64_t i = 0; i < kept; ++i) sent[order[i]] = std::exchange(memory[order[i]], 0.0);
  return sent;
}

TEST(TopK, SendsTheLargestAndRemembersTheRest) {
  constexpr int rounds = 6;
  const Federation parts = fixed_rows(clients, size, codec, value_of);
  const at::Tensor start = FederationState(parts, 1, 0).strategy().params();
  const Played played = play(parts, rounds, {2, 1});
  std::vector<std::vector<double>> memory(clients, std::vector<double>(size, 0.0));
  std::vector<double> model = numbers(start);
  for (int round = 1; round <= rounds; ++round) {
    for (std::int64_t c = 0; c < clients; ++c) {
      const std::vector<double> sent = send(memory[c], {.client = ClientId{c}, .round = round});
      for (std::int64_t j = 0; j < size; ++j) model[j] += sent[j] / clients;
    }
    expect_close(played.params[round - 1], model, 1e-12, fmt::format("round {}", round));
  }
  for (const auto& [client, record] : played.memory) {
    EXPECT_EQ(numbers(record.at(0)), memory[value(client)]) << "client " << value(client);
  }
  EXPECT_EQ(std::ssize(played.memory), clients);
  for (const ClientRow& row : played.records[0].clients) EXPECT_EQ(row.figures.bytes_up, kept * (4 + 8));
}

TEST(TopK, WithoutMemoryForgetsWhatItDoesNotSend) {
  const Federation parts = fixed_rows(1, 4, "{name = \"top_k\", keep = 0.25, memory = false}",
                                      [](const Participation&, std::int64_t j) { return 1.0 + j; });
  EXPECT_THAT(moves(parts, 2).back(), testing::ElementsAre(0, 0, 0, 8));
  EXPECT_TRUE(play(parts, 2).memory.empty());
}

TEST(TopK, KeepsTheMemoryOfARejectedClient) {
  // Client 1 returns a value that is not finite in rounds 2 and 3.
  const auto failing = [](const Participation& p, std::int64_t j) {
    const bool fails = p.client == ClientId{1} && (p.round == 2 || p.round == 3) && j == 5;
    return fails ? std::numeric_limits<double>::quiet_NaN() : value_of(p, j);
  };
  const Federation parts = fixed_rows(clients, size, codec, failing);
  const Played one = play(parts, 1), three = play(parts, 3);
  EXPECT_EQ(three.records[1].rejected, 1);
  EXPECT_EQ(three.records[2].rejected, 1);
  EXPECT_EQ(numbers(three.memory.at(ClientId{1}).at(0)), numbers(one.memory.at(ClientId{1}).at(0)));
  EXPECT_NE(numbers(three.memory.at(ClientId{0}).at(0)), numbers(one.memory.at(ClientId{0}).at(0)));
  // Afterwards it continues from there.
  std::vector<double> memory = numbers(one.memory.at(ClientId{1}).at(0));
  send(memory, {.client = ClientId{1}, .round = 4});
  EXPECT_EQ(numbers(play(parts, 4).memory.at(ClientId{1}).at(0)), memory);
}

TEST(TopK, SendsAllIfAllAreKept) {
  const std::string task = "[task]\nname = \"quadratic\"\nclients = 9\ndimension = 7\n[planner]\ncohort = 4\n";
  const Played all = play(federation("codec = {name = \"top_k\", keep = 1, memory = false}\n" + task), 5);
  const Played plain = play(federation(task), 5);
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(numbers(all.params[round]), numbers(plain.params[round])) << "round " << round + 1;
  }
}

TEST(TopK, HasTheSameBitsOnAnyRanks) {
  const Federation parts = federation(
      "strategy = \"scaffold\"\ncodec = [\"top_k\", \"quantize\"]\n[task]\nname = \"quadratic\"\nclients = 30\n"
      "dimension = 40\n[local]\nblock = 3\n[planner]\ncohort = 12\ndropout = 0.2\n");
  const std::string one = play(parts, 6).bits;
  for (const Hands& hands : {Hands{1, 3}, {2, 1}, {3, 2}, {5, 1}}) {
    EXPECT_EQ(play(parts, 6, hands).bits, one) << hands.ranks << " ranks, " << hands.threads << " threads";
  }
}

TEST(TopK, GoesBeforeTheCodecsThatChangeValues) {
  EXPECT_THAT(refusal("task = \"quadratic\"\ncodec = [\"quantize\", \"top_k\"]\n"),
              testing::HasSubstr("'top_k' chooses among plain values"));
  EXPECT_THAT(refusal("task = \"quadratic\"\ncodec = [\"top_k\", \"top_k\"]\n"), testing::HasSubstr("top_k"));
  EXPECT_EQ(refusal("task = \"quadratic\"\ncodec = [\"top_k\", \"quantize\"]\n"), "accepted");
  EXPECT_THAT(refusal("task = \"quadratic\"\ncodec = {name = \"top_k\", keep = 1}\n"),
              testing::HasSubstr("leaves nothing to remember"));
}

}  // namespace
}  // namespace shoal
