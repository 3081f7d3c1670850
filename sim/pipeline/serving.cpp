#include "sim/pipeline/serving.hpp"

#include "sim/pipeline/users.hpp"

namespace shoal::pipeline {

Serving::Serving(const Policy& policy, const ServingSettings& settings, const at::Tensor& params, std::uint64_t seed,
                 std::int64_t replicate)
    : settings_(settings),
      worker_(policy.rollout_worker()),
      key_(random_key(seed, "agents/serving")),
      replicate_(replicate),
      latency_(ticks(settings.latency)),
      token_(ticks(settings.token)) {
  take(params, 0);
}

void Serving::take(const at::Tensor& params, std::int64_t version) {
  params_ = params;
  worker_->load(params_);
  version_ = version;
}

Answer Serving::submit(Request request, Ticks now, EventHeap& events) {
  if (!request.session || !request.type) {
    ++counters_.malformed;
    return Answer::malformed;
  }
  ++counters_.requests;
  if (paused_ && while_ == While::refuses) {
    ++counters_.refused;
    return Answer::refused;
  }
  waiting_.push_back(std::move(request));
  start_waiting(now, events);
  counters_.longest_queue = std::max(counters_.longest_queue, std::ssize(waiting_));
  return Answer::accepted;
}

void Serving::start_waiting(Ticks now, EventHeap& events) {
  while (!paused_ && !waiting_.empty() && std::ssize(running_) < settings_.slots) {
    Request request = std::move(waiting_.front());
    waiting_.pop_front();
    TurnKey key{request.user, *request.session, request.turn};
    // A side turn shares its number with the main turn that it comes with, but not its draws.
    if (request.type == TurnType::side) key.turn += most_turns;
    const RandomStream random = turn_stream(key_, replicate_, key);
    const auto [at, _] = running_.emplace(
        next_++,
        Generation{.request = std::move(request), .random = random, .reply = {}, .versions = {}, .since = now});
    generate(at->first, at->second, now, now + latency_, events);
  }
}

// The whole reply is sampled when it starts: its tokens are a function of weights, prompt and draws, and its end
// follows from its length.
void Serving::generate(std::int64_t number, Generation& g, Ticks now, Ticks first, EventHeap& events) {
  g.kept = g.reply.tokens.size();
  sample(g);
  g.versions.resize(g.reply.tokens.size(), version_);
  g.begin = first + reading(g);
  const std::int64_t added = g.reply.tokens.size() - g.kept;
  g.finish = g.begin + Ticks{value(token_) * added};
  ensure(g.finish >= now, "a reply ends before it starts");
  events.push({g.finish, PipelineEvent::Kind::served, g.request.user, number});
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

std::optional<Served> Serving::finish(std::int64_t number, Ticks now, EventHeap& events) {
  const auto at = running_.find(number);
  if (at == running_.end() || at->second.finish != now) return {};
  Generation& g = at->second;
  Served served{std::move(g.request), std::move(g.reply), std::move(g.versions)};
  served.latency = now - served.request.sent;
  counters_.busy = counters_.busy + (now - g.since);
  running_.erase(at);
  start_waiting(now, events);
  return served;
}

void Serving::pause(While new_requests, Ticks now) {
  ensure(!paused_, "serving is paused twice");
  paused_ = true;
  while_ = new_requests;
  paused_since_ = now;
  ++counters_.pauses;
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

void Serving::resume(Ticks now, EventHeap& events) {
  ensure(paused_, "serving resumes without a pause");
  paused_ = false;
  counters_.stalled = counters_.stalled + (now - paused_since_);
  for (auto& [number, g] : running_) {
    if (g.finish == interrupted) generate(number, g, now, now, events);
  }
  start_waiting(now, events);
}

}  // namespace shoal::pipeline
