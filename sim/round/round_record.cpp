#include "sim/round/round_record.hpp"

#include <cmath>

#include "sim/round/plan_round.hpp"
#include "sim/round/probe.hpp"

namespace shoal {
namespace {

ClientRow row_of(const Participation& p, const ClientFigures& figures, const World& world) {
  const auto [down, up] = world.protocol_bytes(p);
  ClientRow row{.participation = p,
                .figures = figures,
                .bytes_down = world.bytes_down(p.client) + down,
                .joules = world.joules(p),
                .tier = world.population.device(p.client).tier};
  row.figures.bytes_up += up;
  return row;
}

ClientRow committed_row(const Participation& p, const Commit& commit, const ClientFigures& figures,
                        const World& world) {
  ClientRow row = row_of(p, figures, world);
  row.committed = true;
  row.weight = commit.weight;
  return row;
}

// A client that has sent its update has done all of its work even if it is not committed because it is late, the round
// is abandoned, or it drops out in a phase after the upload.
ClientRow dropout_row(const Participation& p, const World& world) {
  ClientFigures planned;
  if (world.has_ended(p, upload_number)) {
    planned.steps = world.local.local_steps(world.task.work(p.client).examples, p.fraction);
    planned.bytes_up = world.bytes_sent(p.client);
  }
  return row_of(p, planned, world);
}

}  // namespace

void add_figures(RoundRecord& record, std::vector<std::string> names) {
  record.figures = std::move(names);
  for (std::size_t i = 0; i < record.figures.size(); ++i) {
    double sum = 0;
    std::int64_t measured = 0;
    for (const ClientRow& row : record.clients) {
      if (!row.figures.accepted || std::isnan(row.figures.figures.at(i))) continue;
      sum += row.figures.figures[i];
      ++measured;
    }
    if (measured > 0) record.measures["train_" + record.figures[i]] = sum / measured;
  }
}

RoundRecord describe_round(const PlannedRound& round, std::span<const ClientFigures> figures) {
  const RoundPlan& plan = round.plan;
  const World& world = round.world;
  RoundRecord record{.round = world.round,
                     .time = plan.time,
                     .verdict = plan.verdict,
                     .started = std::ssize(plan.starts),
                     .dropouts = std::ssize(plan.dropouts),
                     .reason = round.reason};
  double loss = 0;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    record.clients.push_back(committed_row(round.committed[i], plan.commits[i], figures[i], world));
    if (figures[i].accepted) {
      record.examples += figures[i].examples;
      ++record.committed;
      loss += figures[i].loss;
    } else {
      ++record.rejected;
    }
  }
  record.train_loss = loss / record.committed;
  add_figures(record, world.task.figures());
  for (const Participation& p : round.dropouts) record.clients.push_back(dropout_row(p, world));

  // Downloads count in the round in which they start, all other traffic in the round in which the participation ends.
  record.bytes_down = downloaded_bytes(world, plan.starts);
  for (const ClientRow& row : record.clients) {
    record.bytes_down += row.bytes_down - world.bytes_down(row.participation.client);
    record.bytes_up += row.figures.bytes_up;
  }
  return record;
}

}  // namespace shoal
