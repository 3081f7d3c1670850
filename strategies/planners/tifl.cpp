// Tiers: clients are divided by their predicted duration into `tiers` of similar speed, and each round's cohort comes
// from one tier, so that no client waits for a much slower device. Chai et al., HPDC 2020 (arXiv 2001.09249). choice =
// "uniform" draws the tier with equal probability; "adaptive" (algorithm 2) prefers tiers on which the model is worse:
// when the current tier has not improved over `interval` rounds, tiers are ranked, and the worst of n gets n times the
// probability of the best; only tiers that have credits left are ranked. Each tier may be chosen `credits` times; when
// all are spent they are granted again. The paper evaluates the newest model on test data of each tier: here `probed`
// available clients of each tier download it and report its loss on their training examples before the round starts;
// probed = 0 takes the training loss of the tier's latest committed cohort instead, which costs nothing but is of older
// models. The profiling phase is left out, since durations are predicted: the tiers' bounds are quantiles over at most
// 10,000 clients in the first round.

#include <algorithm>
#include <cmath>
#include <limits>

#include "strategies/planners/shared/reports.hpp"
#include "strategies/planners/shared/typical_duration.hpp"

namespace shoal::planners {
namespace {

constexpr double unknown = std::numeric_limits<double>::infinity();

// The planner's record of one tier.
struct Tier {
  std::int64_t slowest;  // longest predicted duration of its clients, microseconds
  std::int64_t credits;
  double loss = unknown, loss_before = unknown;  // the latest, and that at the last comparison
  double probability;
};

class Tifl final : public Planner {
 public:
  explicit Tifl(const Settings& s)
      : cohort_(s),
        tiers_(s.integer("tiers", 5, "groups of clients of similar speed", between(1, 1000))),
        adaptive_(s.choice("choice", true, {{"adaptive", true}, {"uniform", false}}, "how a round's tier is chosen")),
        interval_(
            s.integer("interval", 20, "rounds from one comparison of the tiers' losses to the next", at_least(1))),
        credits_(s.integer("credits", 0,
                           "rounds that each tier may have until the credits of all are spent; 0: no limit",
                           at_least(0))),
        probed_(s.integer("probed", 10,
                          "clients of each tier that report their losses at the newest model in every comparison; "
                          "0: use the training losses of the tier's latest cohort",
                          at_least(0))),
        dropout_(s) {}

  void check(const Composition& all) const override { cohort_.check(all.task, cohort_.size()); }

  std::vector<ClientId> probe(State& state, const World& world) const override {
    if (!adaptive_ || probed_ == 0 || !compares_tiers(world)) return {};
    const std::vector<Tier> tiers = tiers_of(state, world);
    std::vector<ClientId> asked;
    for (std::size_t t = 0; t < tiers.size(); ++t) {
      const std::vector<ClientId> own = draw_of(t, probed_, tiers, world);
      asked.insert(asked.end(), own.begin(), own.end());
    }
    return asked;
  }

  bool uses_feedback() const override { return adaptive_; }
  RoundPlan next(State& state, World& world) const override {
    std::vector<Tier> tiers = tiers_of(state, world);
    std::int64_t& current = state.integer("tier");
    learn(tiers, current, world);
    current = choose(tiers, world);
    keep(state, "tiers", tiers);

    // The round starts when the last probe has answered.
    World then = world;
    for (const Probe& probe : world.probes) {
      then.now = std::max(then.now, world.now + world.probe_duration(probe.client));
    }
    std::vector<Participation> starts;
    for (const ClientId client : draw_of(current, cohort_.size(), tiers, world)) {
      starts.push_back(dropout_.start(client, state, then));
    }
    return commit_first(std::move(starts), {.minimum = cohort_.minimum()}, state, then);
  }

 private:
  static constexpr std::int64_t sample = 10'000;

  // The tiers are compared in the first round and then every `interval` rounds.
  bool compares_tiers(const World& world) const { return (world.round - 1) % interval_ == 0; }

  std::vector<Tier> tiers_of(State& state, const World& world) const {
    std::vector<Tier> tiers = kept<Tier>(state, "tiers");
    if (tiers.empty()) {
      tiers = divide(world);
      keep(state, "tiers", tiers);
    }
    return tiers;
  }

  static std::vector<ClientId> draw_of(std::size_t tier, std::int64_t count, const std::vector<Tier>& tiers,
                                       const World& world) {
    return draw_such(count, world.round, world, {}, [&](ClientId c) { return tier_of(c, tiers, world) == tier; });
  }

