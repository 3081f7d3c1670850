#include "sim/agents/pipeline/pipeline.hpp"

#include "sim/agents/pipeline/staleness.hpp"

namespace shoal::pipeline {
namespace {

using EntryKind = TraceEntry::Kind;
using EventKind = PipelineEvent::Kind;

class Run {
 public:
  Run(const Setting& setting, std::uint64_t seed, std::int64_t replicate, Keep keep)
      : setting_(setting),
        mode_(setting.pipeline.serving.hand_over),
        keep_(keep),
        users_(setting.pool, setting.pipeline.clients, seed, replicate),
        serving_(setting.policy, setting.pipeline.serving, setting.initial, seed, replicate),
        collection_(ledger_, ticks(setting.pipeline.expiry)),
        judging_(ledger_, setting.judge, setting.pipeline.judging, setting.pipeline.capacity, seed, replicate),
        training_(ledger_, setting.policy, setting.objective, setting.learning, setting.pipeline.training,
                  setting.pipeline.capacity, setting.initial, seed, replicate),
        evaluator_(setting.policy, setting.pool, setting.probes, setting.initial, seed, replicate),
        attempts_(setting.pool.users.size()) {}

  Result run() {
    result_.quality.fill(evaluator_.measure(setting_.initial));
    for (std::int64_t user = 0; user < users_.size(); ++user) ask_after(user, users_.first_wait(user, {}));
    while (!done()) {
      const PipelineEvent event = events_.pop();
      ensure(event.time >= now_, "the clock of the agents' pipeline runs backwards");
      now_ = event.time;
      handle(event);
      settle();
    }
    return report();
  }

 private:
  /// EntryKind the trainer does. Draining: the barrier is down, replies that run are waited for.
  enum class Phase : std::int8_t { idle, draining, training, handing_over };

  bool done() const {
    const bool wanted = setting_.updates > 0 ? training_.version() >= setting_.updates : users_.all_content();
    return wanted || users_.all_over();
  }

  void handle(const PipelineEvent& event) {
    switch (event.kind) {
      case EventKind::served:
        return served(event.number);
      case EventKind::judged:
        judging_.finish(event.number, now_, events_);
        note(EntryKind::judged, ledger_.at(event.number).key);
        return training_.enqueue(event.number, TurnStage::judging);
      case EventKind::arrived:
        return arrive(deliveries_[static_cast<std::size_t>(event.number)]);
      case EventKind::expired:
        return watch(event.user, event.number, collection_.expire(event.user, event.number, now_));
      case EventKind::trained:
        return trained();
      case EventKind::handed_over:
        return handed_over();
      case EventKind::asked:
        return ask(event.user);
    }
  }

  void ask_after(std::int64_t user, Ticks wait) { events_.push({now_ + wait, EventKind::asked, user, 0}); }

  void ask(std::int64_t user) {
    Request& request = users_.request(user);
    std::int64_t& attempts = attempts_[static_cast<std::size_t>(user)];
    const TurnKey key{user, *request.session, request.turn};
    if (attempts == 0) request.sent = now_;
    Faults& faults = users_.faults(user);
    if (std::exchange(faults.malformed, false)) {
      Request broken = request;
      (key.session + key.turn) % 2 == 0 ? broken.type.reset() : broken.session.reset();
      serving_.submit(std::move(broken), now_, events_);
      note(EntryKind::malformed, key);  // the error comes back at once, and the client corrects itself
    }
    if (serving_.submit(request, now_, events_) == Answer::refused) {
      note(EntryKind::refused, key);
      const ServingSettings& s = setting_.pipeline.serving;
      if (attempts < s.retries) return ask_after(user, ticks(s.backoff + 2 * static_cast<double>(attempts++)));
      attempts = 0;
      ++result_.gave_up;
      return go_on(user, users_.give_up(user, now_));
    }
    attempts = 0;
    note(EntryKind::asked, key);
    const Faults happens = faults;
    if (const std::optional<FollowUp> state = users_.take_next_state(user)) {
      if (!happens.late) arrive(*state);
      const int deliveries = static_cast<int>(happens.late) + static_cast<int>(happens.duplicate);
      for (int i = 0; i < deliveries; ++i) {
        deliveries_.push_back(*state);
        events_.push({now_ + ticks(setting_.pipeline.clients.late_seconds), EventKind::arrived, user,
                      std::ssize(deliveries_) - 1});
      }
    }
    if (happens.side) serving_.submit(users_.side_request(user), now_, events_);
  }

