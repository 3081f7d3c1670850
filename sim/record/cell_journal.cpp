#include "sim/record/cell_journal.hpp"

#include "sim/error.hpp"
#include "sim/files/packing.hpp"

namespace shoal {
namespace {

// A change of what a kind holds is a new kind or a new format version of the journal.
enum Kind : std::uint32_t { header_kind = 1, round_kind = 2, parameter_kind = 3, result_kind = 4 };

CellHeader take_header(Unpacker& bytes) {
  CellHeader header;
  header.index = bytes.number<std::int64_t>();
  header.label = bytes.text();
  header.seed = bytes.number<std::int64_t>();
  header.config = bytes.text();
  for (auto left = bytes.number<std::uint64_t>(); left > 0; --left) {
    std::string name = bytes.text();
    header.provenance[std::move(name)] = bytes.text();
  }
  return header;
}

CellResult take_result(Unpacker& bytes) {
  CellResult result;
  result.status = bytes.text();
  result.hash = bytes.text();
  for (double* real : {&result.final_accuracy, &result.best_accuracy, &result.final_loss, &result.wall_seconds}) {
    *real = bytes.number<double>();
  }
  for (std::int64_t* count : {&result.rounds, &result.rounds_to_target, &result.time_to_target_us, &result.bytes_down,
                              &result.bytes_up, &result.dropped, &result.rejected}) {
    *count = bytes.number<std::int64_t>();
  }
  return result;
}

ModelParameter take_parameter(Unpacker& bytes, const std::string& path) {
  ModelParameter parameter;
  parameter.name = bytes.text();
  parameter.shape = bytes.array<std::int64_t>();
  parameter.type = static_cast<ValueType>(bytes.number<std::int8_t>());
  parameter.values = bytes.array<std::byte>();
  if (!is_whole(parameter)) {
    user_error("parameter '{}' in '{}' has {} bytes, not those of its shape. Written by another version?",
               parameter.name, path, parameter.values.size());
  }
  return parameter;
}

}  // namespace

CellJournal::CellJournal(std::string path, const CellHeader& header) : journal_(Journal::create(std::move(path))) {
  Packer bytes;
  bytes.number(header.index).text(header.label).number(header.seed).text(header.config);
  bytes.number<std::uint64_t>(header.provenance.size());
  for (const auto& [name, text] : header.provenance) bytes.text(name).text(text);
  journal_.append(header_kind, bytes.bytes());
}

CellJournal CellJournal::resume(std::string path, std::uint64_t length) {
  return CellJournal(Journal::resume(std::move(path), length));
}

void CellJournal::round(const RoundRow& row, std::span<const ParticipationRow> participations) {
  journal_.append(round_kind, Packer().row(row).array(participations).bytes());
}

void CellJournal::finish(const CellResult& result, std::span<const ModelParameter> model) {
  for (const ModelParameter& parameter : model) {
    ensure(is_whole(parameter), "parameter '{}' does not fill its shape", parameter.name);
    Packer bytes;
    bytes.text(parameter.name).array(std::span(parameter.shape)).number(static_cast<std::int8_t>(parameter.type));
    bytes.array(std::span(parameter.values));
    journal_.append(parameter_kind, bytes.bytes());
  }
  // Last, so that a result means a whole model.
  Packer bytes;
  bytes.text(result.status).text(result.hash);
  bytes.number(result.final_accuracy)
      .number(result.best_accuracy)
      .number(result.final_loss)
      .number(result.wall_seconds);
  bytes.number(result.rounds).number(result.rounds_to_target).number(result.time_to_target_us);
  bytes.number(result.bytes_down).number(result.bytes_up).number(result.dropped).number(result.rejected);
  journal_.append(result_kind, bytes.bytes());
}

CellContents read_cell(const std::string& path) {
  const JournalContents journal = read_journal(path);
  CellContents cell;
  cell.length = journal.length;
  if (journal.records.empty() || journal.records.front().kind != header_kind) {
    user_error("journal '{}' does not begin with a cell (killed before its first record?). Delete it and run again?",
               path);
  }
  for (const JournalRecord& record : journal.records) {
    Unpacker bytes(record.payload, path);
    switch (record.kind) {
      case header_kind:
        cell.header = take_header(bytes);
        break;
      case round_kind: {
        cell.rounds.push_back(bytes.row<RoundRow>());
        const auto rows = bytes.array<ParticipationRow>();
        cell.participations.insert(cell.participations.end(), rows.begin(), rows.end());
        break;
      }
      case parameter_kind:
        cell.model.push_back(take_parameter(bytes, path));
        break;
      case result_kind:
        cell.result = take_result(bytes);
        break;
      default:
        user_error("journal '{}' has a record of unknown kind {}. Written by another version?", path, record.kind);
    }
    bytes.finish();
  }
  if (!cell.result) cell.model.clear();  // killed while the model was written
  return cell;
}

}  // namespace shoal
