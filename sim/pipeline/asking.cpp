#include "sim/pipeline/asking.hpp"

namespace shoal::pipeline {

Asking::Asking(const Setup& setup, const RunKey& run)
    : serving_(setup.pipeline.serving),
      settings_(setup.pipeline.clients),
      keep_(run.keep),
      users_(setup.pool, setup.pipeline.clients, run.seed, run.replicate),
      attempts_(setup.pool.users.size()) {}

std::vector<Letter> Asking::handle(const Letter& letter, Ticks now) {
  if (stopped_) return {};
  Outbox out(endpoints::users, now);
  switch (subject(letter)) {
    case Subject::start:
      begin(out);
      break;
    case Subject::asked:
      ask(checked(unpack<Timer>(letter).user), out);
      break;
    case Subject::answer:
      answered(unpack<Answered>(letter), out);
      break;
    case Subject::reply:
      read(unpack<ReadReply>(letter), out);
      break;
    case Subject::arrived:
      if (const auto state = deliveries_.extract(unpack<Timer>(letter).number)) {
        out.send(endpoints::collection, Subject::follow_up, state.mapped());
      }
      break;
    case Subject::stop:
      stop(out);
      break;
    default:
      refuse(letter);
  }
  return out.take();
}

std::int64_t Asking::checked(std::int64_t user) const {
  if (user < 0 || user >= users_.size()) {
    user_error("a letter is about user {} of {}. Use the same settings in all processes.", user, users_.size());
  }
  return user;
}

void Asking::begin(Outbox& out) {
  for (std::int64_t user = 0; user < users_.size(); ++user) {
    out.later(out.now() + users_.first_wait(user, out.now()), Subject::asked, user, 0);
  }
  report_status(out);
}

void Asking::proceed(std::int64_t user, const NextStep& next, Outbox& out) {
  if (next.wait) out.later(out.now() + *next.wait, Subject::asked, user, 0);
  report_status(out);
}

void Asking::ask(std::int64_t user, Outbox& out) {
  Request& request = users_.request(user);
  if (attempts_[user] == 0) request.sent = out.now();
  if (std::exchange(users_.faults(user).malformed, false)) ask_malformed(request, out);
  out.send(endpoints::serving, Subject::request, request);
}

// Sends a request that lacks a field. The error comes back at once; the correct request follows.
void Asking::ask_malformed(Request request, Outbox& out) {
  if ((*request.session + request.turn) % 2 == 0) {
    request.type.reset();
  } else {
    request.session.reset();
  }
  out.send(endpoints::serving, Subject::request, request);
}

void Asking::answered(const Answered& answer, Outbox& out) {
  const std::int64_t user = checked(answer.user);
  switch (answer.answer) {
    case Answer::malformed:
      return note(TraceEntry::Kind::malformed, user, out);
    case Answer::refused:
      return refused(user, out);
    case Answer::accepted:
      return accepted(user, out);
  }
}

void Asking::accepted(std::int64_t user, Outbox& out) {
  attempts_[user] = 0;
  note(TraceEntry::Kind::asked, user, out);
  const Faults faults = users_.faults(user);
  if (const std::optional<FollowUp> state = users_.take_next_state(user)) deliver(*state, faults, out);
  if (faults.side) out.send(endpoints::serving, Subject::request, users_.side_request(user));
}

void Asking::refused(std::int64_t user, Outbox& out) {
  note(TraceEntry::Kind::refused, user, out);
  std::int64_t& attempts = attempts_[user];
  if (attempts < serving_.retries) {
    out.later(out.now() + ticks(serving_.backoff + 2.0 * attempts), Subject::asked, user, 0);
    ++attempts;
    return;
  }
  attempts = 0;
  ++gave_up_;
  proceed(user, users_.give_up(user, out.now()), out);
}

void Asking::deliver(const FollowUp& state, const Faults& faults, Outbox& out) {
  if (!faults.late) out.send(endpoints::collection, Subject::follow_up, state);
  const int later = faults.late + faults.duplicate;
  for (int i = 0; i < later; ++i) {
    deliveries_.emplace(next_delivery_, state);
    out.later(out.now() + ticks(settings_.late_seconds), Subject::arrived, state.of.user, next_delivery_++);
  }
}

void Asking::read(const ReadReply& reply, Outbox& out) {
  const std::int64_t user = checked(reply.user);
  const TurnKey turn = key(user);
  const NextStep next = users_.react(user, {.tokens = reply.tokens, .log_probs = {}}, out.now());
  if (next.done) out.send(endpoints::collection, Subject::closed, turn);
  proceed(user, next, out);
}

void Asking::report_status(Outbox& out) {
  const UsersStatus status{.content = users_.all_content(), .over = users_.all_over()};
  if (status.content == told_.content && status.over == told_.over) return;
  told_ = status;
  out.send(endpoints::auditor, Subject::users_changed, status);
}

void Asking::stop(Outbox& out) {
  stopped_ = true;
  UsersReport report{.content_at = {}, .gave_up = gave_up_};
  for (std::int64_t user = 0; user < users_.size(); ++user) report.content_at.push_back(users_.content_at(user));
  out.send(endpoints::auditor, Subject::users_report, report);
  out.send(endpoints::serving, Subject::stop, Ledger{});
}

TurnKey Asking::key(std::int64_t user) const {
  const Request& request = users_.request(user);
  return {user, *request.session, request.turn};
}

void Asking::note(TraceEntry::Kind kind, std::int64_t user, Outbox& out) const {
  if (keep_ == Keep::counts) return;
  out.send(endpoints::auditor, Subject::note,
           TraceEntry{.time = out.now(), .kind = kind, .turn = key(user), .versions = {}});
}

}  // namespace shoal::pipeline