  void go_on(std::int64_t user, const NextStep& next) {
    if (next.wait) ask_after(user, *next.wait);
  }

  void served(std::int64_t number) {
    std::optional<Served> served = serving_.finish(number, now_, events_);
    if (!served) return;
    ++result_.served;
    result_.latency = result_.latency + served->latency;
    const Request& request = served->request;
    const TurnKey key{request.user, *request.session, request.turn};
    if (keep_ == Keep::trace) {
      result_.trace.push_back({now_, EntryKind::served, key, served->versions.empty() ? 0 : served->versions.back(),
                               served->versions, served->latency});
    }
    if (request.type == TurnType::side) return collection_.add_side();
    const Reply reply = served->reply;
    collect(key, std::move(*served));
    const NextStep next = users_.react(key.user, reply, now_);
    if (next.done) {
      // Nothing follows: no vote, no hint; the objective decides whether that fills a place.
      if (const auto last = collection_.close(key)) {
        note(EntryKind::closed, key);
        training_.enqueue(*last, TurnStage::collected);
      }
    }
    go_on(key.user, next);
  }

  void collect(const TurnKey& key, Served served) {
    Turn turn{.key = key, .type = *served.request.type, .sample = {}, .versions = std::move(served.versions)};
    turn.sample.prompt = std::move(served.request.prompt);
    turn.sample.reply = std::move(served.reply);
    turn.sample.temperature = served.request.temperature;
    if (!turn.versions.empty()) turn.sample.version = *std::ranges::min_element(turn.versions);
    if (users_.faults(key.user).cut && !turn.sample.reply.log_probs.empty()) turn.sample.reply.log_probs.pop_back();
    const bool whole = turn.sample.reply.log_probs.size() == turn.sample.reply.tokens.size();
    const std::int64_t number = ledger_.produce(std::move(turn));
    if (!whole) return ledger_.drop(number, Reason::malformed);
    if (!admitted()) return ledger_.drop(number, Reason::not_admitted);
    watch(key.user, key.session, collection_.add(number, now_));
  }

  bool admitted() const {
    const TrainingSettings& s = setting_.pipeline.training;
    const Admission rule{.eta = s.eta,
                         .version = training_.version(),
                         .batch = training_.batch(),
                         .accepted = ledger_.consumed() + training_.queued(),
                         .running = collection_.waiting() + judging_.resident(),
                         .max_concurrent = s.max_concurrent};
    return !s.admission || rule.capacity() > 0;
  }

  void watch(std::int64_t user, std::int64_t session, std::optional<Ticks> when) {
    if (when) events_.push({*when, EventKind::expired, user, session});
  }

  void arrive(const FollowUp& state) {
    const std::optional<std::int64_t> number = collection_.join(state, now_);
    if (!number) return;
    note(EntryKind::joined, state.of);
    judging_.submit(*number, state, now_, events_);
  }

  // Starts what can start, after every event.
  void settle() {
    if (phase_ == Phase::idle && training_.full()) {
      if (mode_ == HandOver::barrier) {
        serving_.pause(Serving::While::waits, now_);
        judging_.pause();
        phase_ = Phase::draining;
      } else if (training_.version() > serving_.version()) {
        hand_over();
      } else {
        train();
      }
    }
    if (phase_ == Phase::draining && serving_.running() == 0) train();
    if (mode_ != HandOver::pause503) return;
    const bool refuses = phase_ == Phase::handing_over || (phase_ != Phase::idle && training_.full());
    if (refuses && !serving_.paused()) serving_.pause(Serving::While::refuses, now_);
    if (!refuses && serving_.paused()) serving_.resume(now_, events_);
  }

