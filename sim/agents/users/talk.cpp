#include "sim/agents/users/talk.hpp"

#include <algorithm>

#include "sim/agents/users/conversation.hpp"

namespace shoal::talk {
namespace {

// Probabilities for the tokens around the answer: that one more follows, that one is a format mark, or a warm token.
// A reply then has no mark, at least long_reply tokens or a warm token with probability 0.40, 0.20 and 0.10.
constexpr double more = 0.818, mark = 0.334, warm = 0.0247;
constexpr double earlier = 0.4;  // probability that one more token is placed before the answer
constexpr int answer_tokens = 2;
constexpr int most_around = longest_reply - 1 - answer_tokens;

int geometric(double p, int most, RandomStream& random) {
  int n = 0;
  while (n < most && random.uniform() < p) ++n;
  return n;
}

Token any(TokenRange tokens, RandomStream& random) { return tokens[random.below(tokens.size)]; }

bool wants(std::span<const Rule> told, Rule rule) {
  const auto last = std::find_if(told.rbegin(), told.rend(), [&](Rule r) { return r == rule || r == opposite(rule); });
  return last != told.rend() && *last == rule;
}

// The position of a filler, or any position if there is none.
std::size_t plain_place(std::span<const Token> tokens, RandomStream& random) {
  const std::size_t first = random.below(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t at = (first + i) % tokens.size();
    if (filler_tokens.contains(tokens[at])) return at;
  }
  return first;
}

bool is_warm(Token t) { return warm_tokens.contains(t); }

std::vector<Token> tokens_around(std::span<const Rule> told, RandomStream& random) {
  const bool bolder = wants(told, Rule::bolder), warmer = wants(told, Rule::warmer);
  constexpr int enough = long_reply - answer_tokens, few = short_reply - answer_tokens;
  int count = geometric(more, most_around, random);
  if (wants(told, Rule::longer)) count = enough + geometric(more, most_around - enough, random);
  if (wants(told, Rule::shorter)) count = random.below(few + 1);
  count = std::max(count, (bolder ? 1 : 0) + (warmer ? 1 : 0));
  std::vector<Token> tokens;
  for (int i = 0; i < count; ++i) {
    const double u = random.uniform();
    Token next = any(filler_tokens, random);
    if (u < mark && !wants(told, Rule::plain)) next = bold_token;
    if (u >= mark && u < mark + warm && !wants(told, Rule::colder)) next = any(warm_tokens, random);
    tokens.push_back(next);
  }
  if (bolder && std::ranges::count(tokens, bold_token) == 0) tokens[plain_place(tokens, random)] = bold_token;
  if (warmer && std::ranges::none_of(tokens, is_warm)) {
    // Keep the only mark.
    std::size_t at = plain_place(tokens, random);
    if (bolder && tokens[at] == bold_token && std::ranges::count(tokens, bold_token) == 1)
      at = (at + 1) % tokens.size();
    tokens[at] = any(warm_tokens, random);
  }
  return tokens;
}

constexpr std::array<std::string_view, vocabulary> texts = {
    "<end>",  "user:",    "agent:",  "tool:",   "hint:",  "again", "wrong",  "thanks", "plain",  "longer", "warmer",
    "bolder", "shorter",  "colder",  "weather", "+",      "=",     "**",     "gladly", "friend", "ok",     "error",
    "note:",  "homework", "grading", "mail",    "travel", "money", "garden", "music",  "sport",  "0",      "1",
    "2",      "3",        "4",       "5",       "6",      "7",     "8",      "9",      "10",     "11",     "12",
    "13",     "14",       "15",      "16",      "17",     "18",    "so",     "then",   "we",     "take",   "both",
    "and",    "add",      "them",    "up",      "which",  "gives", "this",   "result", "here"};

}  // namespace

std::string_view text(Token token) { return texts.at(token); }

std::string text(std::span<const Token> tokens) {
  std::string all;
  for (const Token t : tokens) {
    if (!all.empty()) all += ' ';
    all += text(t);
  }
  return all;
}

bool satisfies(Rule rule, std::span<const Token> reply) {
  const auto marks = std::ranges::count(reply, bold_token);
  const auto warm_ones = std::ranges::count_if(reply, is_warm);
  const auto length = std::ranges::find(reply, end_token) - reply.begin();
  switch (rule) {
    case Rule::plain:
      return marks == 0;
    case Rule::bolder:
      return marks > 0;
    case Rule::longer:
      return length >= long_reply;
    case Rule::shorter:
      return length <= short_reply;
    case Rule::warmer:
      return warm_ones > 0;
    case Rule::colder:
      return warm_ones == 0;
  }
  return false;
}

bool is_correct(Question question, std::span<const Token> reply) {
  const Token right = number_tokens[question.a + question.b];
  return std::ranges::count(reply, right) > 0 &&
         std::ranges::none_of(reply, [&](Token t) { return number_tokens.contains(t) && t != right; });
}

std::vector<Token> model_reply(Question question, std::span<const Rule> told, RandomStream& random) {
  std::vector<Token> reply = tokens_around(told, random);
  const int before = geometric(earlier, reply.size(), random);
  reply.insert(reply.begin() + before, {equals_token, number_tokens[question.a + question.b]});
  reply.push_back(end_token);
  return reply;
}

namespace {

User draw_user(RandomStream& random) {
  User user;
  user.topic = random.below(topics);
  return user;
}
Rule draw_rule(RandomStream& random) { return static_cast<Rule>(random.below(rules)); }

Lesson tool_lesson(const User& user, RandomStream& random) {
  Lesson lesson{.prompt = tool_prompt(user, random), .reply = {ok_token}};
  for (int n = geometric(more, most_around, random); n > 0; --n) lesson.reply.push_back(any(filler_tokens, random));
  lesson.reply.push_back(end_token);
  return lesson;
}

Lesson side_lesson(const User& user, RandomStream& random) {
  const SideTurn side = side_turn(user, random);
  return {side.prompt, model_reply(side.question, {}, random)};
}

// A conversation with replies of an untrained policy, up to a turn drawn at random. In 0.4 of them a hint follows, most
// often about the user's first rule, sometimes an irrelevant one.
Lesson conversation_lesson(User user, RandomStream& random) {
  user.rules.push_back(draw_rule(random));
  if (random.uniform() < 0.3) {
    const Rule second = draw_rule(random);
    if (second != user.rules[0] && second != opposite(user.rules[0])) user.rules.push_back(second);
  }
  const UserBehaviour behaviour;
  Conversation conversation(user, behaviour, random);
  std::vector<Rule> told;
  for (auto turn = random.below(4); turn > 0; --turn) {
    const Reaction reaction = conversation.react(model_reply(conversation.question(), told, random), random);
    if (reaction.said) told.push_back(*reaction.said);
    if (conversation.done()) {
      conversation = Conversation(user, behaviour, random);
      told.clear();
    }
  }
  Lesson lesson{.prompt = conversation.prompt(), .reply = {}};
  if (random.uniform() < 0.4) {
    const Rule rule = random.uniform() < 0.8 ? user.rules[0] : draw_rule(random);
    const bool irrelevant = random.uniform() < 0.1;
    const Token hint = irrelevant ? weather_token : token_of(rule);
    lesson.prompt = Conversation::hinted(lesson.prompt, {&hint, 1});
    if (!irrelevant) told.push_back(rule);
  }
  lesson.reply = model_reply(conversation.question(), told, random);
  return lesson;
}

}  // namespace

Lesson lesson(RandomStream& random) {
  const User user = draw_user(random);
  const double kind = random.uniform();
  if (kind < 0.05) return tool_lesson(user, random);
  if (kind < 0.15) return side_lesson(user, random);
  return conversation_lesson(user, random);
}

}  // namespace shoal::talk
