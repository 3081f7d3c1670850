#pragma once
// Serving: generates replies with the weights it holds and stamps every token with their version.

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "sim/pipeline/event_heap.hpp"
#include "sim/pipeline/settings.hpp"
#include "sim/pipeline/turns.hpp"

namespace shoal::pipeline {

struct Served {
  Request request;
  Reply reply;
  std::vector<std::int64_t> versions;  // version of the weights for each token
  Ticks latency{};                     // time since the client's first attempt, refusals included
};

struct ServingCounters {
  std::int64_t requests = 0;     // well-formed requests, retries included
  std::int64_t malformed = 0;    // requests without session or turn type: errors
  std::int64_t refused = 0;      // requests answered by 503
  std::int64_t pauses = 0;       // pauses in which new generations wait or are refused, because of new weights
  std::int64_t interrupted = 0;  // interrupted generations
  std::int64_t longest_queue = 0;
  Ticks stalled{};  // total time of the pauses
  Ticks busy{};     // busy time of all slots together
};

enum class Answer : std::int8_t { accepted, refused, malformed };

class Serving {
 public:
  /// The treatment of new requests during a pause.
  enum class While : std::int8_t { waits, refuses };

  Serving(const Policy& policy, const ServingSettings& settings, const at::Tensor& params, std::uint64_t seed,
          std::int64_t replicate);

  Answer submit(Request request, Ticks now, EventHeap& events);
  /// Ends a generation and returns the reply; none if it was interrupted in the meantime.
  std::optional<Served> finish(std::int64_t number, Ticks now, EventHeap& events);

  /// Keeps new generations from starting.
  void pause(While new_requests, Ticks now);
  /// Stops running generations, which keep their tokens so far.
  void interrupt(Ticks now);
  /// Continues interrupted generations from a recomputed prefix and starts waiting ones.
  void resume(Ticks now, EventHeap& events);
  /// Sets the weights of generations that start or continue from now on.
  void take(const at::Tensor& params, std::int64_t version);

  bool paused() const { return paused_; }
  std::int64_t running() const { return std::ssize(running_); }
  std::int64_t version() const { return version_; }
  /// Counts running generations and a current pause until `now`.
  ServingCounters counters(Ticks now) const;

 private:
  struct Generation {
    Request request;
    RandomStream random;
    Reply reply;
    std::vector<std::int64_t> versions;
    Ticks since{};         // start: it holds a slot from then on
    Ticks begin{};         // start of the first token that the current weights sample
    std::size_t kept = 0;  // tokens sampled before that
    Ticks finish{};        // `interrupted` while it is stopped
  };
  static constexpr Ticks interrupted{-1};

  void start_waiting(Ticks now, EventHeap& events);
  void generate(std::int64_t number, Generation& generation, Ticks now, Ticks first, EventHeap& events);
  void sample(Generation& generation);
  Ticks reading(const Generation& generation) const;

  const ServingSettings& settings_;
  std::unique_ptr<RolloutWorker> worker_;
  RandomKey key_;
  std::int64_t replicate_;
  Ticks latency_, token_;
  at::Tensor params_;
  std::int64_t version_ = 0, next_ = 0;
  std::deque<Request> waiting_;
  std::map<std::int64_t, Generation> running_;
  bool paused_ = false;
  While while_ = While::waits;
  Ticks paused_since_{};
  ServingCounters counters_;
};

}  // namespace shoal::pipeline
