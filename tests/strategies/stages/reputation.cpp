// Are exactly the clients excluded whose updates are bad too often, for good, and by every planner?
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "sim/record/checkpoint.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// Some clients send NaN: each of them in all participations but every `good_every`-th of its own, or in all (0).
class Spoiled final : public Strategy {
 public:
  explicit Spoiled(std::map<std::int64_t, std::int64_t> bad) : good_every_(std::move(bad)) {}
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::uniform)};
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    at::Tensor rows = clients.train(server.params()).delta.dense().clone();
    for (std::int64_t k = 0; k < clients.count(); ++k) {
      const Participation& who = clients.participations()[k];
      const auto bad = good_every_.find(value(who.client));
      if (bad == good_every_.end() || (bad->second > 0 && who.round % bad->second == 0)) continue;
      rows[k][0] = std::numeric_limits<double>::quiet_NaN();
    }
    return Rows(rows);
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean());
  }

 private:
  std::map<std::int64_t, std::int64_t> good_every_;
};

// `more`: [planner] and what follows it. A stage between two others, so that its section is not the first.
Federation spoiled(std::map<std::int64_t, std::int64_t> bad, const std::string& stage, const std::string& more) {
  Federation parts = federation("[task]\nname = \"quadratic\"\nclients = 20\ndimension = 3\n[local]\nblock = 3\n" +
                                more + "[[stages]]\nname = \"clip\"\n[[stages]]\nname = \"reputation\"\n" + stage +
                                "[[stages]]\nname = \"clip\"\n");
  parts.strategy = std::make_shared<Spoiled>(std::move(bad));
  return parts;
}

const std::string everyone = "[planner]\ncohort = 20\n";

// I_1/2(a, b) as a sum of binomial coefficients, in whole numbers. Exact below 64 tosses.
double oracle(std::int64_t a, std::int64_t b) {
  const std::int64_t tosses = a + b - 1;
  unsigned __int128 sum = 0, ways = 1;  // C(tosses, k)
  for (std::int64_t k = 0; k <= tosses; ++k) {
    if (k >= a) sum += ways;
    ways = ways * static_cast<unsigned __int128>(tosses - k) / static_cast<unsigned __int128>(k + 1);
  }
  return static_cast<double>(sum) / std::pow(2.0, static_cast<double>(tosses));
}

// The rounds in which each client took part.
std::map<std::int64_t, std::set<std::int64_t>> rounds_of(const Federation& parts, int rounds) {
  std::map<std::int64_t, std::set<std::int64_t>> found;
  run(parts, rounds, 1, 1, [&](const RoundRecord& record, const FederationState&, Communicator&, Trainers&) {
    for (const ClientRow& row : record.clients) found[value(row.participation.client)].insert(record.round);
  });
  return found;
}

TEST(Reputation, ExcludesAfterTheNumberOfThePaper) {
  EXPECT_EQ(oracle(3, 3), 0.5);
  EXPECT_EQ(oracle(3, 9), 1 - (1 + 11 + 55) / 2048.0);
  for (const auto& [prior, certainty] : {std::pair{3, 0.95}, {1, 0.95}, {1, 0.5}, {3, 0.999}, {20, 0.9}}) {
    std::int64_t limit = 1;
    while (oracle(prior, prior + limit) <= certainty) ++limit;
    const Federation parts =
        spoiled({{4, 0}, {17, 0}}, fmt::format("prior = {}\ncertainty = {}\n", prior, certainty), everyone);
    EXPECT_EQ(parts.notes().back(),
              fmt::format("reputation: a client is excluded after {} rejected updates in a row", limit));
    const int rounds = static_cast<int>(limit) + 3;
    for (const auto& [client, took_part] : rounds_of(parts, rounds)) {
      const bool is_bad = client == 4 || client == 17;
      EXPECT_EQ(std::ssize(took_part), is_bad ? limit : rounds) << "client " << client << ", prior " << prior;
      EXPECT_EQ(*took_part.rbegin(), is_bad ? limit : rounds);
    }
  }
}

