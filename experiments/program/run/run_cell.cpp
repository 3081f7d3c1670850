#include "experiments/program/run/run_cell.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include "experiments/program/device.hpp"
#include "experiments/program/exit_codes.hpp"
#include "experiments/program/run/experiment.hpp"
#include "sim/comm/device_comm.hpp"
#include "sim/comm/gather_text.hpp"
#include "sim/digest.hpp"
#include "sim/files/packing.hpp"
#include "sim/random.hpp"
#include "sim/record/cell_hash.hpp"
#include "sim/record/checkpoint.hpp"
#include "sim/record/from_round.hpp"
#include "sim/record/totals.hpp"
#include "sim/record/visit_cell.hpp"

namespace shoal {
namespace {

constexpr std::int64_t rounds_between_comparisons = 50;

// Ranks compute the same model from the same sums. Every result relies on this, so it is checked.
void compare_models(const at::Tensor& params, std::int64_t round, Communicator& comm) {
  const std::string mine = digest(params);
  for (const std::string& theirs : gather_text(comm, mine)) {
    ensure(theirs == mine, "ranks disagree about the model after round {}: rank {} has {}", round, comm.rank(), mine);
  }
}

}  // namespace

CellHeader header_of(const Cell& cell, const Process& process, const CellRecording& recording, Communicator& comm) {
  CellHeader header{.index = cell.index,
                    .label = cell.label,
                    .seed = cell.seed,
                    .config = cell.settings.canonical(),
                    .provenance = recording.provenance};
  header.provenance.merge(process.provenance());
  header.provenance["cell ranks"] = std::to_string(comm.size());
  header.provenance["device"] = device_name(process.device());
  if (process.device().is_cuda()) header.provenance["device_data"] = comm.device().name();
  header.provenance["reproducible"] = process.reproducible() ? "yes" : "no (float sum)";
  return header;
}

namespace {

// Another device gives other bits.
void check_device(const CellHeader& earlier, const Process& process, const std::string& journal) {
  const auto was = earlier.provenance.find("device");
  const std::string is = device_name(process.device());
  if (was == earlier.provenance.end() || was->second == is) return;
  user_error("{}: was started on another device ({}; here {}). Resume it on the same, or discard it with --anew.",
             journal, was->second, is);
}

// A cell in progress: what run_cell changes besides the engine's state.
struct Progression {
  CellResult result{.status = "finished"};
  std::int64_t accepted = 0;  // updates
  CellHash hash;
  std::optional<CellJournal> journal;  // at the group's first rank
};

// Rounds of an earlier process count as if this one had run them; the state is that of the newest checkpoint, and later
// rows are cut. Collective.
void restore(Progression& to, Process& process, Communicator& comm, const CellRecording& recording) {
  std::uint64_t journal_length = 0;
  if (comm.rank() == 0) {
    const CellContents earlier = read_cell_rounds(recording.journal);
    check_device(earlier.header, process, recording.journal);
    journal_length = earlier.length;
  }
  const Resumed resumed = read_checkpoint(recording.journal, journal_length, process, comm);
  if (comm.rank() == 0) {
    for (const std::string& damage : resumed.damaged) complain(fmt::format("{}; an earlier state is used", damage));
    if (resumed.journal_length) to.journal.emplace(CellJournal::resume(recording.journal, *resumed.journal_length));
  }
  // Every rank needs the rows for the result, which is the same on each. They come in pieces, and an empty one is the
  // end.
  const auto take = [&](Bytes bytes) {
    comm.broadcast(bytes, 0);
    for (Unpacker unpacker(bytes, recording.journal); !unpacker.empty();) {
      const RoundRows rows = unpack_round(unpacker);
      to.hash.add(rows);
      to.accepted += rows.round.committed;
      add_round(to.result, rows.round, process.schedule().target);
    }
    return !bytes.empty();
  };
  if (comm.rank() > 0) {
    while (take({})) {
    }
    return;
  }
  constexpr std::size_t piece = 16 << 20;
  Packer packer;
  const auto send = [&] { return take({packer.bytes().begin(), packer.bytes().end()}); };
  visit_cell(recording.journal, {.header = [](const CellHeader&) {},
                                 .round =
                                     [&](const RoundRows& rows) {
                                       if (rows.round.round > process.round()) return;
                                       pack(packer, rows);
                                       if (packer.bytes().size() < piece) return;
                                       send();
                                       packer = {};
                                     },
                                 .parameter = [](const ModelParameter&) {},
                                 .result = [](const CellResult&) {}});
  if (send()) take({});
}

void save(Progression& progression, Process& process, Communicator& comm, const CellRecording& recording) {
  if (recording.journal.empty()) return;
  if (progression.journal) progression.journal->sync();
  write_checkpoint(recording.journal, process, progression.journal ? progression.journal->length() : 0, comm);
  if (comm.rank() == 0) recording.saved();
}

}  // namespace

std::optional<BlockChoice> settled_block(const CellHeader& header) {
  const auto clients = header.provenance.find("block"), form = header.provenance.find("block form");
  if (clients == header.provenance.end() || form == header.provenance.end()) return {};
  return BlockChoice{std::stoll(clients->second), block_form(form->second, "provenance")};
}

CellResult run_cell(const Cell& cell, Process& process, Communicator& comm, int threads, Interruption& interruption,
                    const CellRecording& recording) {
  const auto begin = std::chrono::steady_clock::now();
  const Schedule& schedule = process.schedule();
  const std::unique_ptr<ThreadPool> pool = make_thread_pool(threads, process.device());
  process.start(comm);
  const double share = recorded_share(cell.settings.clone());
  const RandomKey sampling = random_key(static_cast<std::uint64_t>(cell.seed), "record/participations");
  Progression on;
  CellResult& result = on.result;
  if (recording.resume) restore(on, process, comm, recording);
  if (comm.rank() == 0 && !on.journal && !recording.journal.empty()) {
    remove_checkpoints(recording.journal);
    on.journal.emplace(recording.journal, header_of(cell, process, recording, comm));
  }

  while (process.round() < schedule.rounds && result.status == "finished") {
    RoundRecord record = process.step(comm, *pool);
    const bool is_last = record.round == schedule.rounds;
    const bool due = record.round % schedule.evaluate_every == 0 || is_last;
    if (due && !record.diverged) process.evaluate(schedule.evaluate_on, comm, *pool, record);
    if (record.round % rounds_between_comparisons == 0 && comm.size() > 1 && process.reproducible()) {
      compare_models(process.models().front().params, record.round, comm);
    }
    RoundRows rows = round_rows(record);
    if (share < 1) thin_out(rows, share, sampling);
    on.hash.add(rows);
    if (on.journal) {
      on.journal->round(rows);
      interruption.reserve(recording.assembly(on.journal->length()));
    }
    on.accepted += rows.round.committed;
    add_round(result, rows.round, schedule.target);
    if (record.diverged) result.status = "diverged";
    if (schedule.stop_at_target && result.rounds_to_target >= 0) result.status = "target reached";
    if (recording.progress) {
      recording.progress->round(rows.round, due ? rows.measures : Measures());
      if (!record.reason.empty()) recording.progress->abandoned(record.round, record.reason);
    }

    const Action action = interruption.next(comm);
    if (result.status != "finished" || is_last) continue;
    if (action != Action::proceed) save(on, process, comm, recording);
    if (action == Action::save_and_stop) result.status = stopped;
  }

  if (result.status == "finished" && on.accepted == 0 && result.rejected > 0) result.status = "nothing accepted";
  const NamedModel learned = process.models().front();
  const std::vector<ModelParameter> model = model_parameters(*learned.layout, learned.params);
  result.hash = on.hash.finish(model);
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (on.journal && result.status != stopped) {
    on.journal->finish(result, model);
    on.journal->sync();
    remove_checkpoints(recording.journal);
  }
  if (recording.progress) recording.progress->finish(result.status);
  return result;
}

}  // namespace shoal
