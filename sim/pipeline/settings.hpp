#pragma once
// Settings of the four components: the section [pipeline]. Times are virtual.

#include <algorithm>
#include <cmath>

#include "sim/ids.hpp"
#include "sim/random.hpp"
#include "sim/settings/settings.hpp"

namespace shoal::pipeline {

/// The way in which new weights reach serving.
enum class HandOver : std::int8_t {
  barrier,    // while a batch is trained nothing new is served or judged: the synchronous baseline
  pause503,   // requests are refused while a full batch waits and while weights travel: OpenClaw-RL
  interrupt,  // generations stop, and continue under the new weights from a recomputed prefix: AReaL (arXiv 2505.24298)
  swap,       // two buffers: running generations finish on the old weights, later ones use the new; no refusals
};

/// A duration in seconds: its median times exp(spread z), with z standard normal.
struct Duration {
  static constexpr double longest = 1e8;  // seconds; a bound, so that the clock does not overflow
  double median = 0, spread = 0;
  Ticks draw(RandomStream& random) const {
    return ticks(std::min(median * std::exp(spread * random.normal()), longest));
  }
};

struct ServingSettings {
  explicit ServingSettings(const Settings& s);
  HandOver hand_over;
  double hand_over_seconds;             // seconds that weights travel from trainer to serving
  std::int64_t slots;                   // number of concurrent generations
  double latency, prompt_token, token;  // seconds per reply, per token of the prompt, per token of the reply
  std::int64_t retries;                 // retries of a refused request
  double backoff;                       // seconds before the first retry; 2 more each time
};

struct ClientSettings {
  explicit ClientSettings(const Settings& s);
  Duration think, gap;   // time before the next message, and before the next session
  double bursts;         // share of sessions that begin together, at the next multiple of burst_seconds
  double burst_seconds;  // seconds between the beginnings of bursts
  double side;           // probability that a main turn comes with a side turn
  double abandon;        // probability, per reply, that the user leaves without a message
  double late;           // probability that a next state is delayed by `late_seconds`
  double duplicate;      // probability that a next state arrives twice
  double late_seconds;   // delay of a late or duplicate next state
  double malformed;      // probability that a request lacks session or type, and that a trajectory is cut off
  std::int64_t silent;   // number of users, the last ones, who never answer
};

struct JudgingSettings {
  explicit JudgingSettings(const Settings& s);
  std::int64_t workers;  // number of concurrent judgements
  Duration duration;     // unless the judge models its own
  double timeout;        // seconds after which a judgement gives no vote
  double failure;        // probability that a judgement gives no vote
};

struct TrainingSettings {
  TrainingSettings(const Settings& s, HandOver hand_over);
  std::int64_t eta;             // staleness bound; `unbounded` for -1
  bool one_behind;              // weights trained on a batch are handed over when the next one is full, as published
  double seconds;               // duration of an update
  bool drops_leftover;          // turns beyond the batch are dropped when it is taken, as published
  bool admission;               // whether the admission rule holds
  std::int64_t max_concurrent;  // largest number of turns being collected or judged, under admission
  double alarm;                 // gradient norm beyond which an update counts as an alarm
};

struct PipelineSettings {
  explicit PipelineSettings(const Settings& s);
  ServingSettings serving;
  ClientSettings clients;
  double expiry;          // seconds without a turn or state after which a session is over
  std::int64_t capacity;  // capacity of the queues before judge and trainer
  JudgingSettings judging;
  TrainingSettings training;
};

}  // namespace shoal::pipeline
