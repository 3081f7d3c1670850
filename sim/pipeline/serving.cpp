#include "sim/pipeline/serving.hpp"

#include "sim/pipeline/users.hpp"

namespace shoal::pipeline {

Serving::Serving(const Setup& setup, const RunKey& run)
    : settings_(setup.pipeline.serving),
      keep_(run.keep),
      worker_(setup.policy.rollout_worker()),
      key_(random_key(run.seed, "agents/serving")),
      replicate_(run.replicate),
      latency_(ticks(settings_.latency)),
      token_(ticks(settings_.token)),
      step_(run.step) {
  ensure(step_ >= 1, "steps of {} tokens", step_);
  take({.version = 0, .weights = setup.initial});
}

std::vector<Letter> Serving::handle(const Letter& letter, Ticks now) {
  if (stopped_) return {};
  Outbox out(endpoints::serving, now);
  switch (subject(letter)) {
    case Subject::request:
      submit(unpack<Request>(letter), out);
      break;
    case Subject::generated:
      proceed(unpack<Timer>(letter), out);
      break;
    case Subject::pause:
      pause(unpack<Pause>(letter), out);
      break;
    case Subject::resume:
      resume(out);
      break;
    case Subject::weights:
      take(unpack<NewWeights>(letter));
      break;
    case Subject::stop:
      stop(out);
      break;
    default:
      refuse(letter);
  }
  return out.take();
}

void Serving::take(const NewWeights& weights) {
  if (params_.defined() && (!weights.weights.defined() || weights.weights.numel() != params_.numel())) {
    user_error("weights have {} parameters (the policy has {}). Use the same settings in all processes.",
               weights.weights.defined() ? weights.weights.numel() : 0, params_.numel());
  }
  params_ = weights.weights;
  worker_->load(params_);
  version_ = weights.version;
}

void Serving::submit(Request request, Outbox& out) {
  const auto answer = [&, user = request.user](Answer answer) {
    out.send(endpoints::users, Subject::answer, Answered{user, answer});
  };
  if (!request.session || !request.type) {
    ++counters_.malformed;
    return answer(Answer::malformed);
  }
  ++counters_.requests;
  const bool side = request.type == TurnType::side;  // no one repeats side turns, so no one waits for the answer
  if (paused_ == Pause::refuse) {
    ++counters_.refused;
    if (!side) answer(Answer::refused);
    return;
  }
  waiting_.push_back(std::move(request));
  start_waiting(out);
  counters_.longest_queue = std::max(counters_.longest_queue, std::ssize(waiting_));
  if (!side) answer(Answer::accepted);
}

void Serving::start_waiting(Outbox& out) {
  while (!paused_ && !waiting_.empty() && std::ssize(running_) < settings_.slots) {
    Request request = std::move(waiting_.front());
    waiting_.pop_front();
    TurnKey key{request.user, *request.session, request.turn};
    // A side turn shares its number with the main turn that it comes with, but not its draws.
    if (request.type == TurnType::side) key.turn += most_turns;
    const RandomStream random = turn_stream(key_, replicate_, key);
    const auto [at, _] = running_.emplace(next_++, Running{.request = std::move(request),
                                                           .random = random,
                                                           .reply = {},
                                                           .versions = {},
                                                           .since = out.now(),
                                                           .generation = nullptr});
    generate(at->first, at->second, out.now() + latency_, out);
  }
}

// The first step is sampled here, and each of the others when the tokens before it have been generated.
void Serving::generate(std::int64_t number, Running& r, Ticks first, Outbox& out) {
  r.kept = r.reply.tokens.size();
  r.begin = first + reading(r);
  r.version = version_;
  ensure(r.begin >= out.now(), "a reply ends before it starts");
  step(number, r, out);
}

void Serving::step(std::int64_t number, Running& r, Outbox& out) {
  if (!r.complete) sample(r);
  r.versions.resize(r.reply.tokens.size(), r.version);
  const std::int64_t added = r.reply.tokens.size() - r.kept;
  r.generated = r.begin + Ticks{value(token_) * added};
  out.later(r.generated, Subject::generated, r.request.user, number);
}

// Appends the next step, or all tokens that follow the kept ones.
void Serving::sample(Running& r) {
  if (!r.generation) {
    std::vector<Token> prefix = r.request.prompt;
    prefix.insert(prefix.end(), r.reply.tokens.begin(), r.reply.tokens.end());
    if (step_ < whole_reply) r.generation = worker_->generate(prefix, r.request.temperature);
    if (!r.generation) sample_whole(prefix, r);
  }
  if (r.generation) r.complete = !r.generation->step(step_, r.random, r.reply);
  ensure(r.reply.tokens.size() == r.reply.log_probs.size(), "a policy gave {} tokens and {} log-probabilities",
         r.reply.tokens.size(), r.reply.log_probs.size());
  if (r.kept > 0 && std::ssize(r.reply.tokens) >= talk::longest_reply) {  // kept tokens count too
    r.reply.tokens.resize(talk::longest_reply);
    r.reply.log_probs.resize(talk::longest_reply);
    r.complete = true;
  }
}

void Serving::sample_whole(std::span<const Token> prefix, Running& r) {
  Reply more;
  worker_->reply({&prefix, 1}, r.request.temperature, {&r.random, 1}, {&more, 1});
  r.reply.tokens.insert(r.reply.tokens.end(), more.tokens.begin(), more.tokens.end());
  r.reply.log_probs.insert(r.reply.log_probs.end(), more.log_probs.begin(), more.log_probs.end());
  r.complete = true;
}

Ticks Serving::reading(const Running& r) const {
  return ticks(settings_.prompt_token * (r.request.prompt.size() + r.kept));
}

void Serving::proceed(const Timer& generated, Outbox& out) {
  const auto at = running_.find(generated.number);
  if (at == running_.end() || at->second.generated != generated.at) return;
  if (!at->second.complete) return step(at->first, at->second, out);
  Running done = std::move(at->second);
  running_.erase(at);
  counters_.busy = counters_.busy + (out.now() - done.since);
  start_waiting(out);
  pass_on(std::move(done), out);
  if (paused_ == Pause::drain) report_drained(out);
}

void Serving::pass_on(Running done, Outbox& out) {
  const Request& request = done.request;
  const TurnKey key{request.user, *request.session, request.turn};
  const Ticks latency = out.now() - request.sent;
  ++counters_.served;
  counters_.latency = counters_.latency + latency;
  if (keep_ == Keep::trace) {
    out.send(endpoints::auditor, Subject::note,
             TraceEntry{out.now(), TraceEntry::Kind::served, key, done.versions.empty() ? 0 : done.versions.back(),
                        done.versions, latency});
  }
  if (request.type == TurnType::side) return out.send(endpoints::collection, Subject::side_turn);
  const ReadReply reply{request.user, done.reply.tokens};
  Turn turn{.key = key, .type = *request.type, .sample = {}, .versions = std::move(done.versions)};
  turn.sample.prompt = std::move(done.request.prompt);
  turn.sample.reply = std::move(done.reply);
  turn.sample.temperature = request.temperature;
  if (!turn.versions.empty()) turn.sample.version = *std::ranges::min_element(turn.versions);
  if (request.cut && !turn.sample.reply.log_probs.empty()) turn.sample.reply.log_probs.pop_back();
  out.send(endpoints::collection, Subject::turn, turn);
  out.send(endpoints::users, Subject::reply, reply);
}

void Serving::report_drained(Outbox& out) {
  if (running_.empty()) out.send(endpoints::training, Subject::drained);
}

void Serving::pause(Pause how, Outbox& out) {
  ensure(!paused_, "serving is paused twice");
  paused_ = how;
  paused_since_ = out.now();
  ++counters_.pauses;
  if (how == Pause::interrupt) interrupt(out.now());
  if (how == Pause::drain) report_drained(out);
}

void Serving::interrupt(Ticks now) {
  for (auto& [number, r] : running_) {
    const std::size_t keep = r.kept + made(r, now);
    if (keep < r.reply.tokens.size()) r.complete = false;
    r.reply.tokens.resize(keep);
    r.reply.log_probs.resize(keep);
    r.versions.resize(keep);
    r.generation.reset();
    r.generated = interrupted;  // so that the pending event does not continue it
    ++counters_.interrupted;
  }
}

// Number of the current weights' tokens that the reply has had time to generate.
std::int64_t Serving::made(const Running& r, Ticks now) const {
  const std::int64_t since = value(now - r.begin), sampled = r.reply.tokens.size() - r.kept;
  if (since <= 0) return 0;
  return value(token_) == 0 ? sampled : std::min(since / value(token_), sampled);
}

ServingCounters Serving::counters(Ticks now) const {
  ServingCounters counters = counters_;
  if (paused_) counters.stalled = counters.stalled + (now - paused_since_);
  for (const auto& [number, r] : running_) counters.busy = counters.busy + (now - r.since);
  return counters;
}

void Serving::resume(Outbox& out) {
  ensure(paused_.has_value(), "serving resumes without a pause");
  paused_.reset();
  counters_.stalled = counters_.stalled + (out.now() - paused_since_);
  for (auto& [number, r] : running_) {
    if (r.generated == interrupted) generate(number, r, out.now(), out);
  }
  start_waiting(out);
}

void Serving::stop(Outbox& out) {
  stopped_ = true;
  out.send(endpoints::auditor, Subject::serving_report, counters(out.now()));
  out.send(endpoints::collection, Subject::stop, Ledger{});
}

}  // namespace shoal::pipeline
