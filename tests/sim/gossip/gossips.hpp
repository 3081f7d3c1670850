#pragma once
// Runs gossip from a few lines of TOML on ranks as threads.

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "sim/gossip/gossip_process.hpp"
#include "sim/record/checkpoint.hpp"
#include "tests/composed.hpp"

namespace shoal::test {

/// The results of all ranks together.
struct Gossiped {
  std::vector<RoundRecord> records;
  std::map<std::int64_t, at::Tensor> models;  // models of all nodes that have taken part
  at::Tensor mean;
  std::string bits;  // hash of all of the above
};

/// The files of a checkpoint from which a run begins, or that it leaves behind; empty: none.
struct Checkpoints {
  std::string from{}, to{};
};

/// Runs the rounds up to `last`. Every rank must end with the same records and mean.
inline Gossiped gossiped(const std::string& toml, std::int64_t last, Hands hands = {}, const Checkpoints& files = {}) {
  Gossiped result;
  std::mutex mutex;
  std::set<std::string> ends;
  run_on_threads(hands.ranks, [&](Communicator& comm) {
    Datasets datasets;
    const std::unique_ptr<Process> process = compose(Settings::parse(toml, "test.toml"), datasets);
    ASSERT_NE(dynamic_cast<GossipProcess*>(process.get()), nullptr);
    const std::unique_ptr<ThreadPool> pool = make_thread_pool(hands.threads);
    process->start(comm);
    if (!files.from.empty()) {
      ASSERT_TRUE(read_checkpoint(files.from, 0, *process, comm).journal_length.has_value());
    }
    Digest all;
    std::vector<RoundRecord> records;
    while (process->round() < last) {
      records.push_back(process->step(comm, *pool));
      add_rows(all, round_rows(records.back()));
    }
    if (!files.to.empty()) write_checkpoint(files.to, *process, 0, comm);
    const at::Tensor mean = process->models().front().params.clone();
    all.add(digest(mean));
    const std::lock_guard lock(mutex);
    ends.insert(all.hex());
    result.records = std::move(records);
    result.mean = mean;
    for (const auto& [node, record] : process->memories().front()->records()) {
      result.models[value(node)] = record[GossipState::model_slot].clone();
    }
  });
  EXPECT_EQ(ends.size(), 1U);
  Digest all;
  all.add(*ends.begin());
  for (const auto& [node, model] : result.models) all.add(node).add(digest(model));
  result.bits = all.hex();
  return result;
}

}  // namespace shoal::test