// Client 3 is good in every second round, client 5 in every third one, client 7 in none.
TEST(Reputation, GoodUpdatesCount) {
  std::map<std::int64_t, std::int64_t> last;
  for (const std::int64_t good_every : {2, 3, 0}) {
    std::int64_t good = 3, bad = 3, round = 0;
    do {
      ++round;
      ++(good_every > 0 && round % good_every == 0 ? good : bad);
    } while (round < 60 && oracle(good, bad) <= 0.95);
    last[good_every == 2 ? 3 : good_every == 3 ? 5 : 7] = round;
  }
  EXPECT_EQ(last.at(3), 60);  // as often good as bad
  EXPECT_GT(last.at(5), last.at(7));
  EXPECT_LT(last.at(5), 60);
  for (const auto& [client, took_part] : rounds_of(spoiled({{3, 2}, {5, 3}, {7, 0}}, "", everyone), 60)) {
    const auto bad = last.find(client);
    EXPECT_EQ(std::ssize(took_part), bad == last.end() ? 60 : bad->second) << "client " << client;
  }
}

TEST(Reputation, ReportsHowManyAreExcluded) {
  const Federation parts = spoiled({{4, 0}, {17, 0}, {5, 3}}, "", everyone);
  run(parts, 20, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    double excluded = 0;
    for (std::int64_t client = 0; client < 20; ++client)
      excluded += state.board.score(Board::excluded, ClientId{client});
    EXPECT_EQ(record.measures.at("reputation.excluded"), excluded);
    EXPECT_EQ(excluded > 0, record.round >= 6);
  });
}

// With all clients bad, every round is abandoned; they are excluded all the same, and later rounds begin without any
// client.
TEST(Reputation, LearnsFromAbandonedRounds) {
  std::map<std::int64_t, std::int64_t> all;
  for (std::int64_t client = 0; client < 20; ++client) all[client] = 0;
  for (const std::string& planner :
       {everyone, std::string("[planner]\nname = \"fed_buff\"\nconcurrency = 4\nbuffer = 1\n")}) {
    std::map<std::int64_t, std::int64_t> commits;
    std::int64_t later = 0;
    run(spoiled(all, "", planner), 200, 1, 1,
        [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
          EXPECT_EQ(record.verdict, Verdict::abandoned);
          for (const ClientRow& row : record.clients) ++commits[value(row.participation.client)];
          if (record.round == 200) later = state.board.all().at("excluded").size();
        });
    EXPECT_EQ(later, 20);
    for (const auto& [client, count] : commits) EXPECT_EQ(count, 6) << "client " << client;
  }
}

TEST(Reputation, IsRefusedWithPrivacy) {
  EXPECT_THROW(federation("[task]\nname = \"quadratic\"\nclients = 20\n[[stages]]\nname = \"gaussian\"\n"
                          "[[stages]]\nname = \"reputation\"\n"),
               UserError);
}

// One bad update excludes. No planner may start the clients afterwards; those that are under way may still end.
class ReputationWithPlanner : public testing::TestWithParam<std::string> {};

TEST_P(ReputationWithPlanner, NeverStartsThemAgain) {
  const std::set<std::int64_t> bad{0, 7, 13, 19};
  std::map<std::int64_t, std::int64_t> of_spoiled;
  for (const std::int64_t client : bad) of_spoiled[client] = 0;
  const Federation parts =
      spoiled(of_spoiled, "certainty = 0.5\nprior = 1\n", fmt::format("[planner]\nname = \"{}\"\n", GetParam()));
  std::map<std::int64_t, std::int64_t> excluded_in;
  std::set<std::int64_t> reported;
  run(parts, 60, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    for (const ClientRow& row : record.clients) {
      const std::int64_t client = value(row.participation.client);
      if (row.committed) reported.insert(client);
      const auto found = excluded_in.find(client);
      if (found != excluded_in.end()) {
        EXPECT_LE(row.participation.round, found->second) << "client " << client << " started again";
      }
    }
    for (const auto& [client, score] :
         state.board.all().contains("excluded") ? state.board.all().at("excluded") : Board::Scores{}) {
      EXPECT_TRUE(bad.contains(value(client))) << "an honest client is excluded";
      excluded_in.emplace(value(client), record.round);
    }
  });
  EXPECT_GT(reported.size(), bad.size());
  for (const std::int64_t client : bad) EXPECT_EQ(excluded_in.contains(client), reported.contains(client));
  EXPECT_FALSE(excluded_in.empty());
}

