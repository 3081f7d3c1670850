// Oort: prefers clients whose losses are high and whose devices are fast. A client's statistical utility is the number
// of its examples times the loss that it last reported; slow devices are penalised, those not seen for long are
// favoured, and a falling share of the cohort explores clients that have never reported. The pacer allows slower
// devices when the utility that rounds collect falls. Lai et al., OSDI 2021 (arXiv 2010.06081), algorithm 1; constants
// of its authors' code. The paper's root mean square of the examples' losses is the mean over local steps here;
// unexplored clients are drawn uniformly, not by speed. A client that has reported `blacklist` times is not chosen
// again, so that a few outliers do not dominate; as in the authors' code this excludes at most a share of all clients,
// those with the most reports.

#include <cmath>

#include "strategies/planners/shared/reports.hpp"

namespace shoal::planners {
namespace {

// A client that has reported, ascending by client in the state.
struct Explored {
  std::int64_t client;
  std::int64_t round;  // round of the last report
  double utility;
  std::int64_t reports;
};

// A quantile of at least one value, by nearest rank.
double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const std::int64_t rank = std::ceil(share * values.size() * (1 - 1e-12));  // 0.55 of 100 is 55
  return values[std::clamp<std::int64_t>(rank, 1, std::ssize(values)) - 1];
}

class Oort final : public Planner {
 public:
  explicit Oort(const Settings& s)
      : cohort_(s),
        factor_(s.number("factor", 1.3, "invited clients per place in the cohort; the first to report count",
                         between(1, 1e6))),
        penalty_(s.number("penalty", 2, "exponent of (preferred / predicted duration), the penalty of slower clients",
                          at_least(0))),
        exploration_(s.number("exploration", 0.9, "share of the first cohort that explores", between(0, 1))),
        decay_(s.number("exploration_decay", 0.98, "factor on that share in each round", between(0, 1))),
        floor_(s.number("exploration_floor", 0.2, "smallest share that explores", between(0, 1))),
        clip_(s.number("clip", 0.95, "quantile of utilities above which they count as that quantile", between(0, 1))),
        cut_off_(s.number("cut_off", 0.95, "share of the last place's score above which clients take part in the draw",
                          between(0, 1))),
        preferred_(s.number("preferred", 0.3, "quantile of the explored clients' durations that is preferred at first",
                            between(0, 1))),
        window_(s.integer("window", 20, "rounds whose utility the pacer compares with that of as many before",
                          at_least(1))),
        step_(s.number("pacer_step", 0.05, "amount that the pacer adds to the preferred quantile", between(0, 1))),
        blacklist_(
            s.integer("blacklist", 0, "reports after which a client is not chosen again; 0: no limit", at_least(0))),
        blacklist_share_(s.number("blacklist_share", 0.3, "largest share of all clients that 'blacklist' may exclude",
                                  between(0, 1))),
        dropout_(s) {}

  void check(const Composition& all) const override { cohort_.check(all.task, invited()); }

  bool uses_feedback() const override { return true; }
  RoundPlan next(State& state, World& world) const override {
    std::map<ClientId, Explored> explored;
    for (const Explored& e : kept<Explored>(state, "explored")) explored[ClientId{e.client}] = e;
    learn(explored, state, world);

    std::set<ClientId> busy = still_at_work(state, world.now);
    busy.merge(blacklisted(explored, world));
    const double share = std::max(floor_, exploration_ * std::pow(decay_, world.round - 1));
    const auto explorers = std::llround(share * invited());
    std::vector<ClientId> cohort = exploit(explored, invited() - explorers, busy, state, world);
    std::set<ClientId> taken = busy;
    taken.insert(cohort.begin(), cohort.end());
    const auto add = [&](const std::vector<ClientId>& clients) {
      cohort.insert(cohort.end(), clients.begin(), clients.end());
      taken.insert(clients.begin(), clients.end());
    };
    add(draw_such(invited() - std::ssize(cohort), world.round, world, taken,
                  [&](ClientId client) { return !explored.contains(client); }));
    // If too few clients are left to explore, the others fill the cohort.
    add(draw_clients(invited() - std::ssize(cohort), world.round, world, taken));
    std::vector<Participation> starts;
    for (const ClientId client : cohort) starts.push_back(dropout_.start(client, state, world));
    return commit_first(std::move(starts), {.goal = cohort_.size(), .minimum = cohort_.minimum()}, state, world);
  }

 private:
  std::int64_t invited() const { return std::ceil(factor_ * cohort_.size() * (1 - 1e-12)); }