  std::vector<Tier> divide(const World& world) const {
    const std::vector<Ticks> durations = predicted_durations(sample, world);
    const auto count = std::ssize(durations);
    std::vector<Tier> tiers;
    for (std::int64_t t = 1; t <= tiers_; ++t) {
      const std::int64_t slowest = value(durations[(t * count + tiers_ - 1) / tiers_ - 1]);
      if (!tiers.empty() && tiers.back().slowest == slowest) continue;  // clients of equal speed are one tier
      tiers.push_back({.slowest = slowest, .credits = credits_, .probability = 0});
    }
    tiers.back().slowest = std::numeric_limits<std::int64_t>::max();
    for (Tier& tier : tiers) tier.probability = 1.0 / tiers.size();
    return tiers;
  }

  static std::size_t tier_of(ClientId client, const std::vector<Tier>& tiers, const World& world) {
    const std::int64_t duration = value(world.duration(client));
    return std::ranges::lower_bound(tiers, duration, {}, &Tier::slowest) - tiers.begin();
  }

  void learn(std::vector<Tier>& tiers, std::size_t current, const World& world) const {
    double sum = 0, count = 0;
    for (const Feedback& back : world.feedback) {
      if (!back.accepted || !std::isfinite(back.loss)) continue;
      sum += back.loss;
      ++count;
    }
    if (count > 0 && probed_ == 0) tiers[current].loss = sum / count;  // a round's cohort is of one tier
    take_probes(tiers, world);
    if (!adaptive_ || !compares_tiers(world)) return;
    if (world.round == 1) {  // nothing to compare with yet
      for (Tier& tier : tiers) tier.loss_before = tier.loss;
      return;
    }
    const bool has_improved = tiers[current].loss < tiers[current].loss_before;
    for (Tier& tier : tiers) tier.loss_before = tier.loss;
    if (has_improved) return;
    std::vector<std::size_t> order;  // best first, of those that can be chosen
    for (std::size_t t = 0; t < tiers.size(); ++t) {
      tiers[t].probability = 0;
      if (credits_ == 0 || tiers[t].credits > 0) order.push_back(t);
    }
    std::ranges::stable_sort(order, {}, [&](std::size_t t) { return tiers[t].loss; });
    const double n = order.size();
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      tiers[order[rank]].probability = (rank + 1) / (n * (n + 1) / 2);
    }
  }

  // Means over each tier's probed clients; a tier without any keeps the loss that it has.
  static void take_probes(std::vector<Tier>& tiers, const World& world) {
    std::vector<double> sums(tiers.size()), counts(tiers.size());
    for (const Probe& probe : world.probes) {
      if (!std::isfinite(probe.loss)) continue;
      const std::size_t tier = tier_of(probe.client, tiers, world);
      sums[tier] += probe.loss;
      ++counts[tier];
    }
    for (std::size_t t = 0; t < tiers.size(); ++t) {
      if (counts[t] > 0) tiers[t].loss = sums[t] / counts[t];
    }
  }

  std::int64_t choose(std::vector<Tier>& tiers, const World& world) const {
    if (credits_ > 0 && std::ranges::all_of(tiers, [](const Tier& tier) { return tier.credits == 0; })) {
      for (Tier& tier : tiers) tier.credits = credits_;
      // The latest ranking covers only the tiers that still had credits.
      for (Tier& tier : tiers) tier.probability = 1.0 / tiers.size();
    }
    double total = 0;
    const auto weight = [&](const Tier& tier) { return credits_ > 0 && tier.credits == 0 ? 0 : tier.probability; };
    for (const Tier& tier : tiers) total += weight(tier);
    double draw = total * RandomStream(random_key(world.seed, "planner/ranking"), -1, world.round).uniform();
    std::size_t chosen = 0, last = 0;
    for (; chosen < tiers.size(); ++chosen) {
      if (weight(tiers[chosen]) == 0) continue;
      last = chosen;
      draw -= weight(tiers[chosen]);
      if (draw < 0) break;
    }
    if (credits_ > 0) --tiers[last].credits;
    return last;
  }

  Cohort cohort_;
  std::int64_t tiers_;
  bool adaptive_;
  std::int64_t interval_, credits_, probed_;
  Dropout dropout_;
};

}  // namespace

std::unique_ptr<Planner> tifl(Settings& settings) { return std::make_unique<Tifl>(settings); }

}  // namespace shoal::planners
