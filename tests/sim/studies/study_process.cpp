// Are replicates summed exactly on any ranks, and does a study continue from a checkpoint to the same bits?

#include "sim/studies/study_process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "sim/record/checkpoint.hpp"
#include "tests/composed.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t replicates = 200;

// Replicate i has the outcomes i plus the seed, i^2 / 1000 and 1; the metric is the first.
class Squares : public Study {
 public:
  std::vector<std::pair<std::string, std::int64_t>> outcomes() const override { return {{"pair", 2}, {"one", 1}}; }
  std::vector<double> run(std::uint64_t seed, std::int64_t i) const override {
    const double x = i, shift = seed;
    return {x + shift, x * x / 1000, 1};
  }
  std::string metric_name() const override { return "index"; }
  std::string metric_unit() const override { return "count"; }
  double metric(const double* outcomes) const override { return outcomes[0]; }
};

// Every tenth replicate fails: an outcome is not finite, or beyond the bound.
class Failing final : public Squares {
 public:
  std::vector<double> run(std::uint64_t, std::int64_t i) const override {
    if (i % 20 == 0) return {0, std::numeric_limits<double>::quiet_NaN(), 1};
    if (i % 20 == 10) return {0, 0, 257};
    return {2, 3, 4};
  }
};

struct Studied {
  std::vector<RoundRecord> records;
  at::Tensor means;
};

// Steps up to `last`, from the checkpoint `from` unless that is empty; writes one at `to` unless that is empty.
template <class Work>
Studied studied(int ranks, std::int64_t last, const std::string& from = "", const std::string& to = "") {
  Studied result;
  run_on_threads(ranks, [&](Communicator& comm) {
    StudyProcess process(std::make_unique<Work>(), replicates, 1);
    const auto pool = make_thread_pool(2);
    process.start(comm);
    if (!from.empty()) {
      ASSERT_TRUE(read_checkpoint(from, 0, process, comm).journal_length.has_value());
    }
    while (process.round() < last) {
      const RoundRecord record = process.step(comm, *pool);
      if (comm.rank() == 0) result.records.push_back(record);
    }
    if (!to.empty()) write_checkpoint(to, process, 0, comm);
    if (comm.rank() == 0) result.means = process.models().front().params;
  });
  return result;
}

TEST(StudyProcess, GivesTheMeanOfAllReplicates) {
  const Studied one = studied<Squares>(1, 4);
  ASSERT_EQ(one.records.size(), 4);  // 64 + 64 + 64 + 8 replicates
  // Sums of 0 .. n - 1 and of their squares: n (n - 1) / 2 and (n - 1) n (2n - 1) / 6.
  const double n = replicates, first = (n - 1) / 2 + 1, second = (n - 1) * (2 * n - 1) / 6 / 1000;
  EXPECT_FLOAT_EQ(one.means[0].item<float>(), first);
  EXPECT_NEAR(one.means[1].item<float>(), second, 1e-6);
  EXPECT_EQ(one.means[2].item<float>(), 1);
  EXPECT_EQ(one.records[3].measures.at("index"), first);
  EXPECT_EQ(one.records[0].measures.at("index"), (64 - 1) / 2.0 + 1);  // the mean over the first 64
  std::int64_t next = 0;
  for (const RoundRecord& record : one.records) {
    const Table& table = record.tables.at("replicates");
    EXPECT_EQ(table.columns[1].name, "index");
    EXPECT_EQ(table.rows(), record.started);
    for (std::int64_t r = 0; r < table.rows(); ++r, ++next) {
      EXPECT_EQ(table.integer(r, 0), next);
      EXPECT_EQ(table.real(r, 1), next + 1);
    }
  }
  EXPECT_EQ(next, replicates);
  for (const int ranks : {2, 3, 5}) EXPECT_TRUE(studied<Squares>(ranks, 4).means.equal(one.means)) << ranks;
}

TEST(StudyProcess, LeavesOutRejectedReplicates) {
  const Studied some = studied<Failing>(3, 4);
  EXPECT_EQ(some.means[0].item<float>(), 2);
  EXPECT_EQ(some.means[1].item<float>(), 3);
  EXPECT_EQ(some.means[2].item<float>(), 4);
  std::int64_t rejected = 0, committed = 0;
  for (const RoundRecord& record : some.records) {
    rejected += record.rejected;
    committed += record.committed;
  }
  EXPECT_EQ(rejected, 20);
  EXPECT_EQ(committed, 180);
  EXPECT_TRUE(std::isnan(some.records[0].tables.at("replicates").real(10, 1)));
  EXPECT_EQ(some.records[0].tables.at("replicates").real(11, 1), 2);
}

TEST(StudyProcess, ContinuesOnOtherRanks) {
  const auto stem = std::filesystem::path(testing::TempDir()) / fmt::format("shoal_study_{}", ::getpid());
  const Studied whole = studied<Squares>(1, 4);
  studied<Squares>(2, 2, "", stem.string());
  for (const int ranks : {1, 3}) {
    const Studied rest = studied<Squares>(ranks, 4, stem.string());
    EXPECT_TRUE(rest.means.equal(whole.means));
    ASSERT_EQ(rest.records.size(), 2);
    EXPECT_EQ(rest.records[1].measures, whole.records[3].measures);
    EXPECT_EQ(rest.records[0].tables.at("replicates").values, whole.records[2].tables.at("replicates").values);
  }
  remove_checkpoints(stem.string());
}

}  // namespace
}  // namespace shoal
