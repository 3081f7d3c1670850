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
      token_(ticks(settings_.token)) {
  take({.version = 0, .weights = setup.initial});
}

std::vector<Letter> Serving::handle(const Letter& letter, Ticks now) {
  if (stopped_) return {};
  Outbox out(endpoints::serving, now);
  switch (subject(letter)) {
    case Subject::request:
      submit(unpack<Request>(letter), out);
      break;
    case Subject::served:
      finish(unpack<Timer>(letter), out);
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
    const auto [at, _] = running_.emplace(
        next_++,
        Generation{.request = std::move(request), .random = random, .reply = {}, .versions = {}, .since = out.now()});
    generate(at->first, at->second, out.now() + latency_, out);
  }
}

// The whole reply is sampled when it starts: its tokens are a function of weights, prompt and draws, and its end
// follows from its length.
void Serving::generate(std::int64_t number, Generation& g, Ticks first, Outbox& out) {
  g.kept = g.reply.tokens.size();
  sample(g);
  g.versions.resize(g.reply.tokens.size(), version_);
  g.begin = first + reading(g);
  const std::int64_t added = g.reply.tokens.size() - g.kept;
  g.finish = g.begin + Ticks{value(token_) * added};
  ensure(g.finish >= out.now(), "a reply ends before it starts");
  out.later(g.finish, Subject::served, g.request.user, number);
}

// Appends to the kept tokens until the end token or the maximum length.
void Serving::sample(Generation& g) {
  std::vector<Token> prefix = g.request.prompt;
  prefix.insert(prefix.end(), g.reply.tokens.begin(), g.reply.tokens.end());
  const std::span<const Token> prompt(prefix);
  Reply more;
  const bool ended = !g.reply.tokens.empty() && g.reply.tokens.back() == talk::end_token;
  if (!ended) worker_->reply({&prompt, 1}, g.request.temperature, {&g.random, 1}, {&more, 1});
  ensure(more.tokens.size() == more.log_probs.size(), "a policy gave {} tokens and {} log-probabilities",
         more.tokens.size(), more.log_probs.size());
  g.reply.tokens.insert(g.reply.tokens.end(), more.tokens.begin(), more.tokens.end());
  g.reply.log_probs.insert(g.reply.log_probs.end(), more.log_probs.begin(), more.log_probs.end());
  if (g.kept > 0 && std::ssize(g.reply.tokens) > talk::longest_reply) {  // kept tokens count too
    g.reply.tokens.resize(talk::longest_reply);
    g.reply.log_probs.resize(talk::longest_reply);
  }
}

Ticks Serving::reading(const Generation& g) const {
  return ticks(settings_.prompt_token * (g.request.prompt.size() + g.kept));
}

void Serving::finish(const Timer& served, Outbox& out) {
  const auto at = running_.find(served.number);
  if (at == running_.end() || at->second.finish != served.at) return;
  Generation done = std::move(at->second);
  running_.erase(at);
  counters_.busy = counters_.busy + (out.now() - done.since);
  start_waiting(out);
  pass_on(std::move(done), out);
  if (paused_ == Pause::drain) report_drained(out);
}

void Serving::pass_on(Generation g, Outbox& out) {
  const Request& request = g.request;
  const TurnKey key{request.user, *request.session, request.turn};
  const Ticks latency = out.now() - request.sent;
  ++counters_.served;
  counters_.latency = counters_.latency + latency;
  if (keep_ == Keep::trace) {
    out.send(endpoints::auditor, Subject::note,
             TraceEntry{out.now(), TraceEntry::Kind::served, key, g.versions.empty() ? 0 : g.versions.back(),
                        g.versions, latency});
  }
  if (request.type == TurnType::side) return out.send(endpoints::collection, Subject::side_turn);
  const ReadReply reply{request.user, g.reply.tokens};
  Turn turn{.key = key, .type = *request.type, .sample = {}, .versions = std::move(g.versions)};
  turn.sample.prompt = std::move(g.request.prompt);
  turn.sample.reply = std::move(g.reply);
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
  for (auto& [number, g] : running_) {
    const std::int64_t since = std::max<std::int64_t>(0, value(now - g.begin));
    const std::int64_t made = value(token_) == 0 ? 0 : since / value(token_);
    const std::size_t keep = std::min(g.kept + made, g.reply.tokens.size());
    g.reply.tokens.resize(keep);
    g.reply.log_probs.resize(keep);
    g.versions.resize(keep);
    g.finish = interrupted;  // so that the pending event does not end it
    ++counters_.interrupted;
  }
}

ServingCounters Serving::counters(Ticks now) const {
  ServingCounters counters = counters_;
  if (paused_) counters.stalled = counters.stalled + (now - paused_since_);
  for (const auto& [number, g] : running_) counters.busy = counters.busy + (now - g.since);
  return counters;
}

void Serving::resume(Outbox& out) {
  ensure(paused_.has_value(), "serving resumes without a pause");
  paused_.reset();
  counters_.stalled = counters_.stalled + (out.now() - paused_since_);
  for (auto& [number, g] : running_) {
    if (g.finish == interrupted) generate(number, g, out.now(), out);
  }
  start_waiting(out);
}

void Serving::stop(Outbox& out) {
  stopped_ = true;
  out.send(endpoints::auditor, Subject::serving_report, counters(out.now()));
  out.send(endpoints::collection, Subject::stop, Ledger{});
}

}  // namespace shoal::pipeline
