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

  /// Answers a request, and starts a reply if a slot is free.
  void submit(Request request, Outbox& out);
  /// Samples a reply's next tokens, or passes it on if it is complete; nothing if it was interrupted in the meantime.
  void proceed(const Timer& generated, Outbox& out);

  /// Keeps new replies from starting, and stops running ones where `how` says so.
  void pause(Pause how, Outbox& out);
  /// Continues interrupted replies from a recomputed prefix and starts waiting ones.
  void resume(Outbox& out);
  /// Sets the weights of replies that start from now on and of interrupted ones. Running ones keep theirs.
  void take(const NewWeights& weights);

  /// Counts running replies and a current pause until `now`.
  ServingCounters counters(Ticks now) const;

 private:
  struct Running {
    Request request;
    RandomStream random;
    Reply reply;
    std::vector<std::int64_t> versions;
    Ticks since{};                           // start: it holds a slot from then on
    Ticks begin{};                           // start of the first token that its weights sample
    std::size_t kept = 0;                    // tokens sampled before that
    std::int64_t version = 0;                // version of its weights
    std::unique_ptr<Generation> generation;  // null where the reply is sampled whole
    bool complete = false;                   // no token follows those of `reply`
    Ticks generated{};                       // end of the last token; `interrupted` while it is stopped
  };
  static constexpr Ticks interrupted{-1};

  void start_waiting(Outbox& out);
  void generate(std::int64_t number, Running& running, Ticks first, Outbox& out);
  void step(std::int64_t number, Running& running, Outbox& out);
  void sample(Running& running);
  void sample_whole(std::span<const Token> prefix, Running& running);
  Ticks reading(const Running& running) const;
  void interrupt(Ticks now);
  std::int64_t made(const Running& running, Ticks now) const;
  void pass_on(Running done, Outbox& out);
  void report_drained(Outbox& out);
  void stop(Outbox& out);

  const ServingSettings& settings_;
  Keep keep_;
  std::unique_ptr<RolloutWorker> worker_;
  RandomKey key_;
  std::int64_t replicate_;
  Ticks latency_, token_;
  std::int64_t step_;
  at::Tensor params_;
  std::int64_t version_ = 0, next_ = 0;
  std::deque<Request> waiting_;
  std::map<std::int64_t, Running> running_;
  std::optional<Pause> paused_;
  Ticks paused_since_{};
  ServingCounters counters_;
  bool stopped_ = false;
};

}  // namespace shoal::pipeline
