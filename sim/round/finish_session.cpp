#include "sim/round/finish_session.hpp"

#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace shoal {
namespace {

// The rules' sections, and the scores that they may read and set: the server's own, or copies.
struct RuleStates {
  std::vector<State*> sections;
  Board* board;
};

// The rules of a federation in one round, for the rows of one group.
class Rules {
 public:
  Rules(const Federation& federation, FederationState& state, std::int32_t group, const at::Tensor& reference,
        Communicator& comm, Trainers& trainers)
      : federation_(federation), round_(state.round), reference_(reference) {
    for (const auto& rule : federation.rules) {
      sections_.push_back(section_of_group(federation.section_of(*rule), group));
    }
    evaluate_ = [&](const at::Tensor& params, std::string_view set) {
      return evaluate(params, set, *federation.task, comm, trainers);
    };
  }

  RuleStates states(FederationState& state) const {
    RuleStates own{.board = &state.board};
    for (const std::string& section : sections_) own.sections.push_back(&state.section(section));
    return own;
  }

  void apply(RowSet& rows, const RuleStates& states) const {
    for (std::size_t r = 0; r < sections_.size(); ++r) {
      const Rule& rule = *federation_.rules[r];
      const std::vector<ClientId> clients(rows.clients().begin(), rows.clients().end());
      std::vector<double> evidence(clients.size(), std::numeric_limits<double>::quiet_NaN());
      rule.apply(rows, *states.sections[r],
                 {.round = round_,
                  .key = round_key(federation_, sections_[r], round_),
                  .reference = rule.wants_reference() ? &reference_ : nullptr,
                  .board = states.board,
                  .evidence = evidence,
                  .evaluate = evaluate_});
      for (std::size_t i = 0; i < clients.size(); ++i) {
        if (std::isfinite(evidence[i])) states.board->set(rule.name(), clients[i], evidence[i]);
      }
    }
  }

  // The aggregate of the rows if nothing that lasts may change.
  at::Tensor apply_to_copies(RowSet rows, const FederationState& state) const {
    std::vector<State> copies;
    for (const std::string& section : sections_) {
      copies.push_back(state.section(section));
      for (auto& [name, tensor] : copies.back().tensors()) tensor = tensor.clone();
    }
    Board board = state.board;
    RuleStates states{.board = &board};
    for (State& copy : copies) states.sections.push_back(&copy);
    apply(rows, states);
    return rows.mean();
  }

 private:
  const Federation& federation_;
  std::int64_t round_;
  const at::Tensor& reference_;
  std::vector<std::string> sections_;
  std::function<Evaluation(const at::Tensor&, std::string_view)> evaluate_;
};

// The numbers of the rows that malicious clients have sent.
std::vector<std::int64_t> malicious_rows(const RowSet& rows, const AggregationPlan& session, const Attack& attack) {
  std::vector<Participation> senders;
  for (const ParticipationId id : rows.ids()) {
    const auto sender = std::ranges::lower_bound(session.cohort, id, {}, &Participation::id);
    ensure(sender != session.cohort.end() && sender->id == id, "a row of participation {} outside the session",
           value(id));
    senders.push_back(*sender);
  }
  return malicious_among(senders, attack);
}

// Fills in the means of the channels that are in the rows, from the rows' mean, and the weights `totals`.
void fill_means(Aggregate& aggregate, const at::Tensor& mean, std::span<const double> totals,
                const AggregationPlan& session) {
  std::int64_t begin = 0;
  std::size_t in_rows = 0;  // number of the channel among those in the rows
  for (std::size_t c = 0; c < session.wires.size(); ++c) {
    if (aggregate.means[c].defined()) continue;
    const std::int64_t size = session.wires[c].channel.size;
    aggregate.means[c] = mean.narrow(0, begin, size).to(session.device, /*non_blocking=*/false, /*copy=*/true);
    aggregate.weights[c] = totals[in_rows++];
    begin += size;
  }
  ensure(begin == mean.numel(), "rows of {} values for channels of {}", mean.numel(), begin);
}

// Lets the attack and the rules change the rows of one group; the mean of the rows that are left completes its
// aggregate.
void finish_group(RowSet& rows, std::int32_t group, Aggregate& aggregate, const PlannedRound& round,
                  const Federation& federation, FederationState& state, const at::Tensor& reference, Communicator& comm,
                  Trainers& trainers) {
  std::vector<double> totals;
  for (std::size_t c = 0; c < rows.channels(); ++c) {
    totals.push_back(std::accumulate(rows.weights(c).begin(), rows.weights(c).end(), 0.0));
  }
  if (rows.count() > 0) {
    const Rules rules(federation, state, group, reference, comm, trainers);
    if (federation.attack != nullptr && federation.attack->wants_rows()) {
      const std::string section = section_of_group(federation.section_of(*federation.attack), group);
      AttackContext context{.round = state.round, .key = round_key(federation, section, state.round)};
      if (!federation.rules.empty()) {
        context.defend = [&](const RowSet& sent) { return rules.apply_to_copies(sent, state); };
      }
      federation.attack->craft(rows, malicious_rows(rows, round.session, *federation.attack), state.section(section),
                               context);
    }
    rules.apply(rows, rules.states(state));
  }
  fill_means(aggregate, rows.mean(), totals, round.session);
}

}  // namespace

SessionResult finish_session(Collector& collector, const PlannedRound& round, const Federation& federation,
                             FederationState& state, Communicator& comm, Trainers& trainers,
                             const at::Tensor& reference) {
  if (round.plan.verdict == Verdict::abandoned) return {};
  if (reference.defined() && !at::isfinite(reference).all().item<bool>()) {
    return {.groups = {}, .aborted = "the update on examples of the server is not finite"};
  }
  State& own = state.section(federation.section_of(*federation.aggregator));
  Intake intake = collector.finish(comm, trainers.pool(), own);
  SessionResult result{.groups = std::move(intake.sums), .aborted = std::move(intake.aborted)};
  if (!intake.rows || !result.aborted.empty()) return result;

  for (std::size_t g = 0; g < result.groups.size(); ++g) {
    const auto group = static_cast<std::int32_t>(g);
    RowSet own = result.groups.size() == 1 ? std::move(*intake.rows) : intake.rows->of_group(group);
    finish_group(own, group, result.groups[g], round, federation, state, reference, comm, trainers);
    if (federation.strategy->wants_rows()) result.rows.push_back(std::move(own));
  }
  return result;
}

}  // namespace shoal
