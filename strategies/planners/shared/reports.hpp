#pragma once
// Shared by synchronous planners: cohorts, the end of a round, and stragglers, which work on after that end.

#include <cstring>
#include <limits>

#include "strategies/planners/shared/start.hpp"

namespace shoal::planners {

/// How many clients a round wants, and how many reports it needs.
class Cohort {
 public:
  explicit Cohort(const Settings& s);

  std::int64_t size() const { return size_; }
  std::int64_t minimum() const { return minimum_; }
  /// UserError unless the population has `wanted` clients with examples.
  void check(const Task& task, std::int64_t wanted) const { check_cohort(task, wanted, where_, "cohort"); }

  static void check_cohort(const Task& task, std::int64_t wanted, const std::string& where, const char* key);

 private:
  std::int64_t size_, minimum_;
  std::string where_;
};

/// A list of plain values in a planner's state; empty at first.
template <class T>
std::vector<T> kept(State& state, std::string_view name) {
  static_assert(std::is_trivially_copyable_v<T>);
  const std::string& bytes = state.blob(name);
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}
template <class T>
void keep(State& state, std::string_view name, const std::vector<T>& values) {
  state.blob(name).assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/// The clients that work on after their round has ended: they cannot be chosen before they finish.
std::set<ClientId> still_at_work(State& state, Ticks now);

/// When a synchronous round ends, and which reports count.
struct Reporting {
  std::int64_t goal = std::numeric_limits<std::int64_t>::max();  // the round ends with that many reports
  std::int64_t minimum = 1;                                      // with fewer it is abandoned
  Ticks deadline{std::numeric_limits<std::int64_t>::max()};      // end of the wait; later than now
};

/// Commits the first `goal` reports in order of (time, kind, client, participation) until the deadline. A client that
/// would have reported after that is late; one that works on after the round's end is kept in the state as a straggler.
RoundPlan commit_first(std::vector<Participation> starts, const Reporting& reporting, State& state, const World& world);

}  // namespace shoal::planners
