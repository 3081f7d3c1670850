#pragma once
// Policy serving: answers with the weights it holds and stamps every token with their version.

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "sim/agents/pipeline/event_heap.hpp"
#include "sim/agents/pipeline/settings.hpp"
#include "sim/agents/pipeline/turns.hpp"

namespace shoal::pipeline {

struct Served {
  Request request;
  Reply reply;
  std::vector<std::int64_t> versions;  ///< per token
  Ticks latency{};                     ///< since the client first tried, refusals included
};

struct ServingCounters {
  std::int64_t requests = 0;   ///< well-formed ones, tried again or not
  std::int64_t malformed = 0;  ///< without session or turn type: an error
  std::int64_t refused = 0;    ///< 503
  std::int64_t pauses = 0;     ///< times that new generations had to wait or were refused for weights
  std::int64_t interrupted = 0;
  std::int64_t longest_queue = 0;
  Ticks stalled{};  ///< total time of the pauses
  Ticks busy{};     ///< of all slots
};

enum class Answer : std::int8_t { accepted, refused, malformed };

class Serving {
 public:
  /// What new requests meet while serving is paused.
  enum class While : std::int8_t { waits, refuses };

  Serving(const Policy& policy, const ServingSettings& settings, const at::Tensor& params, std::uint64_t seed,
          std::int64_t replicate);

  Answer submit(Request request, Ticks now, EventHeap& events);
  /// The generation that an event speaks of has ended; none where it was interrupted since.
  std::optional<Served> finish(std::int64_t number, Ticks now, EventHeap& events);

  /// Nothing new starts. `interrupt`: what runs keeps its tokens so far and stops too.
  void pause(While what, Ticks now);
  void interrupt(Ticks now);
  /// What was interrupted goes on from its recomputed prefix, and what waits starts.
  void resume(Ticks now, EventHeap& events);
  /// Of generations that start, or go on, from now on.
  void take(const at::Tensor& params, std::int64_t version);

  bool paused() const { return paused_; }
  std::int64_t running() const { return std::ssize(running_); }
  std::int64_t version() const { return version_; }
  /// As if what runs and a pause ended now.
  ServingCounters counters(Ticks now) const;

 private:
  struct Generation {
    Request request;
    RandomStream random;
    Reply reply;
    std::vector<std::int64_t> versions;
    Ticks since{};         // it holds a slot
    Ticks begin{};         // of the first token that the present weights make
    std::size_t kept = 0;  // tokens made before that
    Ticks finish{};
  };
  void start_waiting(Ticks now, EventHeap& events);
  void generate(std::int64_t number, Generation& generation, Ticks now, Ticks first, EventHeap& events);
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
