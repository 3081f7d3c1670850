#include "experiments/program/export.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <string_view>

#include "experiments/program/summary.hpp"
#include "experiments/program/timeline.hpp"
#include "sim/error.hpp"
#include "sim/files/safetensors.hpp"

namespace shoal {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::size_t longest_label = 80;  // file systems take 255 bytes a name

std::string csv_field(double value) {
  if (std::isnan(value)) return "";
  std::array<char, 32> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  ensure(error == std::errc{}, "{} takes more than {} characters", value, digits.size());
  std::string text(digits.data(), end);
  // A column of whole numbers stays a column of reals.
  if (text.find_first_of(".ein") == std::string::npos) text += ".0";
  return text;
}

std::string csv_field(std::int64_t value) { return std::to_string(value); }

// A spreadsheet takes a text that begins like a formula for one, unless an apostrophe is before it.
std::string csv_field(const std::string& formula_or_text) {
  const bool formula =
      !formula_or_text.empty() && std::string_view("=+-@\t\r").find(formula_or_text[0]) != std::string_view::npos;
  std::string text = (formula ? "'" : "") + formula_or_text;
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  quoted += '"';
  return quoted;
}

std::string csv_value(const std::byte* row, const Field& field) {
  if (field.type == FieldType::integer) {
    std::int64_t value = 0;
    std::memcpy(&value, row + field.offset, sizeof value);
    return csv_field(value);
  }
  double value = 0;
  std::memcpy(&value, row + field.offset, sizeof value);
  return csv_field(value);
}

std::string csv_value(const Table& table, std::int64_t row, std::int64_t column) {
  const bool is_integer = table.columns[column].type == FieldType::integer;
  return is_integer ? csv_field(table.integer(row, column)) : csv_field(table.real(row, column));
}

std::string safe(const std::string& label) {
  std::string name;
  for (const char c : label) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                       c == '=' || c == '-' || c == '_';
    if (plain) name += c;
    if (!plain && !name.ends_with('_')) name += '_';
  }
  return name.substr(0, longest_label);
}

// The folder of each cell, by its label and seed; where two would have the same, the cell's number is added.
std::map<std::int64_t, std::string> folder_names(const std::vector<CellContents>& cells) {
  const auto name = [](const CellHeader& header) { return fmt::format("{}-seed{}", safe(header.label), header.seed); };
  std::map<std::string, int> uses;
  for (const CellContents& cell : cells) ++uses[name(cell.header)];
  std::map<std::int64_t, std::string> names;
  for (const CellContents& cell : cells) {
    std::string own = name(cell.header);
    if (uses[own] > 1) own += fmt::format("-cell{}", cell.header.index);
    names[cell.header.index] = own;
  }
  return names;
}

template <class... Values>
std::string csv_line(const Values&... values) {
  std::string line;
  const auto add = [&line](const std::string& field) {
    if (!line.empty()) line += ',';
    line += field;
  };
  (add(csv_field(values)), ...);  // the first field is a number, never empty
  line += line_end;
  return line;
}

std::string cells_csv(const std::vector<CellContents>& cells, const std::map<std::int64_t, std::string>& folders) {
  std::string text =
      "cell,label,seed,status,final_accuracy,best_accuracy,final_loss,rounds,rounds_to_target,time_to_target_us,"
      "bytes_down,bytes_up,dropouts,rejected,abandoned,wall_seconds,hash,folder";
  text += line_end;
  for (const CellContents& cell : cells) {
    const CellResult r = result_of(cell);
    text +=
        csv_line(cell.header.index, cell.header.label, cell.header.seed, r.status, r.final_accuracy, r.best_accuracy,
                 r.final_loss, r.rounds, r.rounds_to_target, r.time_to_target_us, r.bytes_down, r.bytes_up, r.dropouts,
                 r.rejected, abandoned_rounds(cell), r.wall_seconds, r.hash, folders.at(cell.header.index));
  }
  return text;
}

// Means and deviations over the seeds of each label, as the table at the end of a run shows them.
std::string summary_csv(const std::vector<CellContents>& cells) {
  std::string text = "cells,label,diverged,nothing_accepted,unfinished";
  constexpr const char* names[] = {
      "final_accuracy",   "best_accuracy",     "final_loss", "personal_accuracy", "personal_accuracy_p10",
      "rounds_to_target", "seconds_to_target", "rounds",     "seconds",           "bytes_down",
      "bytes_up",         "dropouts",          "rejected",   "abandoned"};
  for (const char* name : names) text += fmt::format(",{},{}_sd", name, name);
  text += line_end;
  for (const LabelSummary& s : summarize(cells)) {
    std::string line = csv_line(std::ssize(s.cells), s.label, s.diverged, s.nothing_accepted, s.unfinished);
    line.resize(line.size() - line_end.size());
    for (const Spread* spread : {&s.final_accuracy, &s.best_accuracy, &s.final_loss, &s.personal_accuracy,
                                 &s.personal_accuracy_p10, &s.rounds_to_target, &s.seconds_to_target, &s.rounds,
                                 &s.seconds, &s.bytes_down, &s.bytes_up, &s.dropouts, &s.rejected, &s.abandoned}) {
      line += ',' + csv_field(spread->mean) + ',' + csv_field(spread->deviation);
    }
    text += line;
    text += line_end;
  }
  return text;
}