std::vector<std::string> planners() {
  std::vector<std::string> all;
  for (const Part<Planner>& part : parts<Planner>()) all.emplace_back(part.name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Planners, ReputationWithPlanner, testing::ValuesIn(planners()),
                         [](const auto& info) { return info.param; });

TEST(Reputation, HasTheSameBitsOnAnyRanks) {
  for (const std::string& planner :
       {std::string("[planner]\ncohort = 9\ndropout = 0.1\n"),
        std::string("[planner]\nname = \"fed_buff\"\nconcurrency = 7\nbuffer = 2\ndropout = 0.1\n")}) {
    const Federation parts = spoiled({{1, 0}, {2, 0}, {3, 4}}, "prior = 1\n", planner);
    std::set<std::string> hashes;
    for (const auto& [ranks, threads] : {std::pair{1, 1}, {1, 2}, {2, 1}, {3, 2}, {5, 1}}) {
      hashes.insert(run(parts, 90, ranks, threads,
                        [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
                          if (record.round < 90) return;
                          EXPECT_GT(state.board.score(Board::excluded, ClientId{1}), 0);
                          EXPECT_EQ(state.board.score(Board::excluded, ClientId{0}), 0);
                        }));
    }
    EXPECT_EQ(hashes.size(), 1U);
  }
}

// Plays rounds `first` to `last`, from and to checkpoints where their names are not empty; returns a hash of them.
std::string rounds(const Federation& parts, int first, int last, int ranks, const std::string& from,
                   const std::string& to) {
  std::string hash;
  run_on_threads(ranks, [&](Communicator& comm) {
    FederatedProcess process(parts, FederatedSettings());
    const auto pool = make_thread_pool(1);
    process.start(comm);
    if (!from.empty()) {
      ASSERT_TRUE(read_checkpoint(from, 0, process, comm).journal_length.has_value());
    }
    Digest all;
    for (int r = first; r <= last; ++r) add_rows(all, round_rows(process.step(comm, *pool)));
    all.add(digest(process.models().front().params));
    if (!to.empty()) write_checkpoint(to, process, 0, comm);
    if (comm.rank() == 0) hash = all.hex();
  });
  return hash;
}

// The checkpoint lies between a client's first and last bad update, so that both counts and exclusions must be in it.
TEST(Reputation, ResumesOnOtherRanks) {
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("shoal_reputation_{}", ::getpid());
  std::filesystem::create_directory(folder);
  const Federation parts = spoiled({{1, 0}, {2, 0}, {3, 3}}, "", "[planner]\ncohort = 15\n");
  const std::string whole = (folder / "whole").string(), stem = (folder / "cell").string();
  rounds(parts, 1, 7, 1, "", whole);
  const std::string expected = rounds(parts, 8, 30, 1, whole, "");
  rounds(parts, 1, 7, 2, "", stem);
  for (const int ranks : {1, 2, 3}) EXPECT_EQ(rounds(parts, 8, 30, ranks, stem, ""), expected) << ranks << " ranks";
  // And as without a checkpoint.
  Digest straight;
  run(parts, 30, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    if (record.round > 7) add_rows(straight, round_rows(record));
    if (record.round == 7) {
      EXPECT_FALSE(state.board.has(Board::excluded) && state.board.all().at("excluded").size() == 2);
    }
    if (record.round == 30) {
      EXPECT_EQ(state.board.all().at("excluded").size(), 3);
      straight.add(digest(state.strategy().params()));
    }
  });
  EXPECT_EQ(straight.hex(), expected);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shoal
