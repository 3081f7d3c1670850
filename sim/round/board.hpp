#pragma once
// Facts about single clients that the server knows and all parts on its side may read.

#include <cmath>
#include <map>
#include <string>
#include <string_view>

#include "sim/error.hpp"
#include "sim/ids.hpp"

namespace shoal {

/// The report on a committed participation; the same on every rank.
struct Feedback {
  ParticipationId id{};
  ClientId client{};
  double loss = 0;         // mean training loss over its local steps
  std::int64_t steps = 0;  // number of local steps
  bool accepted = true;    // false if the update was rejected, see ClientFigures
};

/// Scores of clients by name, such as a reputation or a weight. The same on every rank; checkpoints hold them. Only
/// clients with a score take space. Three names have a meaning for the engine: a client whose score `excluded` is above
/// 0 is not started by any planner, the score `weight` multiplies the client's weight in all sums, and `held` is the
/// version of the model that a client has downloaded last, kept where downloads depend on it (Message::bytes_since).
class Board {
 public:
  using Scores = std::map<ClientId, double>;
  static constexpr std::string_view excluded = "excluded";
  static constexpr std::string_view weight = "weight";
  static constexpr std::string_view held = "held version";

  double score(std::string_view name, ClientId client, double otherwise = 0) const {
    const auto scores = all_.find(name);
    if (scores == all_.end()) return otherwise;
    const auto found = scores->second.find(client);
    return found == scores->second.end() ? otherwise : found->second;
  }
  void set(std::string_view name, ClientId client, double score) {
    ensure(std::isfinite(score), "the score '{}' of client {} is not finite", name, value(client));
    auto scores = all_.find(name);
    if (scores == all_.end()) scores = all_.emplace(name, Scores{}).first;
    scores->second.insert_or_assign(client, score);
  }

  bool has(std::string_view name) const { return all_.contains(name); }
  const std::map<std::string, Scores, std::less<>>& all() const { return all_; }
  void clear() { all_.clear(); }

 private:
  std::map<std::string, Scores, std::less<>> all_;
};

}  // namespace shoal
