#pragma once
// Rounds in a test: plays an experiment of a few lines of TOML on ranks as threads and returns everything it produced.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "sim/digest.hpp"
#include "sim/record/from_round.hpp"
#include "sim/round/run_round.hpp"
#include "tests/composed.hpp"

namespace shoal::test {

/// The results of a game: the records and models of all rounds, and the state at the end.
struct Played {
  std::vector<RoundRecord> records;
  std::vector<at::Tensor> params;           // after each round
  State strategy;                           // at the end
  std::map<ClientId, ClientRecord> memory;  // client memory of all ranks together, at the end
  std::string bits;                         // digest of all of the above and of the states of planner and stages

  at::Tensor last() const { return params.back(); }
};

inline void add_state(Digest& all, const State& state) {
  for (const auto& [name, tensor] : state.tensors()) all.add(name).add(digest(tensor));
  for (const auto& [name, number] : state.integers()) all.add(name).add(number);
  for (const auto& [name, bytes] : state.blobs()) all.add(name).add(bytes);
}

inline void add_record(Digest& all, const RoundRecord& record) { add_rows(all, round_rows(record)); }

/// Plays `rounds` rounds. Every rank must end with the same bits. `after` is called on each rank after each round.
inline Played play(const Federation& federation, int rounds, Hands hands = {},
                   const std::function<void(const FederationState&, const Communicator&)>& after = {}) {
  Played played;
  std::mutex mutex;
  std::map<int, std::string> of_rank;
  run_on_threads(hands.ranks, [&](Communicator& comm) {
    FederationState state(federation, comm.size(), comm.rank());
    Trainers trainers(*federation.task, hands.threads);
    Digest all;
    for (int r = 0; r < rounds; ++r) {
      const RoundRecord record = run_round(federation, state, comm, trainers);
      add_record(all, record);
      all.add(digest(state.strategy().params()));
      if (after) after(state, comm);
      if (comm.rank() != 0) continue;
      played.records.push_back(record);
      played.params.push_back(state.strategy().params().clone());
    }
    for (const auto& [name, section] : state.sections) add_state(all, section);
    const std::lock_guard lock(mutex);
    of_rank[comm.rank()] = all.hex();
    if (comm.rank() == 0) played.strategy = state.strategy();
    for (const auto& [client, memory] : state.memory.records()) {
      EXPECT_TRUE(played.memory.emplace(client, memory).second) << "two ranks are home to client " << value(client);
    }
  });
  for (const auto& [rank, bits] : of_rank) EXPECT_EQ(bits, of_rank.at(0)) << "rank " << rank;
  Digest all;
  all.add(of_rank.at(0));
  for (const auto& [client, memory] : played.memory) {
    all.add(value(client));
    for (const at::Tensor& slot : memory) all.add(slot.defined() ? digest(slot) : "nothing");
  }
  played.bits = all.hex();
  return played;
}

/// All values as doubles, so that tests compare one type.
inline std::vector<double> numbers(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kDouble).contiguous();
  return {wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel()};
}

/// |a - b| <= tolerance max(1, |b|), value by value.
inline void expect_close(const at::Tensor& a, const std::vector<double>& b, double tolerance, const std::string& what) {
  const std::vector<double> values = numbers(a);
  ASSERT_EQ(values.size(), b.size()) << what;
  for (std::size_t i = 0; i < b.size(); ++i) {
    EXPECT_NEAR(values[i], b[i], tolerance * std::max(1.0, std::fabs(b[i]))) << what << ", value " << i;
  }
}

}  // namespace shoal::test
