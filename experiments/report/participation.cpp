#include "experiments/report/participation.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "experiments/program/run/progress.hpp"
#include "experiments/report/html.hpp"
#include "experiments/report/svg_chart.hpp"
#include "experiments/report/usage.hpp"

namespace shoal {
namespace {

constexpr int ticks = 6;
constexpr double shortest_day = 6 * 3600;  // virtual seconds that a chart over the hours of the day needs
constexpr std::int64_t most_staleness = 200;

std::string cell(const std::string& text) { return "<td>" + escaped(text) + "</td>"; }
std::string percent(double share) { return std::isfinite(share) ? fmt::format("{:.1f} %", 100 * share) : "-"; }

std::string head(std::initializer_list<const char*> names) {
  std::string html = "<div class=\"wide\"><table>\n<thead><tr>";
  for (const char* name : names)
    html += fmt::format("<th scope=\"col\"{}>{}</th>", *name == 0 ? " class=\"text\"" : "", name);
  return html + "</tr></thead>\n<tbody>\n";
}

std::string name_cell(const std::string& label, std::size_t style) {
  return fmt::format("<td class=\"name\">{}{}</td>", svg_swatch(style), escaped(label));
}

std::string energy_text(double joules) {
  if (joules >= 1e6) return fmt::format("{:.4g} MJ", joules / 1e6);
  return joules >= 1e3 ? fmt::format("{:.3g} kJ", joules / 1e3) : fmt::format("{:.3g} J", joules);
}

std::string row(const LabelSummary& s, const Usage& use, std::size_t style) {
  const double cells = s.cells.size();
  const auto share = [](double part, double whole) { return percent(whole > 0 ? part / whole : not_measured); };
  std::string html = "<tr>" + name_cell(s.label, style);
  html += cell(fmt::format("{:.0f}", use.participations / cells));
  html += cell(share(use.accepted, use.participations));
  html += cell(share(use.wasted_seconds, use.device_seconds)) + cell(share(use.wasted_bytes, use.bytes));
  html += cell(energy_text(use.joules / cells)) + cell(fmt::format("{:.3g}", use.concurrency));
  html += cell(std::to_string(use.most_at_work)) + cell(percent(use.busy));
  html += cell(std::isfinite(use.busiest_rank) ? fmt::format("{:.3f}", use.busiest_rank) : "-");
  html += cell(use.staleness.empty() ? "-" : fmt::format("{:.3g}", use.mean_staleness()));
  html += cell(use.staleness.empty() ? "-" : std::to_string(use.staleness.rbegin()->first));
  return html + cell(std::isfinite(use.gini) ? fmt::format("{:.3f}", use.gini) : "-") + "</tr>\n";
}

// Each tier's share of the contributions, and the share of its attempts that counted.
std::string tier_table(std::span<const LabelSummary> summaries, const std::vector<Usage>& uses) {
  std::string rows;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    if (uses[i].tiers.size() < 2) continue;
    for (const auto& [tier, use] : uses[i].tiers) {
      const double accepted = uses[i].accepted, attempts = use.participations;
      rows += fmt::format("<tr>{}{}{}{}{}</tr>\n", name_cell(summaries[i].label, i), cell(std::to_string(tier)),
                          cell(percent(attempts / uses[i].participations)),
                          cell(percent(accepted > 0 ? use.accepted / accepted : not_measured)),
                          cell(percent(use.accepted / attempts)));
    }
  }
  if (rows.empty()) return "";
  return head({"", "tier", "of the attempts", "of the contributions", "attempts that counted"}) + rows +
         "</tbody></table></div>\n";
}

// One line per label; empty if no label has a value.
std::string chart(std::span<const LabelSummary> summaries, const std::vector<std::vector<CurvePoint>>& lines,
                  Chart chart) {
  double low_x = 0, high_x = 0, high_y = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    chart.lines.push_back({summaries[i].label, i, {.points = lines[i], .seeds = 1}});
    for (const CurvePoint& p : lines[i]) {
      low_x = std::min(low_x, p.x);
      high_x = std::max(high_x, p.x);
      high_y = std::max(high_y, p.mean);
    }
  }
  if (chart.lines.empty() || high_y <= 0 || high_x <= low_x) return "";
  chart.x = fitted_axis(low_x, high_x, ticks);
  chart.y = rounded_axis(0, high_y, ticks);
  return fmt::format("<figure><figcaption>{}</figcaption>\n{}</figure>\n", escaped(chart.title), svg_chart(chart));
}

CurvePoint point(double x, double y) { return {x, y, y, y, 1}; }

std::string charts(std::span<const LabelSummary> summaries, const std::vector<Usage>& uses) {
  std::vector<std::vector<CurvePoint>> staleness(uses.size()), lorenz(uses.size()), hours(uses.size());
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const Usage& use = uses[i];
    if (use.accepted == 0) continue;
    const std::int64_t oldest = std::min(use.staleness.rbegin()->first, most_staleness);
    for (std::int64_t s = 0; oldest > 0 && s <= oldest; ++s) {
      const auto found = use.staleness.find(s);
      const double count = found == use.staleness.end() ? 0 : found->second;
      staleness[i].push_back(point(s, 100 * count / use.accepted));
    }
    for (std::size_t c = 0; c < use.lorenz.size(); ++c) lorenz[i].push_back(point(c, 100 * use.lorenz[c]));
    for (std::size_t h = 0; use.virtual_seconds >= shortest_day && h < 24; ++h) {
      if (std::isfinite(use.by_hour[h])) hours[i].push_back(point(h, use.by_hour[h]));
    }
  }
  std::string figures = chart(summaries, staleness,
                              {.id = "staleness",
                               .title = "Staleness of contributions",
                               .x_title = "server updates between download and use",
                               .y_title = "contributions (%)"});
  figures += chart(summaries, lorenz,
                   {.id = "lorenz",
                    .title = "Who contributed: a diagonal is equality",
                    .x_title = "clients, from the one that contributed least (%)",
                    .y_title = "their contributions (%)"});
  figures += chart(summaries, hours,
                   {.id = "hours",
                    .title = "Clients at work over the virtual day",
                    .x_title = "hour of the day",
                    .y_title = "clients at work"});
  return figures.empty() ? "" : "<div class=\"charts\">\n" + figures + "</div>\n";
}

}  // namespace

std::string participation_section(std::span<const LabelSummary> summaries) {
  std::vector<Usage> uses;
  std::string rows;
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    uses.push_back(usage_of(summaries[i]));
    rows += row(summaries[i], uses.back(), i);
  }
  return head({"", "attempts", "counted", "device time<br>wasted", "bytes<br>wasted", "energy<br>(proxy)",
               "clients<br>at work", "most<br>at work", "busy", "busiest<br>rank", "mean<br>staleness",
               "largest<br>staleness", "Gini"}) +
         rows + "</tbody></table></div>\n" +
         "<p class=\"soft\">Attempts and energy: means over seeds. Wasted: of attempts that were lost, late, stopped "
         "or "
         "rejected. Energy: power x time of [population]. Clients at work: device time over virtual time; busy: that "
         "over the most at one instant, the rest of "
         "whose time was waiting. Busiest rank: its work over the mean rank's, as placed. Gini of "
         "contributions over all clients: 0 if all made as many, 1 if one made all.</p>\n" +
         tier_table(summaries, uses) + charts(summaries, uses);
}

}  // namespace shoal
