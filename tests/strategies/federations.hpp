#pragma once
// Runs experiments of a few lines of TOML round by round on ranks as threads.

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "sim/digest.hpp"
#include "sim/record/from_round.hpp"
#include "sim/round/personal.hpp"
#include "sim/round/run_round.hpp"
#include "tests/composed.hpp"

namespace shoal::test {

using AfterRound = std::function<void(const RoundRecord&, const FederationState&, Communicator&, Trainers&)>;

/// Runs `rounds` rounds and calls `after` on every rank after each. Returns a hash of the records, model and memory.
inline std::string run(const Federation& parts, int rounds, int ranks = 1, int threads = 1,
                       const AfterRound& after = {}) {
  std::mutex mutex;
  std::string hash;
  std::map<ClientId, std::string> memory;
  run_on_threads(ranks, [&](Communicator& comm) {
    FederationState state(parts, comm.size(), comm.rank());
    Trainers trainers(*parts.task, threads);
    Digest all;
    for (int r = 0; r < rounds; ++r) {
      const RoundRecord record = run_round(parts, state, comm, trainers);
      add_rows(all, round_rows(record));
      if (after) after(record, state, comm, trainers);
    }
    all.add(digest(state.strategy().params()));
    const std::lock_guard lock(mutex);
    if (comm.rank() == 0) hash = all.hex();
    for (const auto& [client, record] : state.memory.records()) {
      for (const at::Tensor& slot : record) memory[client] += slot.defined() ? digest(slot) : "-";
    }
  });
  Digest all;
  all.add(hash);
  for (const auto& [client, slots] : memory) all.add(value(client)).add(slots);
  return all.hex();
}

inline std::string user_error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace shoal::test
