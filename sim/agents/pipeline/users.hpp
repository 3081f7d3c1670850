#pragma once
// Those who talk: what each user asks next, when, and what goes wrong on the way.

#include <optional>
#include <vector>

#include "sim/agents/pipeline/settings.hpp"
#include "sim/agents/pipeline/turns.hpp"

namespace shoal::pipeline {

/// Who the users are and how they behave.
struct UserPool {
  std::vector<talk::User> users;
  talk::UserBehaviour behaviour;
  double temperature = 1;
  std::int64_t sessions = 72;  ///< of each user, at most
};

/// What is drawn for a turn besides its words.
struct Faults {
  bool side = false;                     ///< a side turn is asked at the same time
  bool malformed = false;                ///< the first request lacks a field
  bool cut = false;                      ///< the trajectory loses a log-probability
  bool late = false, duplicate = false;  ///< of the next state
  bool leaves = false;                   ///< after the reply
};

/// What a user does after a reply.
struct NextStep {
  std::optional<Ticks> wait;  ///< until the next request; none: the user has had all sessions
  bool done = false;          ///< the client says that the session is over
};

/// Draws depend on (user, session, turn) alone: whether anything is slow changes nobody's words.
class Users {
 public:
  static constexpr int in_a_row = 3;

  Users(const UserPool& pool, const ClientSettings& settings, std::uint64_t seed, std::int64_t replicate);

  std::int64_t size() const { return std::ssize(states_); }
  /// Until the first request.
  Ticks first_wait(std::int64_t user, Ticks now);
  /// What the user asks now.
  Request& request(std::int64_t user) { return state(user).request; }
  Faults& faults(std::int64_t user) { return state(user).faults; }
  /// What followed the user's turn before: goes with the request, once.
  std::optional<FollowUp> take_next_state(std::int64_t user);
  Request side_request(std::int64_t user);
  /// The reply to request(user).
  NextStep react(std::int64_t user, const Reply& reply, Ticks now);
  /// All retries were refused: the session is lost.
  NextStep give_up(std::int64_t user, Ticks now);

  /// Session whose first reply was the third in a row that satisfied; 0: not yet.
  std::int64_t content_at(std::int64_t user) const { return state(user).content_at; }
  std::int64_t sessions(std::int64_t user) const { return state(user).session; }
  bool all_content() const { return content_ == size(); }
  /// Nobody asks any more.
  bool all_over() const { return over_ == size(); }

 private:
  struct UserState {
    std::int64_t session = 0;
    int turn = 0, tools_left = 0;
    std::optional<talk::Conversation> conversation;
    std::optional<RandomStream> random;  // of this turn
    Request request;
    Faults faults;
    std::optional<FollowUp> next_state;
    int streak = 0;
    std::int64_t content_at = 0;
  };
  const UserState& state(std::int64_t user) const { return states_[static_cast<std::size_t>(user)]; }
  UserState& state(std::int64_t user) { return states_[static_cast<std::size_t>(user)]; }
  void open_turn(std::int64_t user, TurnType type);
  NextStep next_session(std::int64_t user, Ticks now, bool done);
  void count_first_reply(UserState& person, bool satisfied);

  const UserPool& pool_;
  const ClientSettings& settings_;
  RandomKey key_;
  std::int64_t replicate_;
  std::vector<UserState> states_;
  std::int64_t content_ = 0, over_ = 0;  // how many are
};

/// Turns of a session have numbers below this.
inline constexpr int most_turns = 1 << 11;

/// Draws of one turn of one user of one replicate. Numbers from most_turns on belong to side turns.
RandomStream turn_stream(RandomKey key, std::int64_t replicate, const TurnKey& turn);

}  // namespace shoal::pipeline
