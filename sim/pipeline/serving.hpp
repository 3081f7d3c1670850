#pragma once
// Serving: generates replies with the weights it holds and stamps every token with their version.

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "sim/agents/policy.hpp"
#include "sim/pipeline/letters.hpp"
#include "sim/pipeline/setup.hpp"

namespace shoal::pipeline {

class Serving final : public Component {
 public:
  Serving(const Setup& setup, const RunKey& run);

  std::vector<Letter> handle(const Letter& letter, Ticks now) override;

  /// Answers a request, and starts a generation if a slot is free.
  void submit(Request request, Outbox& out);
  /// Ends a generation and passes its reply on, unless it was interrupted in the meantime.
  void finish(const Timer& served, Outbox& out);

  /// Keeps new generations from starting, and stops running ones where `how` says so.
  void pause(Pause how, Outbox& out);
  /// Continues interrupted generations from a recomputed prefix and starts waiting ones.
  void resume(Outbox& out);
  /// Sets the weights of generations that start or continue from now on.
  void take(const NewWeights& weights);

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

  void start_waiting(Outbox& out);
  void generate(std::int64_t number, Generation& generation, Ticks first, Outbox& out);
  void sample(Generation& generation);
  Ticks reading(const Generation& generation) const;
  void interrupt(Ticks now);
  void pass_on(Generation generation, Outbox& out);
  void report_drained(Outbox& out);
  void stop(Outbox& out);

  const ServingSettings& settings_;
  Keep keep_;
  std::unique_ptr<RolloutWorker> worker_;
  RandomKey key_;
  std::int64_t replicate_;
  Ticks latency_, token_;
  at::Tensor params_;
  std::int64_t version_ = 0, next_ = 0;
  std::deque<Request> waiting_;
  std::map<std::int64_t, Generation> running_;
  std::optional<Pause> paused_;
  Ticks paused_since_{};
  ServingCounters counters_;
  bool stopped_ = false;
};

}  // namespace shoal::pipeline
