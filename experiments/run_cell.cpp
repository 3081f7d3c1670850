#include "experiments/run_cell.hpp"

#include <chrono>
#include <cmath>
#include <optional>

#include "sim/digest.hpp"
#include "sim/record/from_round.hpp"
#include "sim/round/personal.hpp"

namespace shoal {
namespace {

constexpr std::int64_t rounds_between_comparisons = 50;

// Ranks compute the same model from the same sums. That they do is the promise everything rests on, so it is checked.
void compare_models(const at::Tensor& params, std::int64_t round, Communicator& comm) {
  const std::string mine = digest(params);
  const auto bytes = std::as_bytes(std::span(mine));
  for (const Bytes& theirs : comm.gather_all(Bytes(bytes.begin(), bytes.end()))) {
    ensure(std::ranges::equal(theirs, bytes), "ranks disagree about the model after round {}: rank {} has {}", round,
           comm.rank(), mine);
  }
}

// Everything that the result hash covers: rounds, participations and the final model, no wall time.
class ResultHash {
 public:
  void add(const RoundRow& row, std::span<const ParticipationRow> participations) {
    digest_.add(std::as_bytes(std::span(&row, 1))).add(std::as_bytes(participations));
  }
  std::string finish(const at::Tensor& params) { return digest_.add(digest(params)).hex(); }

 private:
  Digest digest_;
};

void count(CellResult& result, const RoundRow& row, double target) {
  result.rounds = row.round;
  result.bytes_down += row.bytes_down;
  result.bytes_up += row.bytes_up;
  result.dropped += row.dropped;
  result.rejected += row.rejected;
  if (std::isnan(row.accuracy) && std::isnan(row.loss)) return;
  result.final_accuracy = row.accuracy;
  result.final_loss = row.loss;
  result.best_accuracy = std::fmax(result.best_accuracy, row.accuracy);
  if (target > 0 && row.accuracy >= target && result.rounds_to_target < 0) {
    result.rounds_to_target = row.round;
    result.time_to_target_us = row.time_us;
  }
}

}  // namespace

CellResult run_cell(const Cell& cell, const Experiment& experiment, Communicator& comm, int threads,
                    const CellRecording& recording) {
  const auto begin = std::chrono::steady_clock::now();
  const Federation& federation = experiment.federation;
  FederationState state(federation, comm.size(), comm.rank());
  Crew crew(*federation.task, threads);

  std::optional<CellJournal> journal;
  if (comm.rank() == 0) {
    CellHeader header{.index = cell.index,
                      .label = cell.label,
                      .seed = cell.seed,
                      .config = cell.settings.canonical(),
                      .provenance = recording.provenance};
    header.provenance["data"] = experiment.data_digest;
    header.provenance["reproducible"] = federation.aggregator->reproducible() ? "yes" : "no (float sum)";
    journal.emplace(recording.journal, header);
  }

  CellResult result{.status = "finished"};
  ResultHash hash;
  while (state.round < experiment.rounds && result.status == "finished") {
    const RoundRecord record = run_round(federation, state, comm, crew);
    RoundRow row = round_row(record);
    const bool due = record.round % experiment.evaluate_every == 0 || record.round == experiment.rounds;
    if (due && !record.diverged) {
      const Evaluation seen = evaluate(state.strategy.params(), experiment.evaluate_on, *federation.task, comm, crew);
      row.accuracy = seen.accuracy();
      row.loss = seen.mean_loss();
      if (experiment.personal_clients > 0) {
        const PersonalEvaluation own =
            evaluate_personal(federation, state, experiment.evaluate_on, experiment.personal_clients, comm, crew);
        row.personal_accuracy = own.accuracy;
        row.personal_accuracy_p10 = own.accuracy_p10;
        row.personal_loss = own.loss;
      }
    }
    if (record.round % rounds_between_comparisons == 0 && comm.size() > 1 && federation.aggregator->reproducible()) {
      compare_models(state.strategy.params(), record.round, comm);
    }
    const std::vector<ParticipationRow> participations = participation_rows(record);
    hash.add(row, participations);
    if (journal) journal->round(row, participations);
    count(result, row, experiment.target);
    if (record.diverged) result.status = "diverged";
    if (experiment.stop_at_target && result.rounds_to_target >= 0) result.status = "target reached";
    if (recording.progress) recording.progress->round(row);
  }

  result.hash = hash.finish(state.strategy.params());
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (journal) journal->finish(result, model_parameters(federation.task->layout(), state.strategy.params()));
  if (recording.progress) recording.progress->finish(result.status);
  return result;
}

}  // namespace shoal
