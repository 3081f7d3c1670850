#pragma once
// A user who talks to an agent: asks, accepts, repeats or corrects, and knows the truth about every reply.

#include <optional>
#include <vector>

#include "sim/agents/judge.hpp"
#include "sim/agents/talk.hpp"
#include "sim/settings.hpp"

namespace shoal::talk {

/// One simulated person: a topic that opens every conversation, and what replies must satisfy.
struct User {
  int topic = 0;
  std::vector<Rule> rules;  // one or two that do not contradict each other
};

/// How users behave.
struct UserBehaviour {
  UserBehaviour() = default;
  explicit UserBehaviour(const Settings& s);

  double directive = 0.8;  ///< probability that a correction says what was wrong
  int most_turns = 8;      ///< main turns of a session
  int tool_turns = 2;      ///< after them
  double tool_success = 0.95;
};

/// What the user makes of a reply, and what the judge may read of it.
struct Reaction {
  bool satisfied = false;    ///< the rules are met and the answer is right
  bool follows = false;      ///< the rules are met
  bool correct = false;      ///< the answer is right
  std::optional<Rule> said;  ///< the rule that a directive correction named: one that was broken
};

/// One session, turn by turn. Randomness comes from the stream that each call is given.
class Conversation {
 public:
  /// Opens with a question: "<topic> user: a + b agent:".
  Conversation(const User& user, const UserBehaviour& behaviour, RandomStream& random);

  /// What the policy answers now, up to and including "agent:": the question, and from the second turn on the reply
  /// that failed and what the user said to it; rules that the user has named stay. With a hint of up to four words and
  /// a reply it fits the context.
  std::vector<Token> prompt() const;
  /// The same with a hint in the last message of the user, as teachers read it.
  static std::vector<Token> hinted(std::span<const Token> prompt, std::span<const Token> hint_tokens);
  /// The user reads the reply; afterwards prompt() is the next turn, unless done().
  Reaction react(std::span<const Token> reply, RandomStream& random);
  /// No main turn follows: the user is content or has asked most_turns times.
  bool done() const { return done_; }
  int turns() const { return turns_; }
  const Question& question() const { return question_; }
  const User& user() const { return *user_; }

 private:
  const User* user_;
  const UserBehaviour* behaviour_;
  Question question_;
  std::vector<Rule> named_;
  std::vector<Token> failed_;  // the reply that failed
  bool failed_correct_ = true;
  int turns_ = 0;
  bool done_ = false;
};

/// What a judge sees of a main turn after which the conversation is done or goes on. Whoever gives up says nothing
/// about it: something else follows, as if the reply had been good.
Evidence evidence_of(const Reaction& reaction, bool done);
/// What a judge sees of a turn with a tool.
Evidence evidence_of_tool(bool success);

/// The words of a judge's hint, given the rule that the user named; empty for Hint::none. Another rule is neither that
/// one nor its opposite.
std::vector<Token> hint_tokens(Hint kind, Rule said, RandomStream& random);

/// What an agent does besides: a call of a tool, whose result is right or an error whatever the words are.
std::vector<Token> tool_prompt(const User& user, RandomStream& random);
/// A question with nobody who asks it: never trained.
struct Side {
  Question question;
  std::vector<Token> prompt;
};
Side side_prompt(const User& user, RandomStream& random);

}  // namespace shoal::talk
