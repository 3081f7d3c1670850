#include "experiments/program/table.hpp"

#include <algorithm>
#include <vector>

#include "experiments/program/run/progress.hpp"
#include "experiments/program/summary.hpp"

namespace shoal {
namespace {

using Line = std::vector<std::string>;

// Width on the screen: continuation bytes of UTF-8 take none.
std::size_t width(const std::string& text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

// The lines as a table of these columns; the first holds the labels.
std::string render(const std::vector<Line>& lines, const std::vector<std::size_t>& columns,
                   const std::vector<std::size_t>& widths) {
  std::string text;
  for (std::size_t l = 0; l < lines.size(); ++l) {
    for (const std::size_t c : columns) {
      const std::string padding(widths[c] - width(lines[l][c]), ' ');
      text += c == 0 ? lines[l][c] + padding : "   " + padding + lines[l][c];
    }
    text += '\n';
    if (l > 0) continue;
    for (const std::size_t c : columns) text += std::string(widths[c] + (c == 0 ? 0 : 3), '-');
    text += '\n';
  }
  return text;
}

// One table, or several below each other if it is wider than `limit`.
std::string render(const std::vector<Line>& lines, std::size_t limit) {
  std::vector<std::size_t> widths(lines.front().size(), 0);
  for (const Line& line : lines) {
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], width(line[c]));
  }
  std::string text;
  std::vector<std::size_t> columns{0};
  std::size_t used = widths[0];
  for (std::size_t c = 1; c < widths.size(); ++c) {
    if (columns.size() > 1 && used + 3 + widths[c] > limit) {
      text += render(lines, columns, widths) + '\n';
      columns = {0};
      used = widths[0];
    }
    columns.push_back(c);
    used += 3 + widths[c];
  }
  return text + render(lines, columns, widths);
}

// The columns to show: those without information are left out.
struct Columns {
  bool accuracy = false, personal_accuracy = false, personal_loss = false, target = false, abandoned = false;
  bool clients = false;  // some cells have clients, which send updates and drop out
};

Line describe(const LabelSummary& s, const Columns& columns) {
  Line line{s.label, std::to_string(s.cells.size())};
  if (columns.accuracy) line.insert(line.end(), {percent_text(s.final_accuracy), percent_text(s.best_accuracy)});
  line.push_back(loss_text(s.final_loss));
  if (columns.personal_accuracy) {
    line.insert(line.end(), {percent_text(s.personal_accuracy), percent_text(s.personal_accuracy_p10)});
  }
  if (columns.personal_loss) line.push_back(loss_text(s.personal_loss));
  if (columns.target) {
    const bool reached = s.seconds_to_target.count > 0;
    line.insert(line.end(), {rounds_to_target_text(s), reached ? duration_text(s.seconds_to_target.mean) : "-"});
  }
  if (columns.clients) line.insert(line.end(), {bytes_text(s.bytes_up), count_text(s.dropouts)});
  line.push_back(count_text(s.rejected));
  if (columns.abandoned) line.push_back(count_text(s.abandoned));
  line.push_back(status_text(s));
  return line;
}

// The name that all labels share, or all their names.
std::string loss_heading(const std::vector<LabelSummary>& summaries) {
  std::string names;
  for (const LabelSummary& s : summaries) {
    if (names.find(s.loss_name) != std::string::npos) continue;
    if (!names.empty()) names += " or ";
    names += s.loss_name;
  }
  return names;
}

}  // namespace

std::string comparison_table(std::span<const CellContents> cells, std::size_t width) {
  const std::vector<LabelSummary> summaries = summarize(cells);
  Columns columns;
  for (const LabelSummary& s : summaries) {
    columns.accuracy = columns.accuracy || s.best_accuracy.count > 0;
    columns.personal_accuracy = columns.personal_accuracy || s.personal_accuracy.count > 0;
    columns.personal_loss = columns.personal_loss || s.personal_loss.count > 0;
    columns.target = columns.target || s.target > 0;
    columns.abandoned = columns.abandoned || s.abandoned.mean > 0;
    columns.clients = columns.clients || s.loss_name == "loss";
  }
  columns.personal_loss = columns.personal_loss && !columns.personal_accuracy;
  Line head{"", "seeds"};
  if (columns.accuracy) head.insert(head.end(), {"final accuracy", "best accuracy"});
  head.push_back(loss_heading(summaries));
  if (columns.personal_accuracy) head.insert(head.end(), {"personal accuracy", "10th percentile"});
  if (columns.personal_loss) head.emplace_back("personal loss");
  if (columns.target) head.insert(head.end(), {"rounds to target", "virtual time"});
  if (columns.clients) head.insert(head.end(), {"upload", "dropouts"});
  head.emplace_back("rejected");
  if (columns.abandoned) head.emplace_back("abandoned");
  head.emplace_back("status");
  std::vector<Line> lines{head};
  for (const LabelSummary& s : summaries) lines.push_back(describe(s, columns));
  return render(lines, width);
}

}  // namespace shoal
