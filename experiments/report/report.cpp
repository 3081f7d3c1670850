#include "experiments/report/report.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "experiments/report/agents.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/report/html.hpp"
#include "experiments/report/page_style.hpp"
#include "experiments/report/participation.hpp"
#include "experiments/report/result_tables.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

// The files' names without folder and ending, or whole paths if those are equal.
std::vector<std::string> short_names(std::span<const ReportedRun> runs) {
  std::vector<std::string> names;
  std::set<std::string> different;
  for (const ReportedRun& run : runs)
    different.insert(names.emplace_back(std::filesystem::path(run.file).stem().string()));
  if (different.size() == runs.size()) return names;
  std::ranges::transform(runs, names.begin(), &ReportedRun::file);
  return names;
}

std::string plural(std::size_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string title_of(std::span<const ReportedRun> runs) {
  std::vector<std::string> names;
  for (const ReportedRun& run : runs) {
    if (std::ranges::find(names, run.contents.info.name) == names.end()) names.push_back(run.contents.info.name);
  }
  std::string title;
  for (const std::string& name : names) title += (title.empty() ? "" : ", ") + name;
  return title;
}

std::string heading(std::span<const ReportedRun> runs, std::span<const LabelSummary> summaries) {
  std::size_t cells = 0, seeds = 0;
  for (const LabelSummary& s : summaries) {
    cells += s.cells.size();
    seeds = std::max(seeds, s.cells.size());
  }
  std::string counts = plural(summaries.size(), "variant") + ", " +
                       (cells == seeds * summaries.size() ? plural(seeds, "seed") + " each" : plural(cells, "cell"));
  if (runs.size() > 1) counts += ", from " + plural(runs.size(), "run file");
  std::string hash;
  if (runs.size() == 1) {
    hash = fmt::format("<br>result hash <span class=\"hash\">{}</span>", escaped(runs[0].contents.hash));
  }
  return fmt::format("<h1>{}</h1>\n<p class=\"soft\">{}{}</p>\n", escaped(title_of(runs)), counts, hash);
}

std::string table_note(std::span<const LabelSummary> summaries) {
  std::string note = "Accuracy and loss: mean ± sample standard deviation over seeds. All else: means over seeds";
  if (std::ranges::any_of(summaries, [](const LabelSummary& s) { return s.target > 0; })) {
    note += "; rounds and time to the target: over the seeds that reached it";
  }
  note += '.';
  if (std::ranges::any_of(summaries, [](const LabelSummary& s) { return s.diverged + s.unfinished > 0; })) {
    note += " A cell that diverged or is unfinished counts with what was measured last.";
  }
  return "<p class=\"soft\">" + note + "</p>\n";
}

std::string configurations(std::span<const LabelSummary> summaries) {
  std::string html;
  for (const LabelSummary& s : summaries) {
    const CellHeader& first = s.cells.front()->header;
    std::string seeds;
    for (const CellContents* cell : s.cells) seeds += (seeds.empty() ? "" : ", ") + std::to_string(cell->header.seed);
    const std::string others =
        s.cells.size() > 1
            ? fmt::format("<p class=\"soft\">As run with seed {}; the seeds are {}.</p>", first.seed, seeds)
            : "";
    html += fmt::format("<details><summary>{}</summary>{}<pre>{}</pre></details>\n", escaped(s.label), others,
                        escaped(first.config));
  }
  return html;
}

// One row per fact; different values of cells are side by side.
std::string provenance(const ReportedRun& run) {
  std::map<std::string, std::vector<std::string>> facts;
  for (const CellContents& cell : run.contents.cells) {
    for (const auto& [name, value] : cell.header.provenance) {
      auto& values = facts[name];
      if (std::ranges::find(values, value) == values.end()) values.push_back(value);
    }
  }
  const auto row = [](const std::string& name, const std::string& value) {
    return fmt::format("<tr><td>{}</td><td class=\"text long\">{}</td></tr>\n", escaped(name), escaped(value));
  };
  std::string html =
      "<div class=\"wide\"><table><tbody>\n" + row("run file", run.file) + row("hash", run.contents.hash);
  for (const auto& [name, values] : facts) {
    std::string joined;
    for (const std::string& value : values) joined += (joined.empty() ? "" : " | ") + value;
    if (!joined.empty()) html += row(name, joined);
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace

std::vector<LabelSummary> summarize_runs(std::span<const ReportedRun> runs) {
  const std::vector<std::string> names = short_names(runs);
  std::map<std::string, int> runs_with;
  std::vector<std::vector<LabelSummary>> by_run;
  for (const ReportedRun& run : runs) {
    by_run.push_back(summarize(run.contents.cells));
    for (const LabelSummary& s : by_run.back()) ++runs_with[s.label];
  }
  std::vector<LabelSummary> all;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    for (LabelSummary& s : by_run[r]) {
      if (runs_with[s.label] > 1) s.label = names[r] + ": " + s.label;
      all.push_back(std::move(s));
    }
  }
  return all;
}

std::string report_page(std::span<const ReportedRun> runs) {
  const std::vector<LabelSummary> summaries = summarize_runs(runs);
  if (summaries.empty()) user_error("there is no cell to report. Start the run first.");
  const std::string agents = agent_section(summaries);
  // Studies are over in one round: there is nothing to draw against rounds.
  const bool over_at_once =
      !agents.empty() && std::ranges::all_of(summaries, [](const LabelSummary& s) { return s.rounds.mean <= 1; });
  const std::string curves = over_at_once ? "" : "<h2>Curves</h2>\n" + charts(summaries) + "\n";
  std::string sources;
  for (const ReportedRun& run : runs) sources += provenance(run) + (runs.size() > 1 ? "<p></p>\n" : "");
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n{}\n"
      "<h2>Results</h2>\n{}{}\n{}{}<h2>Participation</h2>\n{}\n"
      "<h2>Cells</h2>\n<details><summary>Every cell by itself</summary>\n{}</details>\n"
      "<h2>Configurations</h2>\n{}\n<h2>Provenance</h2>\n{}</body>\n</html>\n",
      escaped(title_of(runs)), page_style, heading(runs, summaries), quality_table(summaries) + cost_table(summaries),
      table_note(summaries), agents, curves, participation_section(summaries), cell_table(summaries),
      configurations(summaries), sources);
}

}  // namespace shoal
