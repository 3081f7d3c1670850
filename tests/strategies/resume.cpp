// Does the state of parts survive a checkpoint: versions in flight, clipping bounds, clients' own models?
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "sim/record/checkpoint.hpp"
#include "tests/experiments/program/tries.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

const std::string base =
    "[task]\nname = \"quadratic\"\nclients = 60\ndimension = 11\n[population]\nspeed_sigma = 1.5\n"
    "[local]\nsteps = 3\nblock = 2\n";

class Resume : public testing::TestWithParam<std::string> {
 protected:
  // Runs rounds `first` to `last`: from the checkpoint `from` if that is not empty, and writes a checkpoint to `to` if
  // that is not empty. Returns a hash of the records and models.
  std::string rounds(const Federation& parts, int first, int last, int ranks, const std::string& from,
                     const std::string& to) {
    std::string hash;
    run_on_threads(ranks, [&](Communicator& comm) {
      FederatedSettings settings;
      settings.personal_clients = parts.strategy->is_personal() ? 1000 : 0;
      FederatedProcess process(parts, settings);
      const auto pool = make_thread_pool(1);
      process.start(comm);
      if (!from.empty()) {
        ASSERT_TRUE(read_checkpoint(from, 0, process, comm).journal_length.has_value());
      }
      Digest all;
      for (int r = first; r <= last; ++r) {
        RoundRecord record = process.step(comm, *pool);
        add_rows(all, round_rows(record));
        all.add(digest(process.models().front().params));
        if (parts.strategy->is_personal()) {
          process.evaluate("test", comm, *pool, record);
          all.add(record.measures.at("personal_loss"));
        }
      }
      if (!to.empty()) write_checkpoint(to, process, 0, comm);
      if (comm.rank() == 0) hash = all.hex();
    });
    return hash;
  }
};

TEST_P(Resume, GivesTheSameBitsOnOtherRanks) {
  const bool has_task = GetParam().find("task") != std::string::npos;
  const Federation parts = federation(has_task ? GetParam() : base + GetParam());
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("shoal_resume_{}", ::getpid());
  std::filesystem::create_directory(folder);
  const std::string stem = (folder / "cell").string();
  rounds(parts, 1, 9, 2, "", stem);
  const std::string whole = [&] {
    rounds(parts, 1, 9, 1, "", (folder / "other").string());
    return rounds(parts, 10, 18, 1, (folder / "other").string(), "");
  }();
  for (const int ranks : {1, 2, 3}) EXPECT_EQ(rounds(parts, 10, 18, ranks, stem, ""), whole) << ranks << " ranks";

  // Also compare with a run without checkpoints.
  std::string straight;
  run_on_threads(1, [&](Communicator& comm) {
    FederationState state(parts, 1, 0);
    Trainers trainers(*parts.task, 1);
    for (int r = 1; r <= 18; ++r) run_round(parts, state, comm, trainers);
    straight = digest(state.strategy().params());
  });
  std::string resumed;
  run_on_threads(2, [&](Communicator& comm) {
    FederatedProcess process(parts, FederatedSettings());
    const auto pool = make_thread_pool(1);
    process.start(comm);
    ASSERT_TRUE(read_checkpoint(stem, 0, process, comm).journal_length.has_value());
    EXPECT_EQ(process.round(), 9);
    for (int r = 10; r <= 18; ++r) process.step(comm, *pool);
    if (comm.rank() == 0) resumed = digest(process.models().front().params);
  });
  EXPECT_EQ(resumed, straight);
  std::filesystem::remove_all(folder);
}

std::vector<std::string> all_planners() {
  std::vector<std::string> all;
  for (const Part<Planner>& part : parts<Planner>()) {
    all.push_back(fmt::format("[planner]\nname = \"{}\"\ndropout = 0.2\n", part.name));
  }
  return all;
}

