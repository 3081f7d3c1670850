#pragma once
// A world of users with hidden rules that is small enough to compute by hand: ten tokens, replies of at most 24, three
// rules. Whether a reply satisfies a rule, and the probability of that, are exact.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "sim/agents/softmax.hpp"

namespace shoal::rule_world {

inline constexpr int vocabulary = 10;
inline constexpr int longest_reply = 24;
inline constexpr int floor_length = 15;
inline constexpr int users = 3;

/// Tokens with a meaning; 3 to 9 are content.
inline constexpr int format_token = 0, end_token = 1, warm_token = 2, content_token = 3;

/// Suppress: no format token. Floor: at least 15 tokens before the end. Add: at least one warm token. User u has rule
/// u.
enum class Rule : int { suppress = 0, floor = 1, add = 2 };

using Logits = std::array<double, vocabulary>;

/// log p of the untrained policy.
inline const Logits& base() {
  static const Logits values = [] {
    Logits p{0.15, 0.10, 0.01};
    std::fill(p.begin() + content_token, p.end(), 0.106);
    double sum = 0;
    for (const double x : p) sum += x;
    for (double& x : p) x = std::log(x / sum);
    return p;
  }();
  return values;
}

/// The vector that a rule in the context, or a hint about it, adds to the logits: 3 nats on its token.
inline Logits rule_vector(Rule rule) {
  Logits z{};
  if (rule == Rule::suppress) z[format_token] = -3;
  if (rule == Rule::floor) z[end_token] = -3;
  if (rule == Rule::add) z[warm_token] = 3;
  return z;
}

/// Tokens of one reply, the end token included where it was drawn.
struct Reply {
  std::array<std::uint8_t, vocabulary> counts{};
  int length() const {
    int sum = 0;
    for (const std::uint8_t n : counts) sum += n;
    return sum;
  }
};

inline bool satisfies(Rule rule, const Reply& reply) {
  if (rule == Rule::suppress) return reply.counts[format_token] == 0;
  if (rule == Rule::floor) return reply.length() - reply.counts[end_token] >= floor_length;
  return reply.counts[warm_token] > 0;
}

/// Probability that a reply with these token log-probabilities satisfies the rule.
inline double compliance(Rule rule, const Logits& log_p) {
  const double end = std::exp(log_p[end_token]);
  if (rule == Rule::floor) return std::pow(1 - end, floor_length);
  // A token of interest before the end or within the longest reply: geometric series.
  const double wanted = std::exp(log_p[rule == Rule::suppress ? format_token : warm_token]);
  const double hit = wanted / (wanted + end) * (1 - std::pow(1 - wanted - end, longest_reply));
  return rule == Rule::suppress ? 1 - hit : hit;
}

/// z minus the logarithm of the sum of its exponentials.
inline Logits log_softmax(Logits z) {
  shoal::log_softmax(z);
  return z;
}

}  // namespace shoal::rule_world
