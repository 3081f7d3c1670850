// Does every planner keep its books, give repeatable bits, and have settings with an effect? A new planner is covered
// as soon as its file is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "sim/round/probe.hpp"
#include "tests/sim/round/rounds.hpp"
#include "tests/strategies/planners/desk.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::vector<std::string> planners() {
  std::vector<std::string> names;
  for (const Part<Planner>& part : parts<Planner>()) names.emplace_back(part.name);
  return names;
}

// Sixty clients of unequal work and speed, which are not always available.
std::shared_ptr<const Task> unequal_clients() {
  std::vector<std::int64_t> examples;
  for (std::int64_t c = 0; c < 60; ++c) examples.push_back(c % 9);  // some have no examples
  return std::make_shared<TimedTask>(examples);
}
// An example takes a second.
const std::string population =
    "gflops = 0.001\nspeed_sigma = 1\navailability = {name = \"bernoulli\", probability = 0.7, period = 60}\n";

double some_loss(ClientId client, std::int64_t round) { return 1 + (value(client) % 7) + 5.0 / round; }

class Planners : public testing::TestWithParam<std::string> {};

TEST_P(Planners, KeepTheBooks) {
  Desk desk(GetParam(), "dropout = 0.2", unequal_clients(), population);
  desk.loss = some_loss;
  std::map<std::int64_t, Ticks> free_from;  // per client: the end of its latest participation
  std::int64_t next_id = 0, committed = 0, dropouts = 0, steps = 0;
  for (int step = 0; step < 300; ++step) {
    const RoundPlan plan = desk.next();
    steps += plan.verdict == Verdict::commit ? 1 : 0;
    EXPECT_EQ(plan.verdict == Verdict::commit, !plan.commits.empty());
    EXPECT_TRUE(std::ranges::is_sorted(plan.commits, {}, &Commit::id));
    for (const Commit& commit : plan.commits) EXPECT_TRUE(commit.weight > 0 && commit.weight <= 1);
    for (const ParticipationId id : plan.stops) EXPECT_TRUE(std::ranges::count(plan.dropouts, id) == 1);
    for (const Participation& p : plan.starts) {
      EXPECT_EQ(value(p.id), next_id++);
      EXPECT_GE(p.start, desk.started);
      EXPECT_GE(p.finish, p.start);
      EXPECT_GT(p.fraction, 0);
      EXPECT_LE(p.fraction, 1);
      // One participation at a time: a client with a waiting update or with late work does not start another one.
      EXPECT_GE(p.start, free_from[value(p.client)]) << "client " << value(p.client);
      free_from[value(p.client)] = p.finish;
    }
    for (const Participation& p : desk.dropouts) {
      if (std::ranges::binary_search(plan.stops, p.id)) free_from[value(p.client)] = desk.started;
      EXPECT_TRUE(p.outcome != Outcome::late || p.finish >= plan.time);
    }
    committed += std::ssize(desk.committed);
    dropouts += std::ssize(desk.dropouts);
  }
  EXPECT_EQ(committed + dropouts + desk.in_flight(), next_id);
  EXPECT_GT(steps, 100);
  EXPECT_GT(dropouts, 30);
}

