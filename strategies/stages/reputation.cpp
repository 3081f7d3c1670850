// Reputation: clients whose updates the server keeps rejecting are never started again. Of each client, rejected
// updates (not finite, or beyond a channel's bound) count as bad and all others as good. With a Beta(prior, prior)
// belief about the probability that an update is good, a client is excluded as soon as that is below one half with the
// given certainty: I_1/2(prior + good, prior + bad) > certainty. The mechanism that blocks clients in AFA,
// Muñoz-González, Co and Lupu 2019 (arXiv 1909.05125); there, updates that point elsewhere than the others' are bad
// too.

#include <cmath>

#include "sim/round/stage.hpp"

namespace shoal::stages {
namespace {

// I_1/2(a, b): the probability of at least a heads among a + b - 1 tosses of a fair coin. The binomial coefficients are
// relative to the largest, so that no number of tosses overflows.
double below_one_half(std::int64_t a, std::int64_t b) {
  const std::int64_t tosses = a + b - 1, middle = tosses / 2;
  double all = 0, heads = 0;
  const auto add = [&](std::int64_t k, double ways) {
    all += ways;
    if (k >= a) heads += ways;
  };
  double ways = 1;
  for (std::int64_t k = middle; k <= tosses; ++k) {
    add(k, ways);
    ways *= 1.0 * (tosses - k) / (k + 1);
  }
  ways = 1;
  for (std::int64_t k = middle; k > 0; --k) {
    ways *= 1.0 * k / (tosses - k + 1);
    add(k - 1, ways);
  }
  return heads / all;
}

class Reputation final : public Stage {
 public:
  explicit Reputation(const Settings& s)
      : prior_(s.integer("prior", 3, "good and bad updates that a client begins with", between(1, 1000))),
        certainty_(s.number("certainty", 0.95, "of the judgement that more updates are bad than good",
                            between(0.5, 0.999999))) {}

  std::vector<std::string> notes(const Composition&) const override {
    std::int64_t bad = 1;
    while (!(below_one_half(prior_, prior_ + bad) > certainty_)) ++bad;
    return {fmt::format("reputation: a client is excluded after {} rejected updates in a row", bad)};
  }
  bool uses_feedback() const override { return true; }

  void observe(State& state, const ServerContext& context) const override {
    for (const Feedback& update : context.feedback) {
      const std::int64_t good = count(context, "good", update.client, update.accepted);
      const std::int64_t bad = count(context, "bad", update.client, !update.accepted);
      const bool is_excluded = context.board.score(Board::excluded, update.client) > 0;
      if (update.accepted || is_excluded || !(below_one_half(prior_ + good, prior_ + bad) > certainty_)) continue;
      context.board.set(Board::excluded, update.client, 1);
      ++state.integer("excluded");
    }
  }
  void report(const State& state, Measures& measures, Tables&) const override {
    measures["excluded"] = state.integer("excluded");
  }

 private:
  // The client's number of such updates, after one more if `one_more`.
  static std::int64_t count(const ServerContext& context, std::string_view name, ClientId client, bool one_more) {
    const std::string own = scoped(context.section, name);
    const std::int64_t number = std::llround(context.board.score(own, client)) + (one_more ? 1 : 0);
    if (one_more) context.board.set(own, client, number);
    return number;
  }

  std::int64_t prior_;
  double certainty_;
};

}  // namespace

std::unique_ptr<Stage> reputation(Settings& settings) { return std::make_unique<Reputation>(settings); }

}  // namespace shoal::stages
