#pragma once
// Conversations of simulated users with an agent. The user asks, then accepts, repeats or corrects; the truth about
// every reply is known.

#include <optional>
#include <vector>

#include "sim/agents/judge.hpp"
#include "sim/agents/users/talk.hpp"
#include "sim/settings/settings.hpp"

namespace shoal::talk {

/// One simulated user: a topic that opens every conversation, and rules that replies must satisfy.
struct User {
  int topic = 0;
  std::vector<Rule> rules;  // one or two that do not contradict each other
};

/// The behaviour that all users have in common.
struct UserBehaviour {
  UserBehaviour() = default;
  explicit UserBehaviour(const Settings& s);

  double directive = 0.8;      // probability that a correction says what was wrong
  int most_turns = 8;          // largest number of main turns of a session
  int tool_turns = 2;          // turns with tools after them
  double tool_success = 0.95;  // probability that a tool's result is right
};

/// A user's reaction to a reply: the truth, and what the user says.
struct Reaction {
  bool satisfied = false;    // the rules are met and the answer is right
  bool follows = false;      // the rules are met
  bool correct = false;      // the answer is right
  std::optional<Rule> said;  // the broken rule that a directive correction named
};

/// The main turns of one session. Randomness comes from the stream that each call is given.
class Conversation {
 public:
  /// Opens with a question: "<topic> user: a + b agent:".
  Conversation(const User& user, const UserBehaviour& behaviour, RandomStream& random);

  /// The policy's prompt for this turn, up to and including "agent:": the question; from the second turn on also the
  /// reply that failed, the user's message about it and all rules that the user has named. With a hint of up to four
  /// tokens and a reply it fits the context.
  std::vector<Token> prompt() const;
  /// The prompt with a hint in the user's last message, as teachers read it.
  static std::vector<Token> hinted(std::span<const Token> prompt, std::span<const Token> hint);
  /// The user reads the reply; afterwards prompt() is that of the next turn, unless done().
  Reaction react(std::span<const Token> reply, RandomStream& random);
  /// True if no main turn follows: the user is satisfied, or gives up after most_turns turns.
  bool done() const { return done_; }
  int turns() const { return turns_; }
  const Question& question() const { return question_; }
  const User& user() const { return *user_; }

 private:
  const User* user_;
  const UserBehaviour* behaviour_;
  Question question_;
  std::vector<Rule> named_;    // rules that the user has named
  std::vector<Token> failed_;  // the last reply, which failed
  bool failed_correct_ = true;
  int turns_ = 0;
  bool done_ = false;
};

/// Evidence for a judge about a main turn; `done`: the conversation ends with it. A user who gives up says nothing
/// about the reply: the next state looks as if the reply had been good.
Evidence evidence_of(const Reaction& reaction, bool done);
/// Evidence for a judge about a turn with a tool.
Evidence evidence_of_tool(bool success);

/// The tokens of a judge's hint, given the rule that the user named; empty for Hint::none. Hint::another_rule names
/// neither that rule nor its opposite.
std::vector<Token> hint_tokens(Hint kind, Rule said, RandomStream& random);

/// The prompt of a turn with a tool. Whether the tool's result is right does not depend on the reply.
std::vector<Token> tool_prompt(const User& user, RandomStream& random);
/// A question that the agent asks itself in a side turn. Side turns are never trained on.
struct SideTurn {
  Question question;
  std::vector<Token> prompt;
};
SideTurn side_turn(const User& user, RandomStream& random);

}  // namespace shoal::talk
