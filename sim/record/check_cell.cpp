#include "sim/record/check_cell.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "sim/error.hpp"

namespace shoal {
namespace {

// Virtual times end there (ticks() in sim/ids.hpp), and sums of bytes must not overflow.
constexpr std::int64_t latest = 4'000'000'000'000'000'000, most = std::int64_t{1} << 53;

struct Range {
  std::string_view name;
  std::int64_t least, most;
};

// Ranges of integer columns; all others are counts or numbers from 0.
constexpr std::array column_ranges = {
    Range{"round", 1, most}, Range{"time_us", 0, latest}, Range{"start_us", 0, latest}, Range{"finish_us", 0, latest},
    Range{"verdict", 0, 2},  Range{"outcome", -2, 127},   Range{"committed", 0, most},  Range{"accepted", 0, 1},
};
// Ranges of facts in the provenance; a cell need not have them.
constexpr std::array fact_ranges = {
    Range{"ranks", 1, 1'000'000}, Range{"cell ranks", 1, 1'000'000}, Range{"threads", 1, 1024},
    Range{"block", 1, 4096},      Range{"clients", 0, most},         Range{"replicates", 0, most},
};

Range range_of(std::string_view column) {
  const auto found = std::ranges::find(column_ranges, column, &Range::name);
  return found == column_ranges.end() ? Range{column, 0, most} : *found;
}

[[noreturn]] void refuse(const std::string& path, const CellContents& cell, const std::string& what) {
  user_error("'{}', cell {}: {}. No run writes this: the file is damaged or forged.", path, cell.header.index, what);
}

template <class Row>
void check_rows(const std::vector<Row>& rows, const char* table, const CellContents& cell, const std::string& path) {
  for (const Field& field : fields<Row>()) {
    if (field.type != FieldType::integer) continue;
    const Range range = range_of(field.name);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      std::int64_t value = 0;
      std::memcpy(&value, reinterpret_cast<const std::byte*>(&rows[r]) + field.offset, sizeof value);
      if (value >= range.least && value <= range.most) continue;
      refuse(path, cell,
             fmt::format("{}/{} is {} in row {} (possible are {} to {})", table, field.name, value, r + 1, range.least,
                         range.most));
    }
  }
  for (std::size_t r = 1; r < rows.size(); ++r) {
    if (rows[r].round >= rows[r - 1].round) continue;
    refuse(path, cell,
           fmt::format("{}/round goes from {} back to {} in row {}", table, rows[r - 1].round, rows[r].round, r + 1));
  }
}

void check_facts(const CellContents& cell, const std::string& path) {
  for (const auto& [name, text] : cell.header.provenance) {
    const auto range = std::ranges::find(fact_ranges, std::string_view(name), &Range::name);
    if (range == fact_ranges.end()) continue;
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = failure == std::errc() && end == text.data() + text.size();
    if (whole && value >= range->least && value <= range->most) continue;
    refuse(path, cell,
           fmt::format("\"{}\" of its provenance is \"{}\" (possible are {} to {})", name,
                       is_printable(text) ? text.substr(0, 40) : "unprintable", range->least, range->most));
  }
}

}  // namespace

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
}

void check_cell(const CellContents& cell, const std::string& path) {
  if (cell.header.index < 0 || cell.header.seed < 0) {
    refuse(path, cell, fmt::format("its index is {} and its seed {}", cell.header.index, cell.header.seed));
  }
  if (!is_printable(cell.header.label)) refuse(path, cell, "its label has control characters");
  check_facts(cell, path);
  check_rows(cell.rounds, "rounds", cell, path);
  check_rows(cell.participations, "clients", cell, path);
  for (std::size_t r = 0; r < cell.participations.size(); ++r) {
    const ParticipationRow& row = cell.participations[r];
    if (row.committed > 1) refuse(path, cell, fmt::format("clients/committed is {} in row {}", row.committed, r + 1));
    if (row.start_us <= row.finish_us) continue;
    refuse(
        path, cell,
        fmt::format("clients/finish_us is {} in row {}, before its start at {}", row.finish_us, r + 1, row.start_us));
  }
  for (const MeasureRow& row : cell.measures) {
    if (row.round < 0) refuse(path, cell, fmt::format("measures/round is {}", row.round));
    if (!is_printable(row.name)) refuse(path, cell, "the name of a measure has control characters");
  }
  if (!cell.result) return;
  const CellResult& result = *cell.result;
  if (!is_printable(result.status) || !is_printable(result.hash))
    refuse(path, cell, "its status or hash has control characters");
  struct Total {
    const char* name;
    std::int64_t value, least;
  };
  for (const Total& total : {Total{"rounds", result.rounds, 0}, Total{"rounds_to_target", result.rounds_to_target, -1},
                             Total{"time_to_target_us", result.time_to_target_us, -1},
                             Total{"bytes_down", result.bytes_down, 0}, Total{"bytes_up", result.bytes_up, 0},
                             Total{"dropouts", result.dropouts, 0}, Total{"rejected", result.rejected, 0}}) {
    if (total.value >= total.least && total.value <= latest) continue;
    refuse(path, cell, fmt::format("its total '{}' is {}", total.name, total.value));
  }
}

}  // namespace shoal
