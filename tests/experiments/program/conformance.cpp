// Does every registered part keep the promises of its contract? A new part is covered as soon as its file is there: it
// is composed with its defaults into small experiments, which must give the same bits on any number of ranks and
// threads.

#include <ATen/ops/isfinite.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include "experiments/program/explain.hpp"
#include "experiments/program/part_list.hpp"
#include "sim/agents/environment.hpp"
#include "sim/agents/judge.hpp"
#include "sim/agents/objective.hpp"
#include "sim/agents/policy.hpp"
#include "sim/nn/model.hpp"
#include "sim/task/dense_store.hpp"
#include "tests/experiments/program/tries.hpp"
#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::HasSubstr;

std::vector<Declared> declared(const AnyPart& part) {
  Settings settings;
  part.make(settings);
  return settings.declared();
}

// The parts whose kind has a section of an experiment to itself.
std::vector<AnyPart> candidates() {
  std::vector<AnyPart> all = all_parts();
  std::erase_if(all, [](const AnyPart& part) {
    // Topologies and peer strategies are tried without a server, in tests/strategies.
    constexpr std::array<std::string_view, 3> elsewhere = {"task", "topology", "peer strategy"};
    return std::ranges::count(elsewhere, part.kind) > 0 || part.kind.starts_with("form of");
  });
  return all;
}

const std::string quadratic =
    "rounds = 3\ntask = {name = \"quadratic\", clients = 20, dimension = 6, spread = 0.5}\n"
    "local = {steps = 3}\n";
const std::string optdigits =
    "rounds = 3\ndata = \"optdigits\"\nmodel = \"logistic_regression\"\n"
    "partition = {name = \"dirichlet\", clients = 20, minimum = 1}\n"
    "local = {steps = 4, batch = 5}\n";

const std::string rules = "task = {name = \"rules\", replicates = 20}\n";
const std::string users =
    "rounds = 3\ntask = {name = \"agents\", users = 20, sessions = 2, test_users = 80, own_turns = 2}\n";
const std::string machines = "task = {name = \"machines\", replicates = 20, updates = 10}\n";

// `base` with the part in it, at its defaults; a partition gets the number of clients that the base has.
Settings settings_of(const AnyPart& part, const std::string& base, int block = 1, std::string extra = "") {
  Settings settings = Settings::parse(base, "test.toml");
  if (part.section == "partition") extra += ", clients = 20";
  settings.set(part.section, toml_of(part, extra));
  if (part.name == "fed_sgd" || part.name == "afl") settings.erase("local");  // their clients take no steps
  if (block > 1) settings.set("local.block", std::to_string(block));
  return settings;
}

Composed composed(const AnyPart& part, const std::string& base, int block = 1) {
  return test::composed(settings_of(part, base, block));
}

// Federations in which the part makes a difference. A quadratic task has no data and no model.
std::vector<std::string> bases(const AnyPart& part) {
  std::vector<std::string> all = {quadratic, optdigits};
  if (part.kind == "environment") return {};
  if (part.kind == "objective" || part.kind == "judge" || part.kind == "policy") all = {users};
  if (part.section == "model" || part.section == "partition" || part.section.starts_with("data")) all = {optdigits};
  std::vector<std::string> tried;
  for (const std::string& assignments : tries(part)) {
    for (const std::string& base : all) tried.push_back(with(base, assignments));
  }
  return tried.empty() ? all : tried;
}

// Studies in which the part makes a difference.
std::vector<std::string> studies(const AnyPart& part) {
  if (part.kind == "objective" || part.kind == "judge") return {rules};
  if (part.kind == "environment") return {machines};
  return {};
}

class Conformance : public ::testing::TestWithParam<AnyPart> {
 protected:
  const AnyPart& part() const { return GetParam(); }

  // False, with the reason, for a data source whose files are missing and a model for other examples than images.
  bool is_available(std::string& why) const {
    if (part().kind != "data source" && part().kind != "model") return true;
    try {
      composed(part(), optdigits);
      return true;
    } catch (const UserError& error) {
      why = error.what();
      return false;
    }
  }
};

TEST_P(Conformance, TellsWhatItDoes) {
  const std::string_view about = part().about;
  ASSERT_GE(about.size(), 20U);
  // Whole sentences; a source in parentheses may end them.
  EXPECT_TRUE(std::isupper(static_cast<unsigned char>(about.front()))) << about;
  EXPECT_TRUE(about.ends_with('.') || about.ends_with(')')) << about;
  EXPECT_EQ(about.find("//"), std::string_view::npos);
}

TEST_P(Conformance, NamesItsSettings) {
  Settings none;
  EXPECT_TRUE(part().make(none));
  std::set<std::string> keys;
  for (const Declared& setting : declared(part())) {
    EXPECT_TRUE(keys.insert(setting.key).second) << setting.key << " is declared twice";
    EXPECT_FALSE(setting.type.empty()) << setting.key;
    EXPECT_FALSE(setting.fallback.empty()) << setting.key;
    EXPECT_GE(setting.meaning.size(), 5U) << setting.key;
  }
}

