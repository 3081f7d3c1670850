#pragma once
// The small language of simulated users and policies: its tokens, rules that replies can satisfy, and the replies of a
// model that knows the language but no user's preferences. Questions are sums of two digits; preferences are rules
// about the form of a reply. Both can be checked exactly, so the truth about every reply is known.

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/agents/policy.hpp"

namespace shoal::talk {

inline constexpr int vocabulary = 64;
inline constexpr int longest_reply = 20;  // tokens
inline constexpr int context = 64;        // largest number of tokens of a prompt and its reply together
inline constexpr int long_reply = 10;     // tokens before the end that Rule::longer asks for
inline constexpr int short_reply = 4;     // tokens before the end that Rule::shorter allows

inline constexpr Token end_token = 0, user_token = 1, agent_token = 2, tool_token = 3;
inline constexpr Token hint_token = 4;  // opens a hint
inline constexpr Token again_token = 5, wrong_token = 6, thanks_token = 7;
inline constexpr Token weather_token = 14;  // an irrelevant hint
inline constexpr Token plus_token = 15, equals_token = 16;
inline constexpr Token bold_token = 17;  // the format mark
inline constexpr Token ok_token = 20, error_token = 21;
inline constexpr Token note_token = 22;  // opens a side turn, in which the agent writes to itself

/// Consecutive tokens of one kind.
struct TokenRange {
  Token first;
  int size;

  constexpr Token operator[](int i) const { return first + i; }
  constexpr bool contains(Token t) const { return t >= first && t < first + size; }
};
inline constexpr TokenRange rule_tokens{8, 6};  // in the order of Rule; used in corrections and hints
inline constexpr TokenRange warm_tokens{18, 2}, topic_tokens{23, 8};
inline constexpr TokenRange number_tokens{31, 19};  // 0 to 18
inline constexpr TokenRange filler_tokens{50, 14};
static_assert(filler_tokens[filler_tokens.size] == vocabulary);
inline constexpr int topics = topic_tokens.size, rules = rule_tokens.size;

std::string_view text(Token token);
std::string text(std::span<const Token> tokens);

/// A preference of users about replies. Each has its opposite, so users who share a policy can disagree.
enum class Rule : std::int8_t {
  plain,    // no format mark ("Suppress")
  longer,   // at least `long_reply` tokens ("Floor")
  warmer,   // at least one warm token ("Add")
  bolder,   // at least one format mark
  shorter,  // at most `short_reply` tokens
  colder,   // no warm token
};

constexpr Token token_of(Rule rule) { return rule_tokens[static_cast<int>(rule)]; }
constexpr Rule opposite(Rule rule) { return static_cast<Rule>((static_cast<int>(rule) + rules / 2) % rules); }
bool satisfies(Rule rule, std::span<const Token> reply);

/// One sum of two digits.
struct Question {
  int a = 0, b = 0;
};
/// True if the reply has the answer and no other number.
bool is_correct(Question question, std::span<const Token> reply);

/// A reply drawn from the language: fillers, marks and an occasional warm token around "= answer", and what the rules
/// in `told` ask for. Without rules a reply is plain, longer or warmer with probability near 0.4, 0.2 and 0.1, as in
/// the study `rules` (arXiv 2603.10165 gives no figures). Of two rules that contradict each other the later
/// counts.
std::vector<Token> model_reply(Question question, std::span<const Rule> told, RandomStream& random);

/// An example for pretraining. The prompt is a conversation up to and including "agent:": topic and question, often a
/// reply that failed and a correction, or a hint.
struct Lesson {
  std::vector<Token> prompt, reply;
};
Lesson lesson(RandomStream& random);

}  // namespace shoal::talk