  // Learns from the reports of the last round, and moves the pacer.
  void learn(std::map<ClientId, Explored>& explored, State& state, const World& world) const {
    if (world.round == 1) return;
    double collected = 0;
    for (const Feedback& back : world.feedback) {
      if (!back.accepted || !std::isfinite(back.loss)) continue;
      const double utility = world.task.work(back.client).examples * back.loss;
      const auto before = explored.find(back.client);
      const std::int64_t reports = before == explored.end() ? 0 : before->second.reports;
      explored[back.client] = {value(back.client), world.round - 1, utility, reports + 1};
      collected += utility;
    }
    std::vector<double> history = kept<double>(state, "collected");  // utility by round, at most two windows
    history.push_back(collected);
    if (std::ssize(history) == 2 * window_) {
      double before = 0, after = 0;
      for (std::int64_t r = 0; r < window_; ++r) {
        before += history[r];
        after += history[window_ + r];
      }
      if (before > after) ++state.integer("pacer steps");
      history.erase(history.begin(), history.begin() + window_);
    }
    keep(state, "collected", history);
    std::vector<Explored> all;
    for (const auto& [client, entry] : explored) all.push_back(entry);
    keep(state, "explored", all);
  }

  std::set<ClientId> blacklisted(const std::map<ClientId, Explored>& explored, const World& world) const {
    std::vector<std::pair<std::int64_t, ClientId>> out;  // most reports first
    for (const auto& [client, entry] : explored) {
      if (blacklist_ > 0 && entry.reports >= blacklist_) out.emplace_back(-entry.reports, client);
    }
    std::ranges::sort(out);
    const std::size_t most = std::floor(blacklist_share_ * world.task.clients());
    if (out.size() > most) out.resize(most);
    std::set<ClientId> clients;
    for (const auto& [reports, client] : out) clients.insert(client);
    return clients;
  }

  // Equation 1 of the paper with the incentive for clients not seen for long, in the order of `who`.
  std::vector<double> scores(const std::vector<Explored>& who, State& state, const World& world) const {
    std::vector<double> utilities, durations;
    for (const Explored& e : who) {
      utilities.push_back(e.utility);
      durations.push_back(seconds(world.duration(ClientId{e.client})));
    }
    const double most = quantile(utilities, clip_), lowest = std::ranges::min(utilities);
    const double least = lowest - 0.001 * std::fabs(lowest);  // every score is above 0
    const double range = std::max(std::ranges::max(utilities) - least, 1e-4);
    const double share = preferred_ + step_ * state.integer("pacer steps");
    const double preferred = quantile(durations, std::min(share, 1.0));
    std::vector<double> scores;
    for (std::size_t i = 0; i < who.size(); ++i) {
      double score =
          (std::min(utilities[i], most) - least) / range + std::sqrt(0.1 * std::log(world.round) / who[i].round);
      if (durations[i] > preferred) score *= std::pow(preferred / durations[i], penalty_);
      scores.push_back(score);
    }
    return scores;
  }

  // At most `count` of those that have reported: drawn in proportion to their scores among all that come near the score
  // of the last place. Without replacement: the smallest exponential waiting times at rates equal to the scores.
  std::vector<ClientId> exploit(const std::map<ClientId, Explored>& explored, std::int64_t count,
                                const std::set<ClientId>& busy, State& state, const World& world) const {
    std::vector<Explored> who;
    for (const auto& [client, entry] : explored) {
      if (!busy.contains(client)) who.push_back(entry);
    }
    count = std::min(count, std::ssize(who));
    if (count <= 0) return {};
    const std::vector<double> score = scores(who, state, world);
    std::vector<double> sorted = score;
    std::ranges::sort(sorted, std::greater<>{});
    const double threshold = cut_off_ * sorted[count - 1];
    const RandomKey key = random_key(world.seed, "planner/ranking");
    std::vector<std::pair<double, ClientId>> waiting;
    for (std::size_t i = 0; i < who.size(); ++i) {
      if (score[i] < threshold) continue;
      const double draw = -std::log(1 - RandomStream(key, who[i].client, world.round).uniform());
      waiting.emplace_back(draw / score[i], ClientId{who[i].client});
    }
    std::ranges::sort(waiting);
    waiting.resize(count);
    std::vector<ClientId> chosen;
    for (const auto& [time, client] : waiting) chosen.push_back(client);
    return chosen;
  }

  Cohort cohort_;
  double factor_, penalty_, exploration_, decay_, floor_, clip_, cut_off_, preferred_;
  std::int64_t window_;
  double step_;
  std::int64_t blacklist_;
  double blacklist_share_;
  Dropout dropout_;
};

}  // namespace

std::unique_ptr<Planner> oort(Settings& settings) { return std::make_unique<Oort>(settings); }

}  // namespace shoal::planners