// A file may say what `shoal explain` shows: the defaults, written out, are accepted.
TEST_P(Conformance, AcceptsItsOwnDefaults) {
  std::string written;
  for (const Declared& setting : declared(part())) written += fmt::format("{} = {}\n", setting.key, setting.fallback);
  Settings settings = Settings::parse(written, "defaults.toml");
  EXPECT_TRUE(part().make(settings)) << written;
  EXPECT_NO_THROW(settings.finish()) << written;
}

TEST_P(Conformance, RefusesUnknownKeys) {
  std::string why;
  if (!is_available(why)) GTEST_SKIP() << why;
  Datasets datasets;
  std::vector<std::string> all = bases(part());
  for (const std::string& base : studies(part())) all.push_back(base);
  ASSERT_FALSE(all.empty()) << "nothing tries the part";
  for (const std::string& base : all) {
    EXPECT_NO_THROW(compose(settings_of(part(), base), datasets));
    try {
      compose(settings_of(part(), base, 1, ", no_such_key = 1"), datasets);
      ADD_FAILURE() << "the key was accepted";
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr("no_such_key"));
    }
  }
}

TEST_P(Conformance, GivesTheSameBitsOnAnyRanksAndThreads) {
  std::string why;
  if (!is_available(why)) GTEST_SKIP() << why;
  for (const std::string& base : bases(part())) {
    const Composed experiment = composed(part(), base);
    const Federation& federation = experiment.federation;
    const int rounds = experiment.rounds();
    ASSERT_EQ(rounds, 3);
    const Played one = play(federation, rounds);
    EXPECT_EQ(play(federation, rounds).bits, one.bits) << "a second run through the same parts";
    EXPECT_EQ(play(composed(part(), base).federation, rounds).bits, one.bits) << "parts composed again";
    for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{2, 2}, Hands{3, 1}, Hands{3, 2}, Hands{5, 1}}) {
      const Played many = play(federation, rounds, hands);
      if (federation.aggregator->reproducible()) {
        EXPECT_EQ(many.bits, one.bits) << hands.ranks << " ranks, " << hands.threads << " threads\n" << base;
      } else {
        expect_close(many.last(), numbers(one.last()), 1e-5, "params");
      }
    }
  }
}

TEST_P(Conformance, GivesTheSameBitsInAStudy) {
  for (const std::string& base : studies(part())) {
    const Settings settings = settings_of(part(), base);
    const Finished one = finished(settings);
    EXPECT_TRUE(at::isfinite(one.model).all().item<bool>());
    EXPECT_EQ(finished(settings).bits, one.bits) << "parts composed again";
    for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{2, 2}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(finished(settings, hands).bits, one.bits) << hands.ranks << " ranks, " << hands.threads << " threads";
    }
  }
}

TEST_P(Conformance, LearnsSomethingFinite) {
  std::string why;
  if (!is_available(why)) GTEST_SKIP() << why;
  for (const std::string& base : bases(part())) {
    const Composed experiment = composed(part(), base);
    const Played played = play(experiment.federation, 3);
    for (const auto& [name, tensor] : played.strategy.tensors()) {
      EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
    }
    for (const auto& [client, record] : played.memory) {
      for (const at::Tensor& slot : record) EXPECT_TRUE(!slot.defined() || at::isfinite(slot).all().item<bool>());
    }
    const at::Tensor before = experiment.federation.task->initial_parameters(
        random_key(experiment.federation.seed, "model/initial_parameters"));
    const std::vector<Channel> channels = experiment.federation.channels();
    const bool sends_a_model = std::ranges::any_of(
        channels, [&](const Channel& channel) { return channel.size == experiment.federation.task->layout().size; });
    if (sends_a_model) {
      EXPECT_NE(digest(played.last()), digest(before));
    } else {
      EXPECT_FALSE(played.memory.empty());  // all that is learned stays with the clients
    }
    for (const RoundRecord& record : played.records) {
      EXPECT_EQ(record.verdict, Verdict::commit);
      EXPECT_FALSE(record.diverged);
      EXPECT_EQ(record.rejected, 0);
      EXPECT_GT(record.committed, 0);
    }
  }
}

TEST_P(Conformance, TrainsStackedClientsLikeSingleOnes) {
  std::string why;
  if (!is_available(why)) GTEST_SKIP() << why;
  for (const std::string& base : bases(part())) {
    const Played single = play(composed(part(), base, 1).federation, 3);
    const Federation stacked = composed(part(), base, 4).federation;
    const Played four = play(stacked, 3);
    expect_close(four.last(), numbers(single.last()), 1e-5, "params");
    if (!stacked.aggregator->reproducible()) continue;
    EXPECT_EQ(play(stacked, 3).bits, four.bits);
    EXPECT_EQ(play(stacked, 3, {2, 2}).bits, four.bits);
  }
}

