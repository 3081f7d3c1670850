#include "sim/pipeline/pipeline.hpp"

#include "sim/pipeline/staleness.hpp"

namespace shoal::pipeline {
namespace {

using EventKind = PipelineEvent::Kind;
using EntryKind = TraceEntry::Kind;

// One run: handles one event after the other and passes turns from component to component.
class Run {
 public:
  Run(const Setup& setup, std::uint64_t seed, std::int64_t replicate, Keep keep)
      : setup_(setup),
        mode_(setup.pipeline.serving.hand_over),
        keep_(keep),
        users_(setup.pool, setup.pipeline.clients, seed, replicate),
        serving_(setup.policy, setup.pipeline.serving, setup.initial, seed, replicate),
        collection_(ledger_, ticks(setup.pipeline.expiry)),
        judging_(ledger_, setup.judge, setup.pipeline.judging, setup.pipeline.capacity, seed, replicate),
        training_(ledger_, setup.policy, setup.objective, setup.learning, setup.pipeline.training,
                  setup.pipeline.capacity, setup.initial, seed, replicate),
        evaluator_(setup.policy, setup.pool, setup.questions, setup.initial, seed, replicate),
        attempts_(setup.pool.users.size()) {}

  Result run() {
    result_.quality.fill(evaluator_.measure(setup_.initial));
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
  // The trainer's phase. While draining, the barrier is down and running replies are waited for.
  enum class Phase : std::int8_t { idle, draining, training, handing_over };

  bool done() const {
    const bool wanted = setup_.updates > 0 ? training_.version() >= setup_.updates : users_.all_content();
    return wanted || users_.all_over();
  }

  void handle(const PipelineEvent& event) {
    switch (event.kind) {
      case EventKind::served:
        return served(event.number);
      case EventKind::judged:
        return judged(event.number);
      case EventKind::arrived:
        return arrive(deliveries_[event.number]);
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

  // --- users ask

  void ask_after(std::int64_t user, Ticks wait) { events_.push({now_ + wait, EventKind::asked, user, 0}); }

  void proceed(std::int64_t user, const NextStep& next) {
    if (next.wait) ask_after(user, *next.wait);
  }

  void ask(std::int64_t user) {
    Request& request = users_.request(user);
    std::int64_t& attempts = attempts_[user];
    const TurnKey key{user, *request.session, request.turn};
    if (attempts == 0) request.sent = now_;
    if (std::exchange(users_.faults(user).malformed, false)) ask_malformed(key, request);
    if (serving_.submit(request, now_, events_) == Answer::refused) return refused(key, attempts);
    attempts = 0;
    note(EntryKind::asked, key);
    const Faults faults = users_.faults(user);
    if (const std::optional<FollowUp> state = users_.take_next_state(user)) deliver(*state, faults);
    if (faults.side) serving_.submit(users_.side_request(user), now_, events_);
  }

  // Sends a request that lacks a field. The error comes back at once, and the client then sends the correct request.
  void ask_malformed(const TurnKey& key, Request request) {
    if ((key.session + key.turn) % 2 == 0) {
      request.type.reset();
    } else {
      request.session.reset();
    }
    serving_.submit(std::move(request), now_, events_);
    note(EntryKind::malformed, key);
  }

  void refused(const TurnKey& key, std::int64_t& attempts) {
    note(EntryKind::refused, key);
    const ServingSettings& s = setup_.pipeline.serving;
    if (attempts < s.retries) {
      ask_after(key.user, ticks(s.backoff + 2.0 * attempts));
      ++attempts;
      return;
    }
    attempts = 0;
    ++result_.gave_up;
    proceed(key.user, users_.give_up(key.user, now_));
  }

  void deliver(const FollowUp& state, const Faults& faults) {
    if (!faults.late) arrive(state);
    const int later = faults.late + faults.duplicate;
    for (int i = 0; i < later; ++i) {
      deliveries_.push_back(state);
      events_.push({now_ + ticks(setup_.pipeline.clients.late_seconds), EventKind::arrived, state.of.user,
                    std::ssize(deliveries_) - 1});
    }
  }

  // --- turns are served, collected and judged

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
    if (next.done) close(key);
    proceed(key.user, next);
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
    const TrainingSettings& s = setup_.pipeline.training;
    const Admission rule{.eta = s.eta,
                         .version = training_.version(),
                         .batch = training_.batch(),
                         .accepted = ledger_.consumed() + training_.queued(),
                         .running = collection_.waiting() + judging_.resident(),
                         .max_concurrent = s.max_concurrent};
    return !s.admission || rule.capacity() > 0;
  }

  // Nothing follows the last turn: it has neither vote nor hint, and the objective decides whether it counts.
  void close(const TurnKey& key) {
    const std::optional<std::int64_t> last = collection_.close(key);
    if (!last) return;
    note(EntryKind::closed, key);
    training_.enqueue(*last, TurnStage::collected);
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

  void judged(std::int64_t number) {
    judging_.finish(number, now_, events_);
    note(EntryKind::judged, ledger_.at(number).key);
    training_.enqueue(number, TurnStage::judging);
  }

  // --- weights are trained and handed over

  // Starts an update, a hand-over or a pause that is due. Called after every event.
  void settle() {
    if (phase_ == Phase::idle && training_.full()) use_full_batch();
    if (phase_ == Phase::draining && serving_.running() == 0) train();
    if (mode_ != HandOver::pause503) return;
    const bool refuses = phase_ == Phase::handing_over || (phase_ != Phase::idle && training_.full());
    if (refuses && !serving_.paused()) serving_.pause(Serving::While::refuses, now_);
    if (!refuses && serving_.paused()) serving_.resume(now_, events_);
  }

  void use_full_batch() {
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

  void train() {
    phase_ = Phase::training;
    training_.train();
    const Ticks duration = ticks(setup_.pipeline.training.seconds);
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
    if (training_.version() < std::ssize(result_.quality)) {
      std::fill(result_.quality.begin() + training_.version(), result_.quality.end(),
                evaluator_.measure(training_.weights()));
    }
    phase_ = Phase::idle;
    if (!setup_.pipeline.training.one_behind) hand_over();
  }

  void hand_over() {
    phase_ = Phase::handing_over;
    if (mode_ == HandOver::interrupt) {
      serving_.pause(Serving::While::waits, now_);
      serving_.interrupt(now_);
    }
    const Ticks arrival = now_ + ticks(setup_.pipeline.serving.hand_over_seconds);
    events_.push({arrival, EventKind::handed_over, 0, training_.version()});
  }

  void handed_over() {
    check();
    serving_.take(training_.weights(), training_.version());
    note(EntryKind::handed_over, {}, training_.version());
    phase_ = Phase::idle;
    if (mode_ == HandOver::barrier) judging_.resume(now_, events_);
    if (mode_ == HandOver::barrier || mode_ == HandOver::interrupt) serving_.resume(now_, events_);
  }

  // --- records

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
    result_.idle_serving = idle(result_.serving.busy, setup_.pipeline.serving.slots);
    result_.idle_judge = idle(result_.judging.busy, setup_.pipeline.judging.workers);
    result_.idle_trainer = idle(training_time_, 1);
    return std::move(result_);
  }

  // Idle share of the time of `places` slots or workers.
  double idle(Ticks busy, std::int64_t places) const {
    return value(now_) == 0 ? 1 : 1 - seconds(busy) / (seconds(now_) * places);
  }

  const Setup& setup_;
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
  std::vector<std::int64_t> attempts_;  // refused attempts of each user's current request
  std::vector<FollowUp> deliveries_;    // states that arrive later
  Phase phase_ = Phase::idle;
  Ticks busy_until_{}, training_time_{};
  Result result_;
};

}  // namespace

Result run(const Setup& setup, std::uint64_t seed, std::int64_t replicate, Keep keep) {
  return Run(setup, seed, replicate, keep).run();
}

}  // namespace shoal::pipeline
