#include "experiments/run_cell.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include "experiments/device.hpp"
#include "sim/comm/device_comm.hpp"
#include "sim/digest.hpp"
#include "sim/record/checkpoint.hpp"
#include "sim/record/from_round.hpp"
#include "sim/record/packing.hpp"
#include "sim/record/totals.hpp"
#include "sim/round/personal.hpp"
#include "sim/round/run_round.hpp"

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

CellHeader header_of(const Cell& cell, const Experiment& experiment, const CellRecording& recording,
                     Communicator& comm) {
  CellHeader header{.index = cell.index,
                    .label = cell.label,
                    .seed = cell.seed,
                    .config = cell.settings.canonical(),
                    .provenance = recording.provenance};
  header.provenance["data"] = experiment.data_digest;
  header.provenance["clients"] = std::to_string(experiment.federation.task->clients());
  header.provenance["cell ranks"] = std::to_string(comm.size());
  const at::Device device = experiment.federation.task->layout().device;
  header.provenance["device"] = device_name(device);
  if (device.is_cuda()) header.provenance["device_data"] = comm.device().name();
  const LocalSettings local = experiment.federation.local->at(1);
  header.provenance["block"] = std::to_string(local.block);
  header.provenance["block form"] = name(local.form);
  header.provenance["reproducible"] = experiment.federation.aggregator->reproducible() ? "yes" : "no (float sum)";
  return header;
}

// Another device gives other bits.
void check_device(const CellHeader& earlier, const Experiment& experiment, const std::string& journal) {
  const auto was = earlier.provenance.find("device");
  const std::string is = device_name(experiment.federation.task->layout().device);
  if (was == earlier.provenance.end() || was->second == is) return;
  user_error("{}: was begun on another device ({}; here {}). Resume on the same, or discard it with --anew?", journal,
             was->second, is);
}

// A cell on its way: what run_cell changes besides the engine's state.
struct Progression {
  CellResult result{.status = "finished"};
  ResultHash hash;
  std::optional<CellJournal> journal;  // at the group's first rank
};

// Rounds that an earlier process did count as if this one had done them; the engine's state comes from the newest
// checkpoint, and rows behind it are cut. Collective.
void go_on(Progression& to, FederationState& state, const Experiment& experiment, Communicator& comm,
           const CellRecording& recording) {
  CellContents earlier;
  if (comm.rank() == 0) {
    earlier = read_cell(recording.journal);
    check_device(earlier.header, experiment, recording.journal);
  }
  const Resumed resumed = read_checkpoint(recording.journal, earlier.length, state, comm);
  if (comm.rank() == 0) {
    for (const std::string& damage : resumed.damaged)
      fmt::print(stderr, "shoal: {}; an earlier state is used\n", damage);
    if (resumed.journal_length) to.journal.emplace(CellJournal::resume(recording.journal, *resumed.journal_length));
  }
  // Every rank needs the rows for the result, which is the same on each.
  Packer rows;
  rows.array(std::span<const RoundRow>(earlier.rounds))
      .array(std::span<const ParticipationRow>(earlier.participations));
  Bytes bytes(rows.bytes().begin(), rows.bytes().end());
  comm.broadcast(bytes, 0);
  Unpacker unpacker(bytes, recording.journal);
  const auto rounds = unpacker.array<RoundRow>();
  const auto participations = unpacker.array<ParticipationRow>();
  auto first = participations.begin();
  for (const RoundRow& row : rounds) {
    if (row.round > state.round) break;
    const auto last = std::find_if(first, participations.end(), [&](const auto& p) { return p.round != row.round; });
    to.hash.add(row, {first, last});
    add_round(to.result, row, experiment.target);
    first = last;
  }
}

void save(Progression& progression, const FederationState& state, Communicator& comm, const CellRecording& recording) {
  if (progression.journal) progression.journal->sync();
  write_checkpoint(recording.journal, state, progression.journal ? progression.journal->length() : 0, comm);
  if (comm.rank() == 0) recording.saved();
}

}  // namespace

std::optional<BlockChoice> settled_block(const CellHeader& header) {
  const auto clients = header.provenance.find("block"), form = header.provenance.find("block form");
  if (clients == header.provenance.end() || form == header.provenance.end()) return {};
  return BlockChoice{std::stoll(clients->second), block_form(form->second, "provenance")};
}

CellResult run_cell(const Cell& cell, const Experiment& experiment, Communicator& comm, int threads,
                    Interruption& interruption, const CellRecording& recording) {
  const auto begin = std::chrono::steady_clock::now();
  const Federation& federation = experiment.federation;
  FederationState state(federation, comm.size(), comm.rank());
  Trainers trainers(*federation.task, threads);
  Progression on;
  CellResult& result = on.result;
  if (recording.resume) go_on(on, state, experiment, comm, recording);
  if (comm.rank() == 0 && !on.journal) {
    remove_checkpoints(recording.journal);
    on.journal.emplace(recording.journal, header_of(cell, experiment, recording, comm));
  }

  while (state.round < experiment.rounds && result.status == "finished") {
    const RoundRecord record = run_round(federation, state, comm, trainers);
    RoundRow row = round_row(record);
    const bool due = record.round % experiment.evaluate_every == 0 || record.round == experiment.rounds;
    if (due && !record.diverged) {
      const Evaluation seen =
          evaluate(state.strategy.params(), experiment.evaluate_on, *federation.task, comm, trainers);
      row.accuracy = seen.accuracy();
      row.loss = seen.mean_loss();
      if (experiment.personal_clients > 0) {
        const PersonalEvaluation own =
            evaluate_personal(federation, state, experiment.evaluate_on, experiment.personal_clients, comm, trainers);
        row.personal_accuracy = own.accuracy;
        row.personal_accuracy_p10 = own.accuracy_p10;
        row.personal_loss = own.loss;
      }
    }
    if (record.round % rounds_between_comparisons == 0 && comm.size() > 1 && federation.aggregator->reproducible()) {
      compare_models(state.strategy.params(), record.round, comm);
    }
    const std::vector<ParticipationRow> participations = participation_rows(record);
    on.hash.add(row, participations);
    if (on.journal) on.journal->round(row, participations);
    add_round(result, row, experiment.target);
    if (record.diverged) result.status = "diverged";
    if (experiment.stop_at_target && result.rounds_to_target >= 0) result.status = "target reached";
    if (recording.progress) recording.progress->round(row);

    const Action action = interruption.next(comm);
    if (result.status != "finished" || state.round == experiment.rounds) continue;
    if (action != Action::go_on) save(on, state, comm, recording);
    if (action == Action::save_and_stop) result.status = stopped;
  }

  result.hash = on.hash.finish(state.strategy.params());
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (on.journal && result.status != stopped) {
    on.journal->finish(result, model_parameters(federation.task->layout(), state.strategy.params()));
    on.journal->sync();
    remove_checkpoints(recording.journal);
  }
  if (recording.progress) recording.progress->finish(result.status);
  return result;
}

}  // namespace shoal