TEST_P(Conformance, EvaluatesAlikeOnAnyRanksAndThreads) {
  std::string why;
  if (!is_available(why)) GTEST_SKIP() << why;
  for (const std::string& base : bases(part())) {
    const Composed experiment = composed(part(), base);
    const Task& task = *experiment.federation.task;
    const at::Tensor params = play(experiment.federation, 1).last();
    std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> seen;
    for (const Hands hands : {Hands{1, 1}, Hands{1, 2}, Hands{2, 1}, Hands{3, 2}}) {
      std::mutex mutex;
      run_on_threads(hands.ranks, [&](Communicator& comm) {
        Trainers trainers(task, hands.threads);
        const Evaluation result = evaluate(params, experiment.evaluate_on(), task, comm, trainers);
        const std::lock_guard lock(mutex);
        seen.emplace(result.examples, result.correct, result.loss);
      });
    }
    ASSERT_EQ(seen.size(), 1U);
    const auto& [examples, correct, loss] = *seen.begin();
    EXPECT_GT(examples, 0);
    EXPECT_LE(correct, examples);
    EXPECT_GE(loss, part().kind == "policy" ? 0 : 1);  // a policy that can add may have no wrong answers
  }
}

std::string test_name(const ::testing::TestParamInfo<AnyPart>& info) {
  std::string kind(info.param.kind);
  std::ranges::replace(kind, ' ', '_');
  return fmt::format("{}_{}", kind, info.param.name);
}

INSTANTIATE_TEST_SUITE_P(Parts, Conformance, ::testing::ValuesIn(candidates()), test_name);

// --- The tables themselves -------------------------------------------------------------------------------------------

TEST(PartTables, AreSortedByName) {
  const std::vector<AnyPart> all = all_parts();
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i - 1].kind == all[i].kind) {
      EXPECT_LT(all[i - 1].name, all[i].name);
    }
  }
}

// Every part file of the repository is tested above, and can be explained.
TEST(PartTables, HoldEveryPartFile) {
  const char* source = std::getenv("SHOAL_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "SHOAL_SOURCE is not set (ctest sets it)";
  namespace fs = std::filesystem;
  const std::string list = list_parts();
  std::set<fs::path> files, folders;
  for (const AnyPart& part : all_parts()) {
    files.insert(fs::path(source) / part.file);
    folders.insert((fs::path(source) / part.file).parent_path());
    EXPECT_THAT(list, HasSubstr(fmt::format("  {} ", part.name)));
  }
  for (const fs::path& folder : folders) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() != ".cpp") continue;
      EXPECT_TRUE(files.erase(entry.path()) > 0) << entry.path() << " is not tested";
    }
  }
  EXPECT_TRUE(files.empty()) << *files.begin() << " does not exist";
}

TEST(PartTables, SuggestTheNearestName) {
  Datasets datasets;
  try {
    compose(Settings::parse("task = \"quadratic\"\nstrategy = \"fed_avgg\"\n", "test.toml"), datasets);
    ADD_FAILURE() << "no error";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "there is no strategy called 'fed_avgg'. The nearest is 'fed_avg'.");
  }
}

// --- Partitions ------------------------------------------------------------------------------------------------------

std::vector<std::vector<std::int32_t>> dealt(const Part<Partition>& part, const ExampleStore& train,
                                             std::uint64_t seed) {
  Settings settings = Settings::parse("clients = 20", "test.toml");
  const auto clients = part.make(settings)->deal(train, seed);
  EXPECT_EQ(clients->clients(), 20);
  std::vector<std::vector<std::int32_t>> all;
  for (std::int64_t c = 0; c < clients->clients(); ++c) {
    all.emplace_back(clients->count(ClientId{c}));
    clients->indices(ClientId{c}, all.back());
  }
  return all;
}

TEST(Partitions, DealEveryExampleOnce) {
  Datasets datasets;
  Examples examples;
  const auto dataset = datasets.load(Settings::parse("name = \"optdigits\"", "test.toml"));
  examples.form = {.shape = {0, 1, 1}, .classes = 10};
  examples.labels.assign(dataset->train->labels().begin(), dataset->train->labels().end());
  for (std::int32_t i = 0; i < dataset->train->count(); ++i) examples.groups.push_back(i % 97);  // for "natural"
  const DenseStore train(std::move(examples));
  for (const Part<Partition>& part : parts<Partition>()) {
    for (const std::uint64_t seed : {1, 2, 3}) {
      std::vector<std::int32_t> indices;
      for (const auto& own : dealt(part, train, seed)) indices.insert(indices.end(), own.begin(), own.end());
      std::ranges::sort(indices);
      std::vector<std::int32_t> every(train.count());
      std::iota(every.begin(), every.end(), 0);
      EXPECT_EQ(indices, every) << part.name << ", seed " << seed;
    }
    EXPECT_EQ(dealt(part, train, 1), dealt(part, train, 1)) << part.name;
    EXPECT_NE(dealt(part, train, 1), dealt(part, train, 2)) << part.name;
  }
}

}  // namespace
}  // namespace shoal
