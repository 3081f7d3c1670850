#pragma once
// How well the model that each client would use serves it, on examples of its own.

#include "sim/round/federation.hpp"

namespace shoal {

/// Over the clients with examples in the split, each counted once; NaN where there are none or the task has no
/// accuracy.
struct PersonalEvaluation {
  std::int64_t clients = 0;
  double accuracy = 0;      // mean over clients
  double accuracy_p10 = 0;  // of the client at the 10th percentile, nearest rank: the best that the worst tenth gets
  double loss = 0;          // mean over clients
};

/// Evaluates `Strategy::personal` of at most `most` clients, always the same ones: the first with training examples in
/// a keyed permutation. Collective. Each client is evaluated on its own at the home of its memory, so only three
/// integers per client are sent, and the result is the same for any number of ranks and threads.
PersonalEvaluation evaluate_personal(const Federation& federation, const FederationState& state, Split split,
                                     std::int64_t most, Communicator& comm, Trainers& trainers);

}  // namespace shoal
