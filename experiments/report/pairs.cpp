#include "experiments/report/pairs.hpp"

#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "experiments/report/html.hpp"
#include "experiments/report/svg_chart.hpp"

namespace shoal {
namespace {

constexpr double z_two_sided = 1.959963984540054;  // 97.5 % point of the normal distribution
constexpr double z_power = 1.2815515655446004;     // 90 % point
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::size_t open_settings = 2, open_arms = 6;  // tables of more settings or arms need a click

std::string name(const Arm& arm) { return svg_swatch(arm.style) + escaped(arm.name); }

std::string row(const Arm& first, const Arm& second, const PairedDifference& d) {
  std::string html = fmt::format("<tr><td class=\"label\">{} &minus; {}</td><td>{:.3g}</td><td>{:.3g}</td>",
                                 name(first), name(second), d.mean, d.deviation);
  html += std::isfinite(d.half_width)
              ? fmt::format("<td>{:.3g} to {:.3g}</td>", d.mean - d.half_width, d.mean + d.half_width)
              : "<td>-</td>";
  html += fmt::format("<td>{}</td>", d.pairs);
  if (!std::isfinite(d.needed())) return html + "<td>-</td><td class=\"text\">equal in every pair</td></tr>\n";
  html += fmt::format("<td>{:.0f}</td>", d.needed());
  const char* verdict = d.pairs >= d.needed() ? "enough pairs"
                        : d.told_apart()      ? "told apart, by less than the power asked for"
                                              : "too few pairs to tell them apart";
  return html + fmt::format("<td class=\"text\">{}</td></tr>\n", verdict);
}

std::string table(const StudySetting& setting) {
  std::string rows;
  for (std::size_t i = 0; i < setting.arms.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const PairedDifference d = paired_difference(setting.arms[i], setting.arms[j]);
      if (d.pairs >= 2) rows += row(setting.arms[i], setting.arms[j], d);
    }
  }
  if (rows.empty()) return "";
  return "<div class=\"wide\"><table>\n<thead><tr><th class=\"text\"></th><th>mean<br>difference</th><th>standard<br>"
         "deviation</th><th>95 % interval</th><th>pairs</th><th>pairs<br>needed</th><th class=\"text\"></th></tr>"
         "</thead>\n<tbody>\n" +
         rows + "</tbody></table></div>\n";
}

}  // namespace

double PairedDifference::needed() const { return std::ceil(pairs_needed(mean, deviation)); }

double pairs_needed(double difference, double deviation) {
  if (difference == 0) return infinity;
  const double root = (z_two_sided + z_power) * deviation / difference;
  return root * root;
}

// Cornish-Fisher expansion in 1 / freedom. Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.5.
double student_limit(double freedom) {
  constexpr double z = z_two_sided, z2 = z * z;
  const double g1 = (z2 + 1) * z / 4, g2 = ((5 * z2 + 16) * z2 + 3) * z / 96,
               g3 = (((3 * z2 + 19) * z2 + 17) * z2 - 15) * z / 384,
               g4 = ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) * z / 92160;
  return z + (g1 + (g2 + (g3 + g4 / freedom) / freedom) / freedom) / freedom;
}

PairedDifference paired_difference(const Arm& first, const Arm& second) {
  const auto ours = first.replicates(), theirs = second.replicates();
  double sum = 0, squares = 0;
  std::vector<double> differences;
  for (const auto& [replicate, loss] : ours) {
    const auto other = theirs.find(replicate);
    if (other == theirs.end() || !std::isfinite(loss - other->second)) continue;
    differences.push_back(loss - other->second);
    sum += differences.back();
  }
  PairedDifference d{.pairs = std::ssize(differences), .half_width = infinity};
  const double n = differences.size();
  if (differences.empty()) return d;
  d.mean = sum / n;
  for (const double x : differences) squares += (x - d.mean) * (x - d.mean);
  if (d.pairs > 1) d.deviation = std::sqrt(squares / (n - 1));
  if (d.pairs > 2) d.half_width = student_limit(n - 1) * d.deviation / std::sqrt(n);
  return d;
}

std::string paired_section(const Studies& studies) {
  std::string html;
  std::size_t tables = 0;
  for (const StudySetting& setting : studies.settings) {
    const std::string rows = table(setting);
    if (rows.empty()) continue;
    html += fmt::format("<details{}><summary>{}</summary>\n{}</details>\n",
                        tables++ < open_settings && setting.arms.size() <= open_arms ? " open" : "",
                        setting.title.empty() ? "All replicates" : escaped(setting.title), rows);
  }
  if (html.empty()) return "";
  return "<h3>Paired comparisons</h3>\n<p class=\"soft\">Replicate i meets the same world under every setting, so "
         "differences are taken pair by pair, of the metric (less is better). Pairs needed: for "
         "a two-sided test at 95 % to find a difference as large as the one found with probability 90 %. Intervals are "
         "not widened for the number of comparisons.</p>\n" +
         html;
}

}  // namespace shoal
