#pragma once
// The users of the pipeline: what each asks next and when, and the faults of their requests.

#include <optional>
#include <vector>

#include "sim/pipeline/settings.hpp"
#include "sim/pipeline/turns.hpp"

namespace shoal::pipeline {

/// The users who share a policy, and how they behave.
struct UserPool {
  std::vector<talk::User> users;
  talk::UserBehaviour behaviour;
  double temperature = 1;
  std::int64_t sessions = 72;  // largest number of sessions of each user
};

/// Draws of a turn besides its tokens: a side turn, faults, and whether the user leaves.
struct Faults {
  bool side = false;       // a side turn is requested at the same time
  bool malformed = false;  // the first request lacks a field
  bool cut = false;        // the trajectory loses a log-probability: also in the request
  bool late = false;       // the next state is delayed
  bool duplicate = false;  // the next state comes twice
  bool leaves = false;     // the user leaves after the reply
};

/// A user's next step after a reply.
struct NextStep {
  std::optional<Ticks> wait;  // time until the next request; none if the user has had all sessions
  bool done = false;          // the client reports that the session is over
};

/// Random draws depend on (user, session, turn) alone: delays change no tokens.
class Users {
 public:
  static constexpr int in_a_row = 3;  // satisfying first replies, one after the other, that make a user content

  Users(const UserPool& pool, const ClientSettings& settings, std::uint64_t seed, std::int64_t replicate);

  std::int64_t size() const { return std::ssize(states_); }
  /// Time until the user's first request.
  Ticks first_wait(std::int64_t user, Ticks now);
  /// The user's current request.
  Request& request(std::int64_t user) { return state(user).request; }
  const Request& request(std::int64_t user) const { return state(user).request; }
  Faults& faults(std::int64_t user) { return state(user).faults; }
  /// The state that followed the user's previous turn: sent with the request, once.
  std::optional<FollowUp> take_next_state(std::int64_t user);
  Request side_request(std::int64_t user);
  /// The user reads the reply to request(user).
  NextStep react(std::int64_t user, const Reply& reply, Ticks now);
  /// The session ends because all retries were refused.
  NextStep give_up(std::int64_t user, Ticks now);

  /// The session whose first reply was the third in a row that satisfied the user; 0: none yet.
  std::int64_t content_at(std::int64_t user) const { return state(user).content_at; }
  std::int64_t sessions(std::int64_t user) const { return state(user).session; }
  bool all_content() const { return content_ == size(); }
  /// Whether all users have had all their sessions.
  bool all_over() const { return over_ == size(); }

 private:
  struct UserState {
    std::int64_t session = 0;
    int turn = 0, tools_left = 0;
    std::optional<talk::Conversation> conversation;
    std::optional<RandomStream> random;  // draws of the current turn
    Request request;
    Faults faults;
    std::optional<FollowUp> next_state;
    int streak = 0;
    std::int64_t content_at = 0;
  };
  const UserState& state(std::int64_t user) const { return states_[user]; }
  UserState& state(std::int64_t user) { return states_[user]; }
  void open_turn(std::int64_t user, TurnType type);
  NextStep next_session(std::int64_t user, Ticks now, bool done);
  void count_first_reply(UserState& user, bool satisfied);

  const UserPool& pool_;
  const ClientSettings& settings_;
  RandomKey key_;
  std::int64_t replicate_;
  std::vector<UserState> states_;
  std::int64_t content_ = 0, over_ = 0;  // numbers of users who are content, and who have had all sessions
};

/// Turns of a session have numbers below this.
inline constexpr int most_turns = 1 << 11;

/// Random stream of one turn of one user of one replicate. Turn numbers from most_turns on belong to side turns.
RandomStream turn_stream(RandomKey key, std::int64_t replicate, const TurnKey& turn);

}  // namespace shoal::pipeline
