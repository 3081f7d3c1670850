#include "sim/clients/consent.hpp"

#include <cmath>

namespace shoal {
namespace {

// FNV-1a to 32 bits, the width of a stream's index; index 0 belongs to the general opt-in.
std::int64_t hashed(const std::string& name) {
  std::uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return std::max<std::int64_t>(1, hash);
}

}  // namespace

Consent::Consent(const Settings& s, std::uint64_t seed)
    : key_(random_key(seed, "clients/consent")),
      general_(s.number("general", 1, "share of clients that have agreed to take part at all", between(0, 1))),
      task_(s.number("task", 1, "share of those that have agreed to this task", between(0, 1))),
      withdrawals_(s.number("withdrawals", 0, "rate at which a client withdraws, per day", between(0, 1e6))),
      purpose_(hashed(s.text("purpose", "task", "name of the task; clients agree to each name independently"))) {}

Stretch Consent::at(const Who& who, Ticks time) const {
  if (general_ < 1 && who.draws(key_).uniform() >= general_) return {false, never};
  RandomStream own = who.draws(key_, purpose_);
  if (own.uniform() >= task_) return {false, never};
  if (withdrawals_ == 0) return {true, never};
  const Ticks end = ticks(-std::log(1 - own.uniform()) / withdrawals_ * 86400);
  return time < end ? Stretch{true, end} : Stretch{false, never};
}

}  // namespace shoal
