// Power-of-choice: of `candidates` clients, drawn in proportion to their examples, the `cohort` with the highest local
// loss at the newest model takes part. Cho, Wang and Joshi 2020 (arXiv 2010.01243), pow-d. Candidates download the
// model once and evaluate it on all their examples before the round's training starts, so the round is longer by the
// slowest candidate's download and forward pass. Candidates do not drop out before the training.

#include <cmath>

#include "strategies/planners/shared/reports.hpp"

namespace shoal::planners {
namespace {

class PowerOfChoice final : public Planner {
 public:
  explicit PowerOfChoice(const Settings& s)
      : cohort_(s),
        candidates_(s.integer("candidates", 20, "clients whose losses are compared", at_least(1))),
        by_examples_(s.choice("draw", true, {{"examples", true}, {"uniform", false}},
                              "draw candidates in proportion to their examples, or uniformly")),
        dropout_(s),
        where_(s.where()) {}

  void check(const Composition& all) const override {
    const Task& task = all.task;
    if (candidates_ < cohort_.size()) {
      user_error("{}: {} candidates for a cohort of {}. Raise 'candidates'.", where_, candidates_, cohort_.size());
    }
    Cohort::check_cohort(task, candidates_, where_, "candidates");
  }

  std::vector<ClientId> probe(State&, const World& world) const override {
    if (!by_examples_) return draw_clients(candidates_, world.round, world);
    // Without replacement, with probabilities proportional to weights: the smallest exponential waiting times at rates
    // equal to the weights (Efraimidis and Spirakis 2006). A larger population is first thinned uniformly to `pool`.
    const RandomKey key = random_key(world.seed, "planner/ranking");
    const std::int64_t pool = std::max<std::int64_t>(sample, 16 * candidates_);
    std::vector<std::pair<double, ClientId>> waiting;
    for (const ClientId client : draw_clients(pool, world.round, world)) {
      const double draw = -std::log(1 - RandomStream(key, value(client), world.round).uniform());
      waiting.emplace_back(draw / world.task.work(client).examples, client);
    }
    std::ranges::sort(waiting);
    std::vector<ClientId> drawn;
    for (const auto& [time, client] : waiting) {
      if (std::ssize(drawn) < candidates_) drawn.push_back(client);
    }
    return drawn;
  }

  bool uses_feedback() const override { return true; }
  RoundPlan next(State& state, World& world) const override {
    std::vector<Probe> ranked(world.probes.begin(), world.probes.end());
    World after = world;
    for (const Probe& probe : ranked) after.now = std::max(after.now, world.now + world.probe_duration(probe.client));
    after.downloads = false;  // candidates have the model already
    std::ranges::stable_sort(ranked, std::greater<>{}, &Probe::loss);
    ranked.resize(std::min<std::size_t>(ranked.size(), cohort_.size()));
    std::vector<Participation> starts;
    for (const Probe& probe : ranked) starts.push_back(dropout_.start(probe.client, state, after));
    return commit_first(std::move(starts), {.minimum = cohort_.minimum()}, state, after);
  }

 private:
  static constexpr std::int64_t sample = 10'000;

  Cohort cohort_;
  std::int64_t candidates_;
  bool by_examples_;
  Dropout dropout_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> power_of_choice(Settings& settings) { return std::make_unique<PowerOfChoice>(settings); }

}  // namespace shoal::planners
