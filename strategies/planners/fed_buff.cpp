// FedBuff: asynchronous. `concurrency` clients train at any time; when `buffer` updates have arrived, the server makes
// a step with them, each weighted by 1 / (1 + staleness)^exponent. Nguyen et al., AISTATS 2022 (arXiv 2106.06639). The
// paper divides the weighted sum by the number of updates, so that stale ones make a smaller step; with normalise =
// "weights" it is a weighted mean. refill = "at_once" is the paper's protocol, with a mean staleness of (concurrency -
// 1) / buffer; "at_step" starts clients only after a server step, concurrency / buffer - 1 (Little's law); with buffer
// = concurrency that is the synchronous protocol. Then a step has fewer updates when all that ran were lost. Updates
// count alike in the paper: say aggregator.weights = "uniform" for strategies that weight by examples.

#include <cmath>
#include <tuple>

#include "strategies/planners/start.hpp"

namespace shoal::planners {
namespace {

constexpr std::int64_t most_losses = 1'000'000;  // in one server step

// Ends of participations in their total order: time, kind (arrivals before losses), client, participation.
struct Earlier {
  bool operator()(const Participation& a, const Participation& b) const { return key(a) < key(b); }
  static std::tuple<Ticks, bool, ClientId, ParticipationId> key(const Participation& p) {
    return {p.finish, p.outcome != Outcome::completes, p.client, p.id};
  }
};

class FedBuff final : public Planner {
 public:
  explicit FedBuff(const Settings& s)
      : concurrency_(s.integer("concurrency", 10, "clients that train at any time", at_least(1))),
        buffer_(s.integer("buffer", 10, "updates that make a server step", at_least(1))),
        at_once_(s.choice("refill", "at_once", {"at_once", "at_step"},
                          "when another client starts: as soon as one ended, or after the server's step") == "at_once"),
        polynomial_(s.choice("staleness_weight", "polynomial", {"polynomial", "constant"},
                             "how an update's weight falls with its staleness") == "polynomial"),
        exponent_(s.number("exponent", 0.5, "of the polynomial weight", at_least(0))),
        max_staleness_(s.integer("max_staleness", 100,
                                 "server steps after which a client is told to stop; also bounds "
                                 "the model versions in memory to one more",
                                 at_least(0))),
        divisor_(s.choice("normalise", "clients", {"clients", "weights"},
                          "divide the sum by the clients' own weights, or with their staleness") == "clients"
                     ? Divisor::own_weights
                     : Divisor::committed_weights),
        drop_out_(s),
        where_(s.where()) {}

  void check(const Task& task, const Population&) const override {
    if (needed() > task.clients()) {
      user_error("{}: {} clients in flight or in the buffer (the population has {}). Lower 'concurrency'?", where_,
                 needed(), task.clients());
    }
    if (const std::int64_t able = count_able(task, needed()); able < needed()) {
      user_error("{}: {} clients in flight or in the buffer (of {} only {} have examples). Lower 'concurrency'?",
                 where_, needed(), task.clients(), able);
    }
    if (!at_once_ && buffer_ > concurrency_) {
      user_error("{}: a buffer of {} that {} clients cannot fill before the step. Lower 'buffer'?", where_, buffer_,
                 concurrency_);
    }
    if (at_once_ && drop_out_.probability() == 1) user_error("{}: no update ever arrives. Lower 'dropout'?", where_);
  }

  // What runs is World::in_flight, so the state is two counters: of starts and of draws. A client is busy from its
  // start to the step that uses its update.
  RoundPlan next(State& state, const World& world) const override {
    RoundPlan plan{.time = world.now, .divisor = divisor_};
    std::set<Participation, Earlier> running;
    std::set<ClientId> busy;
    const auto staleness = [&](const Participation& p) { return value(world.version) - value(p.version); };
    const auto refill = [&](Ticks now) {
      const std::int64_t missing = concurrency_ - std::ssize(running);
      World then = world;
      then.now = now;
      const std::vector<ClientId> drawn = draw_clients(missing, ++state.integer("draws"), then, busy);
      for (const ClientId client : drawn) {
        plan.starts.push_back(drop_out_.start(client, state, then));
        running.insert(plan.starts.back());
        busy.insert(client);
      }
    };

    for (const auto& [id, p] : world.in_flight) {
      if (staleness(p) > max_staleness_) {
        plan.losses.push_back(id);
      } else {
        running.insert(p);
        busy.insert(p.client);
      }
    }
    refill(world.now);
    // An arrival that fills the buffer is replaced in the next step, by a client that gets the new model.
    while (!running.empty() && std::ssize(plan.commits) < buffer_) {
      const Participation p = running.extract(running.begin()).value();
      plan.time = p.finish;
      if (p.outcome == Outcome::completes) {
        plan.commits.push_back({p.id, weight(staleness(p))});
      } else {
        plan.losses.push_back(p.id);
        busy.erase(p.client);
      }
      if (std::ssize(plan.losses) > most_losses) {
        user_error("{}: {} clients were lost before {} updates arrived. Lower 'dropout'?", where_, plan.losses.size(),
                   buffer_);
      }
      if (at_once_ && std::ssize(plan.commits) < buffer_) refill(plan.time);
    }
    if (plan.commits.empty()) plan.verdict = Verdict::abandoned;
    std::ranges::sort(plan.commits, {}, &Commit::id);
    std::ranges::sort(plan.losses);
    return plan;
  }

 private:
  std::int64_t needed() const { return at_once_ ? concurrency_ + buffer_ - 1 : concurrency_; }
  double weight(std::int64_t staleness) const {
    return polynomial_ ? std::pow(1 + static_cast<double>(staleness), -exponent_) : 1;
  }

  std::int64_t concurrency_, buffer_;
  bool at_once_, polynomial_;
  double exponent_;
  std::int64_t max_staleness_;
  Divisor divisor_;
  DropOut drop_out_;
  std::string where_;
};

}  // namespace

std::unique_ptr<Planner> fed_buff(Settings& settings) { return std::make_unique<FedBuff>(settings); }

}  // namespace shoal::planners
