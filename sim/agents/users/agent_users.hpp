#pragma once
// The simulated users of a federation, and how non-IID they are.

#include <array>

#include "sim/agents/users/conversation.hpp"

namespace shoal {

/// Users by number, each a function of the seed and the number. Topics are uniform, tastes non-IID: every topic has its
/// own proportions of the tastes plain, longer and warmer, drawn from a Dirichlet distribution, and its users draw
/// their tastes from these. Users in conflict want the opposite of what they drew, so that no one reply to the topic
/// can please all. The same random numbers are drawn under all settings, so users of two settings are paired.
class AgentUsers {
 public:
  static constexpr int tastes = talk::rules / 2;  // the other rules are their opposites

  AgentUsers(const Settings& s, std::uint64_t seed);

  talk::User user(std::int64_t number) const;
  /// Proportions of plain, longer and warmer among the users of a topic.
  const std::array<double, tastes>& proportions(int topic) const { return proportions_[topic]; }

 private:
  double concentration_, conflicts_, two_rules_;
  RandomKey key_;
  std::array<std::array<double, tastes>, talk::topics> proportions_{};
};

}  // namespace shoal