// Each part of a round with its defaults, or the first settings with which it asks to be tried.
std::vector<std::string> all_others() {
  std::vector<std::string> all;
  for (const AnyPart& part : all_parts()) {
    constexpr std::array<std::string_view, 6> kinds = {"strategy", "stage", "codec", "aggregator", "rule", "attack"};
    if (std::ranges::count(kinds, part.kind) == 0 || part.name == "float_sum") continue;  // depends on ranks
    const std::vector<std::string> asked = tries(part);
    const std::string cohort = base + "[planner]\ncohort = 9\ndropout = 0.2\n";
    Settings settings = Settings::parse(asked.empty() ? cohort : with(cohort, asked.front()), "test.toml");
    settings.set(part.section, toml_of(part));
    if (part.name == "afl" || part.name == "fed_sgd") settings.erase("local");  // their clients take no steps
    all.push_back(settings.canonical());
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Others, Resume, testing::ValuesIn(all_others()));
INSTANTIATE_TEST_SUITE_P(Planners, Resume, testing::ValuesIn(all_planners()));
INSTANTIATE_TEST_SUITE_P(
    Parts, Resume,
    testing::Values<std::string>(
        "[planner]\nname = \"fed_buff\"\nconcurrency = 12\nbuffer = 4\ndropout = 0.2\nmax_staleness = 5\n"
        "[strategy]\nname = \"scaffold\"\n[[stages]]\nname = \"adaptive_clip\"\nbit_noise = 1\n",
        "[planner]\nname = \"fed_buff\"\nconcurrency = 12\nbuffer = 4\n[strategy]\nname = \"ditto\"\n",
        "[planner]\ncohort = 9\n[strategy]\nname = \"per_fed_avg\"\nform = \"hessian_free\"\n",
        "[planner]\ncohort = 9\n[aggregator]\nname = \"median\"\n[strategy]\nname = \"ditto\"\n",
        "[planner]\ncohort = 9\ndropout = 0.2\n[[codec]]\nname = \"top_k\"\n[[codec]]\nname = \"quantize\"\n"
        "[[stages]]\nname = \"top_k_download\"\nkeep = 0.3\n",
        "[planner]\ncohort = 9\n[codec]\nname = \"count_sketch\"\ncolumns = 3\nkeep = 4\n",
        "[planner]\ncohort = 12\ndropout = 0.2\n[aggregator]\nname = \"sec_agg\"\nminimum = 5\n",
        // The radius is small, so the aggregate of the round before decides much of the next.
        "[planner]\ncohort = 9\ndropout = 0.2\n[[rules]]\nname = \"nnm\"\n[[rules]]\nname = \"centered_clipping\"\n"
        "radius = 0.05\n[attack]\nname = \"alie\"\nmalicious = 20\n",
        "[task]\nname = \"supervised\"\n[data]\nname = \"optdigits\"\ntest = 0.2\n[partition]\nclients = 60\n"
        "[model]\nname = \"mlp\"\nwidths = [6]\n[planner]\nname = \"fed_buff\"\nconcurrency = 8\nbuffer = 4\n"
        "[local]\nsteps = 2\nblock = 2\n[strategy]\nname = \"fed_per\"\n",
        "[task]\nname = \"supervised\"\n[data]\nname = \"optdigits\"\ntest = 0.2\n[partition]\nclients = 60\n"
        "[model]\nname = \"mlp\"\nwidths = [6]\n[planner]\nname = \"fed_buff\"\nconcurrency = 8\nbuffer = 4\n"
        "[local]\nsteps = 2\nblock = 2\n[strategy]\nname = \"fed_proto\"\n",
        "[planner]\ncohort = 9\ndropout = 0.2\n[strategy]\nname = \"ifca\"\nclusters = 3\n",
        "[planner]\nname = \"fed_buff\"\nconcurrency = 12\nbuffer = 4\ndropout = 0.2\n[strategy]\nname = \"ifca\"\n",
        "[planner]\ncohort = 9\ndropout = 0.2\n[strategy]\nname = \"mime\"\n",
        "[planner]\ncohort = 9\ndropout = 0.2\n[strategy]\nname = \"fed_amp\"\nsigma = 50\n",
        "[task]\nname = \"supervised\"\n[data]\nname = \"optdigits\"\ntest = 0.2\n[partition]\nclients = 60\n"
        "[model]\nname = \"mlp\"\nwidths = [6]\nshrink = [1, 0.5]\n[planner]\nname = \"fed_buff\"\nconcurrency = 8\n"
        "buffer = 4\n[local]\nsteps = 2\nblock = 2\n[strategy]\nname = \"hetero_fl\"\n",
        "[task]\nname = \"supervised\"\n[data]\nname = \"optdigits\"\nserver = 90\ntest = 0.2\n[partition]\nclients = "
        "60\n"
        "[model]\nname = \"logistic_regression\"\n[planner]\ncohort = 9\n[local]\nsteps = 2\n"
        "[strategy]\nname = \"fed_law\"\nepochs = 3\n",
        "[task]\nname = \"agents\"\nusers = 40\nsessions = 1\n[planner]\nname = \"fed_buff\"\nconcurrency = 12\n"
        "buffer = 4\ndropout = 0.2\n[strategy]\nname = \"scaffold\"\n[[stages]]\nname = \"clip\"\n",
        "[task]\nname = \"agents\"\nusers = 40\nsessions = 1\n[planner]\ncohort = 9\n"
        "[strategy]\nname = \"local_only\"\n[local]\nsteps = 2\nblock = 2\n"));

}  // namespace
}  // namespace shoal