  void train() {
    phase_ = Phase::training;
    training_.train();
    const Ticks duration = ticks(setting_.pipeline.training.seconds);
    busy_until_ = now_ + duration;
    training_time_ = training_time_ + duration;
    events_.push({busy_until_, EventKind::trained, 0, training_.version()});
    if (keep_ == Keep::counts) return;
    for (const std::int64_t number : training_.last_batch()) {
      const Turn& turn = ledger_.at(number);
      result_.trace.push_back({now_, EntryKind::consumed, turn.key, training_.version(), turn.versions, {}});
    }
  }

  void trained() {
    training_.finish();
    note(EntryKind::trained, {}, training_.version());
    const auto version = static_cast<std::size_t>(training_.version());
    if (version < result_.quality.size()) {
      std::fill(result_.quality.begin() + static_cast<std::ptrdiff_t>(version), result_.quality.end(),
                evaluator_.measure(training_.weights()));
    }
    phase_ = Phase::idle;
    if (!setting_.pipeline.training.one_behind) hand_over();
  }

  void hand_over() {
    phase_ = Phase::handing_over;
    if (mode_ == HandOver::interrupt) {
      serving_.pause(Serving::While::waits, now_);
      serving_.interrupt(now_);
    }
    events_.push(
        {now_ + ticks(setting_.pipeline.serving.hand_over_seconds), EventKind::handed_over, 0, training_.version()});
  }

  void handed_over() {
    check();
    serving_.take(training_.weights(), training_.version());
    note(EntryKind::handed_over, {}, training_.version());
    phase_ = Phase::idle;
    if (mode_ == HandOver::barrier) judging_.resume(now_, events_);
    if (mode_ == HandOver::barrier || mode_ == HandOver::interrupt) serving_.resume(now_, events_);
  }

  void check() const {
    ledger_.check(collection_.waiting(), judging_.resident(), training_.queued());
    judging_.check();
    training_.check();
  }

  void note(EntryKind kind, const TurnKey& turn, std::int64_t version = 0) {
    if (keep_ == Keep::trace) result_.trace.push_back({now_, kind, turn, version, {}, {}});
  }

  Result report() {
    check();
    for (std::int64_t user = 0; user < users_.size(); ++user) result_.content_at.push_back(users_.content_at(user));
    result_.serving = serving_.counters(now_);
    result_.collection = collection_.counters();
    result_.judging = judging_.counters(now_);
    result_.training = training_.counters();
    result_.produced = ledger_.produced();
    result_.consumed = ledger_.consumed();
    result_.resident = collection_.waiting() + judging_.resident() + training_.queued();
    for (std::size_t r = 0; r < reasons.size(); ++r) result_.dropped[r] = ledger_.dropped(static_cast<Reason>(r));
    result_.updates = training_.version();
    result_.longest_queue =
        std::max({result_.serving.longest_queue, judging_.longest_queue(), training_.longest_queue()});
    result_.end = now_;
    if (phase_ == Phase::training) training_time_ = training_time_ - (busy_until_ - now_);
    const auto idle = [&](Ticks busy, std::int64_t places) {
      return value(now_) == 0 ? 1 : 1 - seconds(busy) / (seconds(now_) * static_cast<double>(places));
    };
    result_.idle_serving = idle(result_.serving.busy, setting_.pipeline.serving.slots);
    result_.idle_judge = idle(result_.judging.busy, setting_.pipeline.judging.workers);
    result_.idle_trainer = idle(training_time_, 1);
    return std::move(result_);
  }

  const Setting& setting_;
  HandOver mode_;
  Keep keep_;
  EventHeap events_;
  Ticks now_{};
  Ledger ledger_;
  Users users_;
  Serving serving_;
  Collection collection_;
  Judging judging_;
  Training training_;
  Evaluator evaluator_;
  std::vector<std::int64_t> attempts_;  // of the request that each user tries
  std::vector<FollowUp> deliveries_;
  Phase phase_ = Phase::idle;
  Ticks busy_until_{}, training_time_{};
  Result result_;
};

}  // namespace

Result run(const Setting& setting, std::uint64_t seed, std::int64_t replicate, Keep keep) {
  return Run(setting, seed, replicate, keep).run();
}

}  // namespace shoal::pipeline
