#include "experiments/table.hpp"

#include <fmt/core.h>
#include <algorithm>
#include <cmath>
#include <vector>

#include "sim/record/progress.hpp"

namespace shoal {
namespace {

using Line = std::vector<std::string>;

struct Spread {
  double mean = not_measured, deviation = 0;
};

// Sample standard deviation; of finite values only.
Spread spread(const std::vector<double>& values) {
  double sum = 0, squares = 0, n = 0;
  for (const double v : values) {
    if (!std::isfinite(v)) continue;
    sum += v;
    ++n;
  }
  if (n == 0) return {};
  for (const double v : values) squares += std::isfinite(v) ? (v - sum / n) * (v - sum / n) : 0;
  return {sum / n, n > 1 ? std::sqrt(squares / (n - 1)) : 0};
}

std::string percent(const std::vector<double>& values) {
  const Spread s = spread(values);
  if (std::isnan(s.mean)) return "-";
  return values.size() > 1 ? fmt::format("{:.2f} ± {:.2f} %", 100 * s.mean, 100 * s.deviation)
                           : fmt::format("{:.2f} %", 100 * s.mean);
}

std::string plain(const std::vector<double>& values, const char* unit) {
  const Spread s = spread(values);
  if (std::isnan(s.mean)) return "-";
  return values.size() > 1 ? fmt::format("{:.6g} ± {:.2g}{}", s.mean, s.deviation, unit)
                           : fmt::format("{:.6g}{}", s.mean, unit);
}

std::vector<double> column(const std::vector<const CellResult*>& results, auto&& get) {
  std::vector<double> values;
  for (const CellResult* result : results) values.push_back(static_cast<double>(get(*result)));
  return values;
}

// The last value that was measured.
double last_of(const CellContents& cell, double RoundRow::*field) {
  double last = not_measured;
  for (const RoundRow& row : cell.rounds) last = std::isnan(row.*field) ? last : row.*field;
  return last;
}

// Width on the screen: continuation bytes of UTF-8 take none.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string render(const std::vector<Line>& lines) {
  std::vector<std::size_t> widths(lines.front().size(), 0);
  for (const Line& line : lines) {
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], width(line[c]));
  }
  std::string text;
  for (std::size_t l = 0; l < lines.size(); ++l) {
    for (std::size_t c = 0; c < lines[l].size(); ++c) {
      const std::string padding(widths[c] - width(lines[l][c]), ' ');
      text += c == 0 ? lines[l][c] + padding : "   " + padding + lines[l][c];
    }
    text += '\n';
    if (l > 0) continue;
    for (std::size_t c = 0; c < widths.size(); ++c) text += std::string(widths[c] + (c == 0 ? 0 : 3), '-');
    text += '\n';
  }
  return text;
}

// What the table has a column for: whatever some cell measured.
struct Columns {
  bool accuracy = false, target = false, personal_accuracy = false, personal_loss = false;

  void see(const CellContents& cell) {
    accuracy = accuracy || !std::isnan(cell.result->best_accuracy);
    target = target || cell.result->rounds_to_target >= 0;
    personal_accuracy = personal_accuracy || !std::isnan(last_of(cell, &RoundRow::personal_accuracy));
    personal_loss = personal_loss || !std::isnan(last_of(cell, &RoundRow::personal_loss));
  }
  Line head() const {
    Line line{"", "seeds"};
    if (accuracy) line.insert(line.end(), {"final accuracy", "best accuracy"});
    line.emplace_back("loss");
    if (personal_accuracy) line.insert(line.end(), {"personal accuracy", "10th percentile"});
    if (personal_loss && !personal_accuracy) line.emplace_back("personal loss");
    if (target) line.insert(line.end(), {"rounds to target", "virtual time"});
    line.insert(line.end(), {"upload", "lost", "rejected", "status"});
    return line;
  }
};

Line describe(const std::string& label, const std::vector<const CellContents*>& cells, const Columns& columns) {
  const auto personal = [&](double RoundRow::*field) {
    std::vector<double> values;
    for (const CellContents* cell : cells) values.push_back(last_of(*cell, field));
    return values;
  };
  std::vector<const CellResult*> results;
  for (const CellContents* cell : cells) results.push_back(&*cell->result);
  Line line{label, std::to_string(results.size())};
  if (columns.accuracy) {
    line.push_back(percent(column(results, [](const CellResult& r) { return r.final_accuracy; })));
    line.push_back(percent(column(results, [](const CellResult& r) { return r.best_accuracy; })));
  }
  line.push_back(plain(column(results, [](const CellResult& r) { return r.final_loss; }), ""));
  if (columns.personal_accuracy) {
    line.push_back(percent(personal(&RoundRow::personal_accuracy)));
    line.push_back(percent(personal(&RoundRow::personal_accuracy_p10)));
  }
  if (columns.personal_loss && !columns.personal_accuracy)
    line.push_back(plain(personal(&RoundRow::personal_loss), ""));
  if (columns.target) {
    const auto reached = std::ranges::count_if(results, [](const CellResult* r) { return r->rounds_to_target >= 0; });
    const auto rounds = column(results, [](const CellResult& r) {
      return r.rounds_to_target >= 0 ? static_cast<double>(r.rounds_to_target) : not_measured;
    });
    const auto time = column(results, [](const CellResult& r) {
      return r.rounds_to_target >= 0 ? 1e-6 * static_cast<double>(r.time_to_target_us) : not_measured;
    });
    line.push_back(reached == 0 ? "not reached"
                                : fmt::format("{:.0f} ({} of {})", spread(rounds).mean, reached, results.size()));
    line.push_back(reached == 0 ? "-" : duration_text(spread(time).mean));
  }
  const auto mean = [&](auto&& get) { return spread(column(results, get)).mean; };
  line.push_back(bytes_text(std::llround(mean([](const CellResult& r) { return r.bytes_up; }))));
  line.push_back(fmt::format("{:.0f}", mean([](const CellResult& r) { return r.dropped; })));
  line.push_back(fmt::format("{:.0f}", mean([](const CellResult& r) { return r.rejected; })));
  const auto diverged = std::ranges::count_if(results, [](const CellResult* r) { return r->status == "diverged"; });
  line.push_back(diverged == 0 ? "finished" : fmt::format("{} diverged", diverged));
  return line;
}

}  // namespace

std::string comparison_table(std::span<const CellContents> cells) {
  std::vector<std::pair<std::string, std::vector<const CellContents*>>> groups;  // in grid order
  Columns columns;
  for (const CellContents& cell : cells) {
    auto group = std::ranges::find(groups, cell.header.label, [](const auto& g) { return g.first; });
    if (group == groups.end()) group = groups.insert(groups.end(), {cell.header.label, {}});
    group->second.push_back(&cell);
    columns.see(cell);
  }
  std::vector<Line> lines{columns.head()};
  for (const auto& [label, members] : groups) lines.push_back(describe(label, members, columns));
  return render(lines);
}

}  // namespace shoal
