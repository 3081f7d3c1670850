#pragma once
// Personal evaluation: each client's own model is evaluated on the client's own examples.

#include "sim/round/federation.hpp"

namespace shoal {

/// The result of one client's own model on the client's own examples.
struct ClientEvaluation {
  ClientId client{};
  std::int64_t examples = 0;
  double accuracy = 0, loss = 0;  // accuracy: NaN if the task has none
};

/// Statistics over the clients with examples in the set, each with the same weight; NaN if there are none or the task
/// has no accuracy.
struct PersonalEvaluation {
  std::int64_t clients = 0;
  double accuracy = 0;      // mean over clients
  double accuracy_p10 = 0;  // 10th percentile over clients, nearest rank: the best accuracy among the worst tenth
  double loss = 0;          // mean over clients
  std::vector<ClientEvaluation> each;  // in the order of the permutation
};

/// Evaluates `Strategy::personal`, or what clients predict with it, for at most `most` clients, always the same ones:
/// the first with training examples in a keyed permutation. Collective. Each client is evaluated alone, on the home
/// rank of its memory, so only three integers per client are sent, and the result is the same for any number of ranks
/// and threads.
PersonalEvaluation evaluate_personal(const Federation& federation, const FederationState& state, std::string_view set,
                                     std::int64_t most, Communicator& comm, Trainers& trainers);

/// The table `personal` of a round's record: a row per client.
Table personal_table(const PersonalEvaluation& evaluation, std::int64_t round);

}  // namespace shoal
