#include "experiments/report/result_tables.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "experiments/program/run/progress.hpp"
#include "experiments/report/html.hpp"
#include "experiments/report/svg_chart.hpp"

namespace shoal {
namespace {

// Columns that no label fills are left out, but failures are always shown, even if there are 0.
struct Columns {
  bool accuracy = false, target = false;
};

Columns columns_of(std::span<const LabelSummary> summaries) {
  Columns columns;
  for (const LabelSummary& s : summaries) {
    columns.accuracy = columns.accuracy || s.best_accuracy.count > 0;
    columns.target = columns.target || s.target > 0;
  }
  return columns;
}

// "94.40 ± 0.06 %" with the deviation in a softer colour.
std::string cell(const std::string& text) {
  const std::size_t sign = text.find(" ± ");
  if (sign == std::string::npos) return "<td>" + escaped(text) + "</td>";
  const std::size_t end = std::min(text.find(' ', sign + 5), text.size());  // ± takes two bytes
  return fmt::format("<td>{}<span class=\"pm\">{}</span>{}</td>", escaped(text.substr(0, sign)),
                     escaped(text.substr(sign, end - sign)), escaped(text.substr(end)));
}

std::string alarming(const std::string& text, bool alarm) {
  return fmt::format("<td{}>{}</td>", alarm ? " class=\"alarm\"" : "", escaped(text));
}

std::string head(const std::vector<std::string>& names, std::size_t texts) {
  std::string html = "<thead><tr>";
  for (std::size_t i = 0; i < names.size(); ++i) {
    html += fmt::format("<th scope=\"col\"{}>{}</th>", i < texts ? " class=\"text\"" : "", names[i]);
  }
  return html + "</tr></thead>\n<tbody>\n";
}

// The accuracy that all labels aim at.
std::string target_name(std::span<const LabelSummary> summaries) {
  double target = 0;
  for (const LabelSummary& s : summaries) {
    if (target > 0 && s.target > 0 && s.target != target) return "target";
    target = std::max(target, s.target);
  }
  return fmt::format("{:g} %", 100 * target);
}

void add_measures(std::vector<std::string>& names, const Columns& columns, std::span<const LabelSummary> summaries) {
  if (columns.accuracy) names.insert(names.end(), {"final accuracy", "best accuracy"});
  std::string loss;
  for (const LabelSummary& s : summaries) {
    if (loss.find(s.loss_name) == std::string::npos) loss += (loss.empty() ? "final " : " or ") + s.loss_name;
  }
  names.push_back(loss);
  if (!columns.target) return;
  const std::string target = target_name(summaries);
  names.insert(names.end(), {"rounds<br>to " + target, "virtual time<br>to " + target});
}

std::string table(const std::string& rows) {
  return "<div class=\"wide\"><table>\n" + rows + "</tbody></table></div>\n";
}

std::string name_cell(const LabelSummary& s, std::size_t style) {
  return fmt::format("<td class=\"name\">{}{}</td>", svg_swatch(style), escaped(s.label));
}

std::string quality_row(const LabelSummary& s, std::size_t style, const Columns& columns) {
  std::string html = "<tr>" + name_cell(s, style) + fmt::format("<td>{}</td>", s.cells.size());
  if (columns.accuracy) html += cell(percent_text(s.final_accuracy)) + cell(percent_text(s.best_accuracy));
  html += cell(loss_text(s.final_loss));
  if (columns.target) html += cell(rounds_to_target_text(s)) + cell(time_to_target_text(s));
  return html + alarming(status_text(s), s.diverged + s.unfinished > 0) + "</tr>\n";
}

std::string cost_row(const LabelSummary& s, std::size_t style) {
  std::string html = "<tr>" + name_cell(s, style) + cell(count_text(s.rounds)) + cell(duration_text(s.seconds.mean));
  html += cell(bytes_text(s.bytes_down)) + cell(bytes_text(s.bytes_up)) + cell(count_text(s.dropouts));
  html += alarming(count_text(s.rejected), s.rejected.mean > 0);
  html += alarming(count_text(s.abandoned), s.abandoned.mean > 0);
  return html + "</tr>\n";
}

std::string cell_row(const LabelSummary& s, std::size_t i, std::size_t style, const Columns& columns) {
  const CellHeader& header = s.cells[i]->header;
  const CellResult& r = s.results[i];
  const auto number = [](double value, const char* unit, double scale, int digits) {
    return std::isnan(value) ? std::string("-") : fmt::format("{:.{}f}{}", scale * value, digits, unit);
  };
  const bool reached = r.rounds_to_target >= 0;
  std::string html = fmt::format("<tr><td>{}</td>{}<td>{}</td>", header.index, name_cell(s, style), header.seed);
  if (columns.accuracy)
    html += cell(number(r.final_accuracy, " %", 100, 2)) + cell(number(r.best_accuracy, " %", 100, 2));
  const double loss = s.loss_name == "loss" ? r.final_loss : last_measure(*s.cells[i], s.loss_name);
  html += cell(std::isnan(loss) ? "-" : fmt::format("{:.4g}", loss));
  if (columns.target) {
    html += cell(reached ? std::to_string(r.rounds_to_target) : "-");
    html += cell(reached ? duration_text(1e-6 * r.time_to_target_us) : "-");
  }
  html += cell(std::to_string(r.rounds)) + cell(bytes_text(r.bytes_down)) + cell(bytes_text(r.bytes_up));
  const std::int64_t abandoned = abandoned_rounds(*s.cells[i]);
  html += cell(std::to_string(r.dropouts)) + alarming(std::to_string(r.rejected), r.rejected > 0);
  html += alarming(std::to_string(abandoned), abandoned > 0);
  html += alarming(r.status, r.status == "diverged" || r.status == "unfinished" || r.status == "nothing accepted");
  html += cell(s.cells[i]->result ? duration_text(r.wall_seconds) : "-");
  return html + fmt::format("<td class=\"hash text\">{}</td></tr>\n", r.hash.empty() ? "-" : escaped(r.hash));
}

}  // namespace

std::string quality_table(std::span<const LabelSummary> summaries) {
  const Columns columns = columns_of(summaries);
  std::vector<std::string> names{"", "seeds"};
  add_measures(names, columns, summaries);
  names.emplace_back("ended");
  std::string rows = head(names, 1);
  for (std::size_t i = 0; i < summaries.size(); ++i) rows += quality_row(summaries[i], i, columns);
  return table(rows);
}

std::string cost_table(std::span<const LabelSummary> summaries) {
  std::string rows = head(
      {"", "rounds", "virtual time", "bytes down", "bytes up", "dropouts", "updates rejected", "rounds abandoned"}, 1);
  for (std::size_t i = 0; i < summaries.size(); ++i) rows += cost_row(summaries[i], i);
  return table(rows);
}

std::string cell_table(std::span<const LabelSummary> summaries) {
  const Columns columns = columns_of(summaries);
  std::vector<std::string> names{"cell", "", "seed"};
  add_measures(names, columns, summaries);
  names.insert(names.end(), {"rounds", "down", "up", "dropouts", "updates<br>rejected", "rounds<br>abandoned", "ended",
                             "wall time", "hash"});
  std::string rows = head(names, 2);
  for (std::size_t s = 0; s < summaries.size(); ++s) {
    for (std::size_t i = 0; i < summaries[s].cells.size(); ++i) rows += cell_row(summaries[s], i, s, columns);
  }
  return table(rows);
}

}  // namespace shoal
