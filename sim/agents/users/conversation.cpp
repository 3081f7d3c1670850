#include "sim/agents/users/conversation.hpp"

#include <algorithm>

namespace shoal::talk {
namespace {

int draw_digit(RandomStream& random) { return random.below(10); }
Question draw_question(RandomStream& random) { return {draw_digit(random), draw_digit(random)}; }

void ask(std::vector<Token>& tokens, Question question) {
  tokens.insert(tokens.end(), {number_tokens[question.a], plus_token, number_tokens[question.b]});
}

Token topic_token(const User& user) { return topic_tokens[user.topic]; }

}  // namespace

UserBehaviour::UserBehaviour(const Settings& s)
    : directive(s.number("directive", 0.8, "probability that a correction says what was wrong", between(0, 1))),
      most_turns(s.integer("most_turns", 8, "replies after which a user gives up", between(1, 1000))),
      tool_turns(s.integer("tool_turns", 2, "calls of tools at the end of a session", between(0, 1000))),
      tool_success(s.number("tool_success", 0.95, "probability that a tool's result is right", between(0, 1))) {}

Conversation::Conversation(const User& user, const UserBehaviour& behaviour, RandomStream& random)
    : user_(&user), behaviour_(&behaviour), question_(draw_question(random)) {}

std::vector<Token> Conversation::prompt() const {
  std::vector<Token> tokens{topic_token(*user_), user_token};
  ask(tokens, question_);
  if (turns_ > 0) {
    tokens.push_back(agent_token);
    tokens.insert(tokens.end(), failed_.begin(), failed_.end());
    tokens.push_back(user_token);
    tokens.push_back(again_token);
    if (!failed_correct_) tokens.push_back(wrong_token);
    for (const Rule rule : named_) tokens.push_back(token_of(rule));
    ask(tokens, question_);
  }
  tokens.push_back(agent_token);
  return tokens;
}

std::vector<Token> Conversation::hinted(std::span<const Token> prompt, std::span<const Token> hint) {
  std::vector<Token> tokens(prompt.begin(), prompt.end() - 1);
  tokens.push_back(hint_token);
  tokens.insert(tokens.end(), hint.begin(), hint.end());
  tokens.push_back(prompt.back());  // "agent:"
  return tokens;
}

Reaction Conversation::react(std::span<const Token> reply, RandomStream& random) {
  std::vector<Rule> broken;
  for (const Rule rule : user_->rules) {
    if (!satisfies(rule, reply)) broken.push_back(rule);
  }
  Reaction reaction{.follows = broken.empty(), .correct = is_correct(question_, reply), .said = {}};
  reaction.satisfied = reaction.follows && reaction.correct;
  ++turns_;
  done_ = reaction.satisfied || turns_ >= behaviour_->most_turns;
  if (reaction.satisfied) return reaction;
  failed_.assign(reply.begin(), reply.end());
  failed_correct_ = reaction.correct;
  if (random.uniform() < behaviour_->directive && !broken.empty()) {
    reaction.said = broken[random.below(broken.size())];
    if (std::ranges::find(named_, *reaction.said) == named_.end()) named_.push_back(*reaction.said);
  }
  return reaction;
}

Evidence evidence_of(const Reaction& reaction, bool done) {
  Evidence evidence{.reward = reaction.satisfied ? 1.0 : -1.0, .shows = NextState::moved_on};
  if (done) return evidence;
  evidence.directive = reaction.said.has_value();
  evidence.shows = evidence.directive ? NextState::corrected : NextState::repeated;
  return evidence;
}

Evidence evidence_of_tool(bool success) {
  return {.reward = success ? 1.0 : -1.0, .tool = true, .shows = success ? NextState::tool_ok : NextState::tool_error};
}

std::vector<Token> hint_tokens(Hint kind, Rule said, RandomStream& random) {
  if (kind == Hint::none) return {};
  if (kind == Hint::irrelevant) return {weather_token};
  if (kind == Hint::opposite) return {token_of(opposite(said))};
  if (kind == Hint::right) return {token_of(said)};
  const Rule other = static_cast<Rule>((static_cast<int>(said) + 1 + random.below(2)) % 3);
  return {token_of(random.below(2) == 0 ? other : opposite(other))};
}

std::vector<Token> tool_prompt(const User& user, RandomStream& random) {
  std::vector<Token> tokens{topic_token(user), tool_token};
  ask(tokens, draw_question(random));
  tokens.push_back(agent_token);
  return tokens;
}

SideTurn side_turn(const User& user, RandomStream& random) {
  SideTurn side{.question = draw_question(random), .prompt = {topic_token(user), note_token}};
  ask(side.prompt, side.question);
  side.prompt.push_back(agent_token);
  return side;
}

}  // namespace shoal::talk
