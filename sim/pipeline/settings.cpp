#include "sim/pipeline/settings.hpp"

#include "sim/pipeline/staleness.hpp"

namespace shoal::pipeline {
namespace {

constexpr double longest = 1e7;  // seconds

double time(const Settings& s, const char* key, double fallback, const char* meaning) {
  return s.number(key, fallback, meaning, between(0, longest));
}

double rate(const Settings& s, const char* key, const char* meaning) {
  return s.number(key, 0, meaning, between(0, 1));
}

HandOver read_hand_over(const Settings& s) {
  using enum HandOver;
  return s.choice(
      "hand_over", swap, {{"barrier", barrier}, {"pause503", pause503}, {"interrupt", interrupt}, {"swap", swap}},
      "how new weights reach serving: serving and judging stop during an update; requests are refused; running "
      "generations continue under the new weights; or there are two buffers");
}

}  // namespace

ServingSettings::ServingSettings(const Settings& s) {
  hand_over = read_hand_over(s);
  hand_over_seconds = time(s, "hand_over_seconds", 5, "seconds that weights travel from trainer to serving");
  slots = s.integer("slots", 8, "number of concurrent generations", between(1, 1 << 20));
  latency = time(s, "latency", 0.5, "seconds per reply, besides those of its tokens");
  prompt_token = time(s, "prompt_token_seconds", 0.001, "seconds per token of the prompt, or of a recomputed prefix");
  token = time(s, "token_seconds", 0.1, "seconds per token of a reply");
  retries = s.integer("retries", 8, "number of times that a refused request is sent again", between(0, 1000));
  backoff = time(s, "backoff", 4, "seconds before the first retry; 2 more each time");
  for (const char* key : {"retries", "backoff"}) {
    if (s.has(key) && hand_over != HandOver::pause503)
      user_error("{}: '{}' has no effect unless requests are refused. Set hand_over = \"pause503\" or leave it out.",
                 s.where(), key);
  }
}

ClientSettings::ClientSettings(const Settings& s) {
  const double spread = s.number("spread", 0.5, "standard deviation of the logarithm of users' times", between(0, 3));
  think = {time(s, "think_seconds", 20, "median seconds until a user answers"), spread};
  gap = {time(s, "gap_seconds", 60, "median seconds between a user's sessions"), spread};
  bursts = rate(s, "bursts", "share of sessions that begin together, at full multiples of burst_seconds");
  burst_seconds =
      s.number("burst_seconds", 600, "seconds between the beginnings of bursts", {.least = 1, .most = longest});
  side = rate(s, "side", "probability that a main turn comes with a side turn, which is never trained");
  abandon = rate(s, "abandon", "probability, per reply, that the user leaves without a message");
  late = rate(s, "late", "probability that a next state is delayed by late_seconds");
  duplicate = rate(s, "duplicate", "probability that a next state arrives twice");
  late_seconds = time(s, "late_seconds", 120, "delay in seconds of a late or duplicate next state");
  malformed = rate(s, "malformed",
                   "probability that a request lacks session or turn type, and that a trajectory's log-probabilities "
                   "are cut off");
  silent = s.integer("silent", 0, "number of users, the last ones, who never answer a reply", at_least(0));
}

JudgingSettings::JudgingSettings(const Settings& s) {
  workers = s.integer("judge_workers", 4, "number of concurrent judgements", between(1, 1 << 20));
  duration = {time(s, "judge_seconds", 5, "median seconds of a judgement, unless the judge models its own"),
              s.number("judge_spread", 0.5, "standard deviation of the logarithm of the duration", between(0, 3))};
  timeout = time(s, "judge_timeout", 120, "seconds after which a judgement times out: no vote, no hint");
  failure = rate(s, "judge_failure", "probability that a judgement fails: no vote, no hint");
}

TrainingSettings::TrainingSettings(const Settings& s, HandOver hand_over) {
  eta = s.integer("eta", 1,
                  "staleness bound: a token of version v is trained by the update from version w only if w - v <= eta; "
                  "-1: no bound",
                  between(-1, 1 << 20));
  const bool at_once_only = hand_over == HandOver::barrier || eta == 0;
  one_behind =
      s.choice("update", !at_once_only, {{"one_behind", true}, {"at_once", false}},
               "when new weights are handed over: as soon as the next batch is full, as published, or as soon as they "
               "are trained; the latter is the default for a barrier and for eta = 0");
  if (one_behind && at_once_only) {
    user_error(
        "{}: weights that wait for the next batch make it one version stale, which {} rules out. Leave out 'update'.",
        s.where(), eta == 0 ? "eta = 0" : "hand_over = \"barrier\"");
  }
  if (eta < 0) eta = unbounded;
  seconds = time(s, "update_seconds", 30, "seconds of an update");
  drops_leftover =
      s.choice("leftover", false, {{"carry", false}, {"drop", true}},
               "turns that are left when a batch is taken: they wait for the next, or are dropped, as published");
  admission = s.flag("admission", false,
                     "turns that the trainer cannot use within the staleness bound are served but not collected");
  max_concurrent = s.integer("max_concurrent", 1'000'000,
                             "largest number of turns that are being collected or judged, under admission",
                             between(1, 1'000'000'000));
  if (s.has("max_concurrent") && !admission)
    user_error("{}: 'max_concurrent' belongs to the admission rule. Set admission = true or leave it out.", s.where());
  alarm = s.number("gradient_alarm", 100, "an update with a larger gradient norm is counted as an alarm", positive());
}

PipelineSettings::PipelineSettings(const Settings& s)
    : serving(s),
      clients(s),
      expiry(time(s, "expiry_seconds", 3600, "seconds without a turn or state after which a session is over")),
      capacity(s.integer("capacity", 100'000, "largest number of turns that wait for the judge, and for the trainer",
                         between(1, 1'000'000'000))),
      judging(s),
      training(s, serving.hand_over) {}

}  // namespace shoal::pipeline
