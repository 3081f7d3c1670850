#pragma once
// The letters between the components: endpoints, subjects, bodies, and how bodies are packed.

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sim/pipeline/component.hpp"
#include "sim/pipeline/counters.hpp"
#include "sim/pipeline/ledger.hpp"
#include "sim/pipeline/trace.hpp"
#include "sim/pipeline/turns.hpp"

namespace shoal::pipeline {

namespace endpoints {
inline constexpr Endpoint auditor{0}, users{1}, serving{2}, collection{3}, judging{4}, training{5};
inline constexpr std::array all{auditor, users, serving, collection, judging, training};
}  // namespace endpoints

/// The subject of a letter: its LetterKind.
enum class Subject : std::int32_t {
  // Letters of a component to itself, with a Timer. At one time they are handled in this order: a run ends before
  // anything else happens; finished work counts before weights change, and new requests are served with the new
  // weights.
  over,         // auditor: the run's end is reached
  generated,    // serving: a reply's tokens so far have been generated; it continues or is finished
  judged,       // judging: a judgement is finished
  arrived,      // users: a delayed state arrives
  expired,      // collection: a session may have expired
  trained,      // training: the update is finished
  handed_over,  // training: the weights have travelled to serving
  asked,        // users: a user asks

  start,          // auditor -> users: empty
  request,        // users -> serving: Request
  answer,         // serving -> users: Answered; side turns get none
  reply,          // serving -> users: ReadReply
  turn,           // serving -> collection: Turn
  side_turn,      // serving -> collection: empty
  follow_up,      // users -> collection: FollowUp
  closed,         // users -> collection: the TurnKey of the session's last turn
  to_judge,       // collection -> judging: ToJudge
  to_train,       // judging -> training: Turn
  pause,          // training -> serving: Pause; training -> judging: empty
  resume,         // training -> serving, judging: empty
  drained,        // serving -> training: no reply is running
  weights,        // training -> serving: NewWeights
  trainer_level,  // training -> collection: TrainerLevel, where the admission rule holds
  judge_level,    // judging -> collection: the number of turns there, where the admission rule holds
  measured,       // training -> auditor: NewWeights after an update, undefined where they are not measured
  users_changed,  // users -> auditor: UsersStatus
  note,           // any -> auditor: TraceEntry
  ledger,         // training -> collection -> judging -> training -> auditor: Ledger
  stop,           // auditor -> users -> serving -> collection -> judging -> training -> auditor: Ledger
  users_report,   // the last letter but `stop` of each component, to the auditor
  serving_report,
  collection_report,
  judging_report,
  training_report,
  ended,  // auditor -> all, in live runs, and for their drivers: the result is complete
};

constexpr LetterKind kind(Subject subject) { return LetterKind{static_cast<std::int32_t>(subject)}; }
constexpr Subject subject(const Letter& letter) { return Subject{value(letter.kind)}; }

/// The body of a letter of a component to itself. The meaning of the number depends on the subject: a generation, turn,
/// delivery, session or version.
struct Timer {
  std::int64_t user = 0, number = 0;
  Ticks at{};  // when it is meant to be handled; a live driver may come later

  friend auto operator<=>(const Timer&, const Timer&) = default;
};

struct Answered {
  std::int64_t user = 0;
  Answer answer = Answer::accepted;
};

struct ReadReply {
  std::int64_t user = 0;
  std::vector<Token> tokens;
};

struct ToJudge {
  Turn turn;
  std::optional<FollowUp> state;  // none: nothing follows the turn, so it goes to the trainer without a judgement
};

/// How serving pauses.
enum class Pause : std::int8_t {
  drain,      // new requests wait; the trainer is told when the last running reply has been served
  interrupt,  // new requests wait, and running generations stop; they keep their tokens so far
  refuse,     // new requests are refused
};

struct NewWeights {
  std::int64_t version = 0;
  at::Tensor weights;  // [d], float32
};

struct TrainerLevel {
  std::int64_t version = 0;
  std::int64_t accepted = 0;  // turns that the trainer has or had
};

struct UsersStatus {
  bool content = false;  // all users are content
  bool over = false;     // all users have had all their sessions
};

struct UsersReport {
  std::vector<std::int64_t> content_at;  // Users::content_at of each user
  std::int64_t gave_up = 0;
};

struct TrainingReport {
  TrainingCounters counters;
  NewWeights last;  // after the last finished update
};

/// Packs a body of one of the types above, or a number.
template <class Body>
std::shared_ptr<const Bytes> pack(const Body& body);
/// Throws UserError where the letter's body is not one of this type: it has another size, sizes that exceed it, unknown
/// values or tokens outside the vocabulary.
template <class Body>
Body unpack(const Letter& letter);

/// The letters that a component writes while it handles one.
class Outbox {
 public:
  Outbox(Endpoint self, Ticks now) : self_(self), now_(now) {}

  Ticks now() const { return now_; }
  /// A letter to another component, to be handed over at once.
  void send(Endpoint to, Subject subject) { add(to, subject, nullptr, {}); }
  template <class Body>
  void send(Endpoint to, Subject subject, const Body& body) {
    add(to, subject, pack(body), {});
  }
  /// A letter to the component itself.
  void later(Ticks due, Subject subject, std::int64_t user, std::int64_t number) {
    add(self_, subject, pack(Timer{user, number, due}), due);
  }
  const std::vector<Letter>& letters() const { return letters_; }
  std::vector<Letter> take() { return std::move(letters_); }

 private:
  void add(Endpoint to, Subject subject, std::shared_ptr<const Bytes> body, Ticks due) {
    letters_.push_back({self_, to, kind(subject), std::move(body), due});
  }

  Endpoint self_;
  Ticks now_;
  std::vector<Letter> letters_;
};

/// A component has no use for a letter: throws UserError with the letter's kind, sender and receiver.
[[noreturn]] void refuse(const Letter& letter);

}  // namespace shoal::pipeline
