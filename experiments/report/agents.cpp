#include "experiments/report/agents.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "experiments/report/html.hpp"
#include "experiments/report/pairs.hpp"
#include "experiments/report/svg_chart.hpp"
#include "experiments/report/winner_map.hpp"
#include "sim/agents/language/hint_gain.hpp"

namespace shoal {
namespace {

constexpr int ticks = 6;
constexpr std::size_t chance_style = 20;  // grey and dotted
constexpr std::size_t most_values = 4;    // a table lists up to this many values of an outcome one by one
constexpr std::size_t open_figures = 8;   // figures of one kind that are shown; the others need a click

// An outcome with one value per session, update or age.
struct Progress {
  const char *outcome, *title, *x_title, *y_title;
  double x_step, scale;   // units of an index of the outcome, of its values
  bool share;             // values are shares of the outcome's sum
  const char* task = "";  // empty: any
};

constexpr Progress progresses[] = {
    {"survival", "Users not yet content three times in a row", "sessions", "users (%)", 1, 100, false},
    {"rule_rate", "First replies that follow the user's rule", "updates", "probability (%)", 1, 100, false},
    {"correctness", "Replies that solve the task", "updates", "share (%)", 1, 100, false},
    {"success", "Episodes that succeed", "updates (% of all)", "episodes (%)", 10, 100, false, "machines"},
    {"kl", "Divergence from the untrained policy", "updates", "KL per token (nats)", 1, 1, false},
    {"entropy", "Entropy of the policy", "updates", "nats per token", 1, 1, false},
    {"length", "Length of replies", "updates", "tokens", 1, 1, false},
    {"staleness", "Age of what was learned from", "updates between serving and learning (the last: or more)",
     "share (%)", 1, 100, true},
};

Curve curve_of(std::vector<double> values, const Progress& what) {
  double sum = 0;
  for (const double x : values) sum += x;
  const double scale = what.share ? (sum > 0 ? what.scale / sum : 0) : what.scale;
  Curve curve{.points = {}, .seeds = 1, .diverged = {}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double y = values[i] * scale;
    if (std::isfinite(y)) curve.points.push_back({what.x_step * i, y, y, y, 1});
  }
  return curve;
}

// Empty if no arm has the outcome.
std::string figure(const StudySetting& setting, const Studies& studies, const Progress& what, std::size_t index) {
  Chart chart{.id = fmt::format("{}{}", what.outcome, index),
              .title = what.title,
              .x_title = what.x_title,
              .y_title = what.y_title,
              .x = {},
              .y = {},
              .lines = {},
              .target = {}};
  for (const Arm& arm : setting.arms) {
    if (*what.task != 0 && arm.task != what.task) continue;
    Curve curve = curve_of(arm.outcome(what.outcome), what);
    if (!curve.points.empty()) chart.lines.push_back({arm.name, arm.style, std::move(curve)});
  }
  if (chart.lines.empty()) return "";
  const bool learns = std::ranges::any_of(setting.arms, &Arm::learns);
  if (learns && studies.chance && studies.chance->task == setting.arms[0].task) {
    Curve curve = curve_of(studies.chance->outcome(what.outcome), what);
    if (!curve.points.empty()) chart.lines.push_back({"no learning", chance_style, std::move(curve)});
  }
  double low = 0, high = 0, last = 0;
  for (const ChartLine& line : chart.lines) {
    for (const CurvePoint& p : line.curve.points) {
      low = std::min(low, p.mean);
      high = std::max(high, p.mean);
      last = std::max(last, p.x);
    }
  }
  chart.x = fitted_axis(0, last, ticks);
  chart.y = what.scale == 100 ? rounded_axis(0, 100, ticks) : rounded_axis(low, high, ticks);
  return fmt::format("<figure><figcaption>{}{}</figcaption>\n{}</figure>\n", what.title,
                     setting.title.empty() ? "" : " <span>(" + escaped(setting.title) + ")</span>", svg_chart(chart));
}

std::string legend(const Studies& studies) {
  std::string html = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < studies.names.size(); ++i)
    html += fmt::format("<li>{}{}</li>", svg_swatch(i), escaped(studies.names[i]));
  if (studies.chance) html += fmt::format("<li>{}no learning</li>", svg_swatch(chance_style));
  return html + "</ul>\n";
}

std::string curves(const Studies& studies) {
  const auto in_grid = [](const std::string& figures) { return "<div class=\"charts\">\n" + figures + "</div>\n"; };
  const bool alone = studies.settings.size() == 1;  // then all kinds are side by side
  std::string html;
  for (const Progress& what : progresses) {
    std::string open, rest;
    std::size_t count = 0;
    for (std::size_t i = 0; i < studies.settings.size(); ++i) {
      const std::string drawn = figure(studies.settings[i], studies, what, i);
      if (drawn.empty()) continue;
      (count++ < open_figures ? open : rest) += drawn;
    }
    if (!open.empty()) html += alone ? open : in_grid(open);
    if (!rest.empty())
      html +=
          fmt::format("<details><summary>{}: {} more settings</summary><div class=\"charts\">\n{}</div></details>\n",
                      what.title, count - open_figures, rest);
  }
  if (html.empty()) return "";
  return "<h3>Curves</h3>\n" + legend(studies) + (alone ? in_grid(html) : html) +
         "<p class=\"soft\">Means over replicates. Against updates, a replicate that ended early counts with its last "
         "value.</p>\n";
}

struct Column {
  std::string outcome, name;
};

std::string number(double x) {
  if (!std::isfinite(x)) return "-";
  return std::abs(x) >= 1000 && std::abs(x) < 1e9 ? fmt::format("{:.0f}", x) : fmt::format("{:.3g}", x);
}

std::string cell(const std::vector<double>& values) {
  std::string text;
  if (values.size() > most_values) {
    double sum = 0;
    for (const double x : values) sum += x;
    const auto [least, most] = std::ranges::minmax(values);
    text = fmt::format("{} ({} to {})", number(sum / values.size()), number(least), number(most));
  } else {
    for (const double x : values) text += (text.empty() ? "" : " / ") + number(x);
  }
  return fmt::format("<td>{}</td>", text.empty() ? "-" : text);
}

bool has(const Studies& studies, const std::string& outcome) {
  return std::ranges::any_of(studies.settings, [&](const StudySetting& setting) {
    return std::ranges::any_of(setting.arms, [&](const Arm& arm) { return !arm.outcome(outcome).empty(); });
  });
}

// For narrow columns: a line for each word of a name.
std::string in_lines(const std::string& text) {
  std::string lines;
  for (const char c : text) lines += c == ' ' ? "<br>" : std::string(1, c);
  return lines;
}

// One row per label; columns that no label fills are left out.
std::string table(const Studies& studies, const std::vector<Column>& wanted, const char* title,
                  const std::string& note) {
  std::vector<Column> columns;
  for (const Column& column : wanted) {
    if (has(studies, column.outcome)) columns.push_back(column);
  }
  if (columns.empty()) return "";
  std::string html =
      fmt::format("<h3>{}</h3>\n<div class=\"wide\"><table>\n<thead><tr><th class=\"text\"></th>", title);
  for (const Column& column : columns) html += fmt::format("<th>{}</th>", in_lines(escaped(column.name)));
  html += "</tr></thead>\n<tbody>\n";
  for (const StudySetting& setting : studies.settings) {
    for (const Arm& arm : setting.arms) {
      html += fmt::format("<tr><td class=\"label\">{}{}</td>", svg_swatch(arm.style), escaped(arm.summary->label));
      for (const Column& column : columns) html += cell(arm.outcome(column.outcome));
      html += "</tr>\n";
    }
  }
  return html + fmt::format("</tbody></table></div>\n<p class=\"soft\">{}</p>\n", note);
}

std::string spaced(std::string text) {
  std::ranges::replace(text, '_', ' ');
  return text;
}

void add(std::vector<Column>& columns, std::initializer_list<const char*> names) {
  for (const char* name : names) columns.push_back({name, spaced(name)});
}

// Adds the outcomes of one number that are `wanted` and in no table yet, in the order of the model.
template <class Wanted>
void add_found(const Studies& studies, std::vector<Column>& columns, Wanted&& wanted) {
  for (const StudySetting& setting : studies.settings) {
    for (const Arm& arm : setting.arms) {
      for (const std::string& name : arm.outcomes()) {
        const bool known = std::ranges::find(columns, name, &Column::outcome) != columns.end();
        if (!known && wanted(name) && arm.outcome(name).size() == 1) columns.push_back({name, spaced(name)});
      }
    }
  }
}

// If hints are worth nothing to a policy, the use that objectives make of them says nothing about hints.
std::string closed_gate(const Studies& studies) {
  for (const StudySetting& setting : studies.settings) {
    for (const Arm& arm : setting.arms) {
      const std::vector<double> gain = arm.outcome("hint_gain");
      if (gain.size() != 3 || HintGain{gain[0], gain[1], gain[2]}.open()) continue;
      return fmt::format(
          "<p><b>No claim about hints can be made from {}</b>: to its untrained policy a hint is worth {:.2f} nats a "
          "reply (95 % interval {:.2f} to {:.2f}), and the interval must lie above {}.</p>\n",
          escaped(arm.summary->label), gain[0], gain[1], gain[2], HintGain::least);
    }
  }
  return "";
}

std::string tables(const Studies& studies) {
  std::vector<Column> yield{{"sessions", "sessions, by user"}, {"censored", "never content"}};
  add(yield, {"judged", "voted", "hinted", "taken", "dropped", "produced", "consumed"});
  add_found(studies, yield, [](const std::string& name) { return name.starts_with("dropped_"); });
  add(yield, {"resident", "updates_per_session", "first_success"});
  yield.push_back({"hint_gain", "hint gain, 95 %"});
  std::vector<Column> waiting;
  add(waiting, {"requests", "refused", "pauses", "stall_seconds", "serving_latency", "queue_longest", "idle_serving",
                "idle_judge", "idle_trainer", "updates", "hours"});
  std::vector<Column> known = yield;
  known.insert(known.end(), waiting.begin(), waiting.end());
  const auto listed = std::ssize(known);
  add_found(studies, known, [](const std::string&) { return true; });
  const std::vector<Column> others(known.begin() + listed, known.end());

  std::string note = "Means over replicates.";
  if (has(studies, "judged"))
    note +=
        " Judged = taken + dropped, per session: voted had a vote that was no tie, hinted a hint; taken went into a "
        "batch; dropped lacked the signal that the objective learns from.";
  if (has(studies, "produced")) note += " Produced = consumed + dropped + resident.";
  if (has(studies, "first_success")) note += " First success: updates until half of the episodes succeed.";
  return table(studies, yield, "Yield", note) +
         table(studies, waiting, "Queues and waiting",
               "Means over replicates: times in virtual seconds unless hours are said, idle as shares of the time.") +
         table(studies, others, "What else was counted", "Means over replicates.");
}

std::string chance_note(const Studies& studies) {
  if (!studies.chance) return "";
  const Spread& loss = studies.chance->summary->final_loss;
  return fmt::format("<p>Without learning (label {}) the loss is {:.4g}: the chance level of the measure.</p>\n",
                     escaped(studies.chance->summary->label), loss.mean);
}

}  // namespace

std::string agent_section(std::span<const LabelSummary> summaries) {
  const Studies studies = studies_of(summaries);
  if (studies.settings.empty()) return "";
  return "<h2>Agents</h2>\n" + closed_gate(studies) + chance_note(studies) + map_section(studies) +
         paired_section(studies) + tables(studies) + curves(studies);
}

}  // namespace shoal
