#include "experiments/report/winner_map.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "experiments/report/html.hpp"
#include "experiments/report/pairs.hpp"
#include "experiments/report/svg_chart.hpp"

namespace shoal {
namespace {

// The estimated place of OpenClaw-RL's setting (arXiv 2603.10165): 37 % of the failed turns were judged +1 in an
// independent reproduction (github.com/maoumao34-design/OpenClaw-RL); the density of hints is an assumption.
constexpr double paper_false_positive = 0.37, paper_directive = 0.8;

constexpr double width = 560, left = 58, right = 544, top = 8, row_height = 46;
constexpr std::size_t colours = 7;  // as many as the page's style has

Winner best_of(const StudySetting& setting) {
  std::vector<const Arm*> order;
  for (const Arm& arm : setting.arms) {
    if (arm.summary->final_loss.count > 0) order.push_back(&arm);
  }
  std::ranges::stable_sort(order, {}, [](const Arm* arm) { return arm->summary->final_loss.mean; });
  Winner winner;
  if (order.empty()) return winner;
  winner.arm = order[0];
  winner.loss = order[0]->summary->final_loss.mean;
  if (order.size() == 1) return winner;
  winner.second = order[1];
  winner.told_apart = paired_difference(*order[0], *order[1]).told_apart();
  return winner;
}

std::size_t nearest(const std::vector<double>& values, double wanted) {
  return std::ranges::min_element(values, {}, [&](double x) { return std::abs(x - wanted); }) - values.begin();
}

std::string tile(const WinnerMap& map, std::size_t row, std::size_t column) {
  const Winner& winner = map.cells[row][column];
  if (winner.arm == nullptr) return "";
  const double step = (right - left) / map.false_positive.size();
  const double x = left + step * column;
  const double y = top + row_height * (map.directive.size() - 1 - row);
  std::string svg = fmt::format("<g><title>{} {:.2f}{}</title>", escaped(winner.arm->name), winner.loss,
                                winner.second == nullptr ? std::string()
                                                         : fmt::format(", then {} {:.2f}", escaped(winner.second->name),
                                                                       winner.second->summary->final_loss.mean));
  svg += fmt::format("<rect class=\"tile{} c{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
                     winner.told_apart ? "" : " close", winner.arm->style % colours, x + 1, y + 1, step - 2,
                     row_height - 2);
  svg += fmt::format("<text class=\"name middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}{:.{}f}</text></g>\n", x + step / 2,
                     y + row_height / 2 + 5, winner.told_apart ? "" : "≈ ", winner.loss, winner.loss < 10 ? 2 : 1);
  if (row != nearest(map.directive, paper_directive) || column != nearest(map.false_positive, paper_false_positive))
    return svg;
  return svg + fmt::format("<rect class=\"here\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                           x + 2, y + 2, step - 4, row_height - 4);
}

std::string picture(const WinnerMap& map) {
  const double rows = map.directive.size();
  const double bottom = top + row_height * rows, height = bottom + 48;
  const double step = (right - left) / map.false_positive.size();
  std::string svg = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Best objective\" "
      "xmlns=\"http://www.w3.org/2000/svg\">\n",
      width, height);
  for (std::size_t r = 0; r < map.directive.size(); ++r) {
    const double y = top + row_height * (rows - 0.5 - r);
    svg +=
        fmt::format("<text class=\"tick end\" x=\"{}\" y=\"{:.1f}\">{:g}</text>\n", left - 7, y + 4, map.directive[r]);
    for (std::size_t c = 0; c < map.false_positive.size(); ++c) svg += tile(map, r, c);
  }
  for (std::size_t c = 0; c < map.false_positive.size(); ++c) {
    svg += fmt::format("<text class=\"tick middle\" x=\"{:.1f}\" y=\"{:.1f}\">{:g}</text>\n", left + step * (c + 0.5),
                       bottom + 17, map.false_positive[c]);
  }
  svg += fmt::format("<text class=\"name middle\" x=\"{}\" y=\"{:.1f}\">false-positive rate of the judge</text>\n",
                     (left + right) / 2, height - 8);
  svg += fmt::format(
      "<text class=\"name middle\" transform=\"translate(14 {:.1f}) rotate(-90)\">hint density</text>\n</svg>\n",
      (top + bottom) / 2);
  return svg;
}

std::string legend(const WinnerMap& map) {
  std::vector<const Arm*> winners;
  for (const std::vector<Winner>& row : map.cells) {
    for (const Winner& w : row) {
      if (w.arm == nullptr || std::ranges::any_of(winners, [&](const Arm* arm) { return arm->name == w.arm->name; }))
        continue;
      winners.push_back(w.arm);
    }
  }
  std::string html = "<ul class=\"legend\">";
  for (const Arm* arm : winners) {
    html += fmt::format(
        "<li><svg class=\"swatch\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><rect class=\"tile c{}\" width=\"30\" "
        "height=\"10\"/></svg>{}</li>",
        arm->style % colours, escaped(arm->name));
  }
  return html + "</ul>\n";
}

std::string in_words(const WinnerMap& map) {
  const std::size_t r = nearest(map.directive, paper_directive), c = nearest(map.false_positive, paper_false_positive);
  const Winner& w = map.cells[r][c];
  std::string text = fmt::format(
      "The setting of OpenClaw-RL is estimated to lie at a false-positive rate of {:g} and a hint density of {:g}; the "
      "framed cell ({:g}, {:g}) is the nearest here",
      paper_false_positive, paper_directive, map.false_positive[c], map.directive[r]);
  if (w.arm == nullptr) return "<p>" + text + " and was not measured.</p>\n";
  text += fmt::format(". {} leads there with {:.2f}", escaped(w.arm->name), w.loss);
  if (w.second != nullptr) {
    text += fmt::format(", before {} with {:.2f}{}", escaped(w.second->name), w.second->summary->final_loss.mean,
                        w.told_apart ? "" : ": too close to tell apart");
  }
  return "<p>" + text + ".</p>\n";
}

}  // namespace

std::vector<WinnerMap> winner_maps(const Studies& studies) {
  std::vector<std::string> keys;
  for (const StudySetting& setting : studies.settings) {
    const std::string& key = setting.arms[0].elsewhere;
    if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
  std::vector<WinnerMap> maps;
  for (const std::string& key : keys) {
    std::set<double> false_positive, directive;
    std::size_t most = 0, settings = 0;
    for (const StudySetting& setting : studies.settings) {
      if (setting.arms[0].elsewhere != key) continue;
      false_positive.insert(setting.arms[0].false_positive);
      directive.insert(setting.arms[0].directive);
      most = std::max(most, setting.arms.size());
      ++settings;
    }
    const bool grid = settings == false_positive.size() * directive.size();
    if (!grid || false_positive.size() < 2 || directive.size() < 2 || most < 2) continue;
    WinnerMap map{.false_positive = {false_positive.begin(), false_positive.end()},
                  .directive = {directive.begin(), directive.end()}};
    map.cells.assign(directive.size(), std::vector<Winner>(false_positive.size()));
    for (const StudySetting& setting : studies.settings) {
      const Arm& arm = setting.arms[0];
      if (arm.elsewhere == key)
        map.cells[nearest(map.directive, arm.directive)][nearest(map.false_positive, arm.false_positive)] =
            best_of(setting);
    }
    maps.push_back(std::move(map));
  }
  return maps;
}

std::string map_section(const Studies& studies) {
  std::string html;
  for (const WinnerMap& map : winner_maps(studies))
    html += legend(map) + "<figure class=\"map\">" + picture(map) + "</figure>\n" + in_words(map);
  if (html.empty()) return "";
  return "<h3>Which objective is best where</h3>\n" + html +
         "<p class=\"soft\">The colour is the objective with the lowest loss, the number that loss. Pale, with ≈: the "
         "paired 95 % interval of the difference to the second holds zero.</p>\n";
}

}  // namespace shoal