// On the quadratic task, with losses fed back and probed, and clients that drop out and are stacked in blocks.
TEST_P(Planners, GiveTheSameBitsOnAnyRanks) {
  const Federation parts = federation(fmt::format(
      "task = {{name = \"quadratic\", clients = 60, dimension = 7}}\npopulation = {{speed_sigma = 1}}\n"
      "local = {{steps = 3, block = 2}}\nplanner = {{name = \"{}\", dropout = 0.2}}\nstrategy = \"scaffold\"\n",
      GetParam()));
  const Played one = play(parts, 12);
  for (const Hands hands : {Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    EXPECT_EQ(play(parts, 12, hands).bits, one.bits) << hands.ranks << " ranks";
  }
}

// --- Each declared setting has an effect -----------------------------------------------------------------------------

using Values = std::map<std::string, std::string>;

std::string trace(const std::string& planner, const Values& values) {
  std::string toml;
  for (const auto& [key, value] : values) toml += fmt::format("{} = {}\n", key, value);
  Desk desk(planner, toml, unequal_clients(), population);
  desk.loss = some_loss;
  desk.local.epochs = 3;
  Digest all;
  for (int step = 0; step < 120; ++step) {
    const RoundPlan plan = desk.next();
    all.add(value(plan.time)).add(static_cast<std::int64_t>(plan.verdict)).add(static_cast<std::int64_t>(plan.divisor));
    for (const Participation& p : plan.starts) all.add(value(p.client)).add(value(p.finish)).add(p.fraction);
    for (const Commit& c : plan.commits) all.add(value(c.id)).add(c.weight);
  }
  return all.hex();
}

// Another value for a setting, and the other settings that it needs to have an effect.
struct Other {
  std::string key, value;
  Values base{};
};

// Those that the planner's file in others/ lists.
std::vector<Other> others(std::string_view planner) {
  const char* source = std::getenv("SHOAL_SOURCE");
  const Settings file = Settings::load(
      fmt::format("{}/tests/strategies/planners/others/{}.toml", source == nullptr ? "." : source, planner));
  std::vector<Other> all;
  for (const Settings& section : file.sections("other")) {
    Other& other = all.emplace_back();
    for (const Settings::Leaf& leaf : section.leaves()) {
      if (leaf.key.starts_with("with.")) {
        other.base[leaf.key.substr(5)] = leaf.toml;
      } else {
        other.key = leaf.key;
        other.value = leaf.toml;
      }
    }
  }
  return all;
}

TEST_P(Planners, HaveSettingsThatChangeTheResult) {
  std::set<std::string> tested;
  for (const Other& other : others(GetParam())) {
    Values changed = other.base;
    changed[other.key] = other.value;
    EXPECT_NE(trace(GetParam(), changed), trace(GetParam(), other.base)) << other.key;
    tested.insert(other.key);
  }
  Settings settings;
  find_part<Planner>("planner", GetParam()).make(settings);
  for (const Declared& setting : settings.declared()) EXPECT_TRUE(tested.contains(setting.key)) << setting.key;
}

INSTANTIATE_TEST_SUITE_P(All, Planners, testing::ValuesIn(planners()), [](const auto& info) { return info.param; });

// --- Selection by availability ---------------------------------------------------------------------------------------

// A client that takes part is available now, and later no more often than any candidate that does not.
TEST(Refl, PrefersTheLeastAvailable) {
  constexpr std::int64_t candidates = 25, cohort = 10;
  Desk desk("refl", fmt::format("cohort = {}\ncandidates = {}\nsmoothing = 1", cohort, candidates), equal_clients(200),
            "gflops = 0.001\navailability = {name = \"bernoulli\", probability = 0.5, period = 1}");
  std::int64_t distinct = 0;
  Ticks now{};
  for (std::uint64_t round = 1; round <= 50; ++round) {
    const RoundPlan plan = desk.next();
    // All would take 1 s, which stays the mean: eight instants from 1 to 2 s ahead.
    const auto later = [&](ClientId client) {
      int seen = 0;
      for (std::int64_t i = 0; i < 8; ++i) {
        seen += desk.population().available(client, now + Ticks{1'000'000 + 1'000'000 * i / 7}) ? 1 : 0;
      }
      return seen;
    };
    std::set<ClientId> chosen;
    int most = 0;
    for (const Participation& p : plan.starts) {
      EXPECT_TRUE(desk.population().available(p.client, now));
      chosen.insert(p.client);
      most = std::max(most, later(p.client));
    }
    EXPECT_EQ(std::ssize(chosen), cohort);
    const KeyedPermutation order(random_key(1, "planner/selection"), round, 200);
    std::int64_t left = candidates;
    for (std::uint64_t i = 0; i < 200 && left > 0; ++i) {
      const std::int64_t drawn = order(i);
      const ClientId client{drawn};
      if (!desk.population().available(client, now)) continue;
      --left;
      if (chosen.contains(client)) continue;
      EXPECT_GE(later(client), most);
      distinct += later(client) > most ? 1 : 0;
    }
    now = plan.time;
  }
  EXPECT_GT(distinct, 100);
}

// --- Work that is wasted ---------------------------------------------------------------------------------------------

const std::string small_task =
    "task = {name = \"quadratic\", clients = 60, dimension = 5}\npopulation = {speed_sigma = 1}\nlocal = {steps = 3}\n";

TEST(WastedWork, IsCountedForLateClients) {
  const Played played =
      play(federation(small_task + "planner = {name = \"over_selection\", goal = 5, factor = 2}\n"), 20, {2, 1});
  for (const RoundRecord& record : played.records) {
    EXPECT_EQ(record.committed, 5);
    EXPECT_EQ(record.dropouts, record.started - 5);
    EXPECT_EQ(record.bytes_up, record.started * 5 * 4);
    for (const ClientRow& row : record.clients) {
      EXPECT_EQ(row.figures.steps, 3);
      EXPECT_EQ(row.figures.bytes_up, 5 * 4);
      EXPECT_EQ(row.participation.outcome, row.committed ? Outcome::completes : Outcome::late);
      EXPECT_EQ(row.figures.accepted, row.committed);
      if (!row.committed) {
        EXPECT_GE(row.participation.finish, record.time);
      }
    }
  }
}

TEST(WastedWork, EndsWhenAClientIsToldToStop) {
  const Played played = play(
      federation(small_task + "planner = {name = \"fed_buff\", concurrency = 20, buffer = 4, max_staleness = 3}\n"),
      60);
  Ticks before{};
  int stopped = 0;
  for (const RoundRecord& record : played.records) {
    for (const ClientRow& row : record.clients) {
      if (row.participation.outcome != Outcome::stopped) continue;
      ++stopped;
      EXPECT_FALSE(row.committed);
      EXPECT_EQ(row.participation.finish, before);
      EXPECT_EQ(record.round - 1 - value(row.participation.version), 4);  // the step that made it too stale
      EXPECT_EQ(row.figures.bytes_up, 0);
    }
    before = record.time;
  }
  EXPECT_GT(stopped, 10);
}

// --- Probes ----------------------------------------------------------------------------------------------------------

// h (b - x)^2 / 2 at x = 0, on any number of ranks; no client with a lower loss than a candidate left out trains.
TEST(Probes, AreLossesAtTheNewestModel) {
  const Federation parts = federation(
      "task = {name = \"quadratic\", precision = \"float64\", curvatures = [1, 1, 1, 1, 1, 1], optima = [1, 2, 3, 4, "
      "5, 6]}\n"
      "planner = {name = \"power_of_choice\", cohort = 2, candidates = 4}\n");
  for (const int ranks : {1, 2, 3, 5}) {
    const Played played = play(parts, 1, {ranks, 1});
    const RoundRecord& record = played.records[0];
    EXPECT_EQ(record.started, 2);
    EXPECT_EQ(record.bytes_down, 4 * 8);  // each candidate downloads once
  }
  run_on_threads(3, [&](Communicator& comm) {
    FederationState state(parts, comm.size(), comm.rank());
    Trainers trainers(*parts.task, 1);
    state.strategy().params().fill_(0.5);
    std::vector<ClientId> all;
    for (std::int64_t c = 5; c >= 0; --c) all.push_back(ClientId{c});
    const std::vector<Probe> probes = probe_losses(all, parts, state, comm, trainers);
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(probes[i].client, all[i]);
      const double gap = value(all[i]) + 1 - 0.5;
      EXPECT_NEAR(probes[i].loss, gap * gap / 2, Evaluation::loss_unit);
    }
  });
}

TEST(Probes, AreMeanLossesOfTheClientsOwnExamples) {
  const Federation parts = federation(
      "model = \"logistic_regression\"\npartition = {name = \"dirichlet\", clients = 30, minimum = 1}\n"
      "planner = {name = \"power_of_choice\", cohort = 5, candidates = 12}\n");
  const Played one = play(parts, 3);
  EXPECT_EQ(play(parts, 3, {3, 2}).bits, one.bits);
  const std::unique_ptr<Communicator> comm = single_rank();
  FederationState state(parts, 1, 0);
  Trainers trainers(*parts.task, 1);
  // The initial model rates all ten classes nearly alike; a trainer's first full-batch loss is the same mean.
  const std::vector<Probe> probes = probe_losses({ClientId{3}, ClientId{8}}, parts, state, *comm, trainers);
  for (const Probe& probe : probes) {
    const Participation visit{.client = probe.client};
    const std::unique_ptr<Trainer> trainer = parts.task->trainer();
    trainer->open(std::span(&visit, 1), parts.local->at(1));
    EXPECT_NEAR(probe.loss, trainer->gradient(state.strategy().params()).figures[0].loss, 1e-6);
  }
}

}  // namespace
}  // namespace shoal