TensorMetadata metadata(const RunContents& run, const CellContents& cell) {
  const CellResult& result = cell.result.value();
  return {{"format", "pt"},  // PyTorch's loaders expect it
          {"experiment", run.info.name},
          {"program", "shoal " + run.info.program},
          {"label", cell.header.label},
          {"seed", std::to_string(cell.header.seed)},
          {"status", result.status},
          {"hash", result.hash}};
}

void make_folder(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem) user_error("cannot make the folder '{}' ({}). Choose another place.", path, problem.message());
}

void write_text(const std::string& path, const std::string& text) {
  replace_file(path, std::as_bytes(std::span(text)));
}

}  // namespace

template <class Row>
std::string csv_table(const std::vector<Row>& rows, const Table& further) {
  std::string text;
  for (const Field& field : fields<Row>()) {
    if (!text.empty()) text += ',';
    text += field.name;
  }
  for (const Column& column : further.columns) text += ',' + csv_field(column.name);
  text += line_end;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (const Field& field : fields<Row>()) {
      if (&field != fields<Row>().data()) text += ',';
      text += csv_value(reinterpret_cast<const std::byte*>(&rows[r]), field);
    }
    for (std::int64_t c = 0; c < std::ssize(further.columns); ++c) text += ',' + csv_value(further, r, c);
    text += line_end;
  }
  return text;
}

std::string csv_table(const std::vector<MeasureRow>& measures) {
  std::string text = "round,name,value";
  text += line_end;
  for (const MeasureRow& row : measures) text += csv_line(row.round, row.name, row.value);
  return text;
}

std::string csv_table(const Table& table) {
  std::string text;
  for (const Column& column : table.columns) {
    if (!text.empty()) text += ',';
    text += csv_field(column.name);
  }
  text += line_end;
  for (std::int64_t r = 0; r < table.rows(); ++r) {
    for (std::int64_t c = 0; c < std::ssize(table.columns); ++c) {
      if (c > 0) text += ',';
      text += csv_value(table, r, c);
    }
    text += line_end;
  }
  return text;
}

template std::string csv_table<RoundRow>(const std::vector<RoundRow>&, const Table&);
template std::string csv_table<ParticipationRow>(const std::vector<ParticipationRow>&, const Table&);

std::vector<std::string> export_run(const RunContents& run, const std::string& folder,
                                    std::optional<std::int64_t> wanted) {
  std::vector<const CellContents*> cells;
  for (const CellContents& cell : run.cells) {
    if (!wanted || cell.header.index == *wanted) cells.push_back(&cell);
  }
  if (wanted && cells.empty()) {
    user_error("there is no cell {} (the run has {}, counted from 0). Choose one of these.", *wanted, run.cells.size());
  }
  make_folder(folder);

  std::vector<std::string> paths;
  const auto place = [&](const std::string& name) { return paths.emplace_back(folder + "/" + name); };
  const std::map<std::int64_t, std::string> folders = folder_names(run.cells);
  write_text(place("summary.csv"), summary_csv(run.cells));
  write_text(place("cells.csv"), cells_csv(run.cells, folders));
  for (const CellContents* cell : cells) {
    const std::string& name = folders.at(cell->header.index);
    make_folder(fmt::format("{}/{}", folder, name));
    if (cell->result) write_safetensors(place(name + "/model.safetensors"), cell->model, metadata(run, *cell));
    write_text(place(name + "/rounds.csv"), csv_table(cell->rounds));
    write_text(place(name + "/clients.csv"), csv_table(cell->participations, cell->figures));
    if (!cell->measures.empty()) write_text(place(name + "/measures.csv"), csv_table(cell->measures));
    for (const auto& [table, rows] : cell->tables) {
      write_text(place(fmt::format("{}/table-{}.csv", name, safe(table))), csv_table(rows));
    }
    write_text(place(name + "/timeline.json"), timeline_json(*cell));
    write_text(place(name + "/config.toml"), cell->header.config);
  }
  return paths;
}

}  // namespace shoal
