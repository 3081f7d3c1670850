// The text of a plan: lines that kinds of cells have in common are printed once.

#include "experiments/program/plan/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/program/run/progress.hpp"

namespace shoal {
namespace {

// 10,000,000; not for negative numbers.
std::string grouped(std::int64_t number) {
  return number < 1000 ? std::to_string(number) : fmt::format("{},{:03}", grouped(number / 1000), number % 1000);
}

// 1.2 GFLOP
std::string flops_text(double flops) {
  const char* const units[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"};
  std::size_t unit = 0;
  for (; flops >= 999.5 && unit + 1 < std::size(units); ++unit) flops /= 1000;
  return fmt::format("{:.3g} {}", flops, units[unit]);
}

std::string mean_text(double mean) {
  return mean == std::floor(mean) ? grouped(std::llround(mean)) : fmt::format("{:.1f}", mean);
}

class Lines {
 public:
  void add(const std::string& name, const std::string& value) { text_ += fmt::format("  {:<14}{}\n", name, value); }
  void add(const std::string& name, const std::vector<std::string>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) add(i == 0 ? name : "", values[i]);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string labels_text(const std::vector<std::int64_t>& of_label) {
  if (of_label.size() > 20) {
    const auto [least, most] = std::ranges::minmax(of_label);
    return fmt::format("{} labels of {} to {} examples", of_label.size(), grouped(least), grouped(most));
  }
  std::string text;
  for (std::size_t label = 0; label < of_label.size(); ++label) {
    text += fmt::format("{}{}: {}", label == 0 ? "" : "  ", label, grouped(of_label[label]));
  }
  return text;
}

std::string federation_text(const CellPlan& cell) {
  if (!cell.is_federation) return "";
  const ClientsPlan& clients = cell.clients;
  Lines lines;
  lines.add("model", fmt::format("{} parameters", grouped(cell.parameters)));
  std::string who = grouped(clients.clients);
  if (clients.sampled < clients.clients) {
    who += fmt::format(" (what follows is about {} of them, drawn at random)", grouped(clients.sampled));
  }
  if (clients.empty > 0) who += fmt::format(", {} without examples", grouped(clients.empty));
  if (clients.small > 0) who += fmt::format(", {} with too little memory", grouped(clients.small));
  lines.add("clients", who);
  const std::vector<std::int64_t>& examples = clients.examples;
  lines.add("examples", fmt::format("{} / {} / {} a client (min / median / max)", grouped(examples.front()),
                                    grouped(examples[(examples.size() - 1) / 2]), grouped(examples.back())));
  if (examples.front() != examples.back()) lines.add("", histogram(examples));
  if (cell.tested_examples > 0) lines.add("evaluation", fmt::format("on {} examples", grouped(cell.tested_examples)));
  if (!clients.of_label.empty()) {
    lines.add("labels", labels_text(clients.of_label));
    lines.add("labels held", histogram(clients.labels));
    if (!clients.top_share.empty()) {
      const double median = clients.top_share[(clients.top_share.size() - 1) / 2];
      lines.add("", fmt::format("most frequent one: {:.0f} % of a median client's examples", 100 * median));
    }
  }
  if (!clients.groups.empty()) lines.add("writers held", histogram(clients.groups));
  return lines.text();
}

std::string memory_text(const MemoryPlan& memory) {
  std::string text = fmt::format("{} a rank: program {}", bytes_text(memory.total()), bytes_text(memory.program));
  const auto add = [&](const char* name, std::int64_t bytes) {
    if (bytes > 0) text += fmt::format(", {} {}", name, bytes_text(bytes));
  };
  add("data", memory.data);
  add("training", memory.training);
  add("sums", memory.sums);
  add("versions", memory.versions);
  return text;
}

std::string cells_text(const CellPlan& cell) {
  if (cell.seeds.size() == 1) return fmt::format("1, seed {}", cell.seeds.front());
  return fmt::format("{}, seeds {} (figures are those of seed {})", cell.seeds.size(), fmt::join(cell.seeds, ", "),
                     cell.seeds.front());
}

std::string cost_text(const CellPlan& cell) {
  if (!cell.is_federation) {
    Lines lines;
    lines.add("cells", cells_text(cell));
    lines.add("process", cell.notes);
    return lines.text();
  }
  const RoundsPlan& rounds = cell.rounds;
  const double planned = rounds.planned;
  const auto all = [&](std::int64_t sum) { return std::llround(rounds.to_all_rounds(sum)); };
  const auto each = [&](std::int64_t sum) { return sum / planned; };
  Lines lines;
  lines.add("cells", cells_text(cell));
  std::string count = grouped(rounds.rounds);
  if (cell.is_upper_bound) count += " at most (ends at the target)";
  if (rounds.planned < rounds.rounds) {
    count += fmt::format("; {} were planned, sums are extrapolated from them", grouped(rounds.planned));
  }
  lines.add("rounds", count);
  lines.add("cohort", fmt::format("{} a round, of which {} are committed", mean_text(each(rounds.started)),
                                  mean_text(each(rounds.committed))));
  lines.add("dropouts", fmt::format("{} in all ({:.1f} %); {} rounds abandoned", grouped(all(rounds.dropouts)),
                                    rounds.started == 0 ? 0.0 : 100 * each(rounds.dropouts) / each(rounds.started),
                                    grouped(all(rounds.abandoned))));
  lines.add("planner", cell.notes);
  lines.add("work", fmt::format("{} a round, {} in all", flops_text(rounds.flops / planned),
                                flops_text(rounds.to_all_rounds(rounds.flops))));
  const auto traffic = [&](const char* name, std::int64_t client, std::int64_t sum) {
    lines.add(name, fmt::format("{} a client, {} a round, {} in all", bytes_text(client),
                                bytes_text(std::llround(each(sum))), bytes_text(all(sum))));
  };
  traffic("download", rounds.message_bytes, rounds.bytes_down);
  traffic("upload", rounds.update_bytes, rounds.bytes_up);
  lines.add("virtual time", fmt::format("{} in all, {} a round", duration_text(1e-6 * all(value(rounds.time))),
                                        duration_text(seconds(rounds.time) / planned)));
  lines.add("live versions", fmt::format("{} of the model at a time", rounds.live_versions));
  lines.add("memory", memory_text(cell.memory));
  if (cell.memory.clients > 0) {
    lines.add("", fmt::format("of which {} is the clients' memory, if all of them take part",
                              bytes_text(cell.memory.clients)));
  }
  return lines.text();
}

// The text of each kind, each different text once under the labels of the kinds that share it.
template <class Describe>
std::string sections(std::span<const CellPlan> kinds, const Describe& describe) {
  std::vector<std::pair<std::string, std::string>> found;  // labels, text
  for (const CellPlan& kind : kinds) {
    const std::string text = describe(kind);
    const auto same = std::ranges::find(found, text, [](const auto& entry) { return entry.second; });
    if (same == found.end()) {
      found.emplace_back(kind.label, text);
    } else {
      same->first += "; " + kind.label;
    }
  }
  std::string all;
  for (const auto& [labels, text] : found) {
    all += fmt::format("{}\n{}\n", found.size() == 1 ? "all cells" : labels, text);
  }
  return all;
}

std::int64_t cells_of(std::span<const CellPlan> kinds) {
  std::int64_t cells = 0;
  for (const CellPlan& kind : kinds) cells += std::ssize(kind.seeds);
  return cells;
}

std::string wall_text(std::span<const CellPlan> kinds, const PlanOptions& options) {
  std::size_t width = 0;
  for (const CellPlan& kind : kinds) width = std::max(width, kind.label.size());
  std::string text = fmt::format(
      "predicted wall time: {} on {} free core{} like this one (measured: a block of clients, a chunk of "
      "evaluation; messages are free)\n",
      duration_text(wall_seconds(kinds, options)), options.ranks, options.ranks == 1 ? "" : "s");
  if (cells_of(kinds) == 1) return text;
  for (const CellPlan& kind : kinds) {
    text += fmt::format("  {:<{}}  {} a cell\n", kind.label, width, duration_text(kind.cell_seconds));
  }
  return text;
}

}  // namespace

double wall_seconds(std::span<const CellPlan> kinds, const PlanOptions& options) {
  double sum = 0, longest = 0;
  for (const CellPlan& kind : kinds) {
    sum += kind.cell_seconds * kind.seeds.size();
    longest = std::max(longest, kind.cell_seconds);
  }
  return std::max(longest, sum / rank_groups(options.ranks, cells_of(kinds)).count);
}

std::string plan_text(std::span<const CellPlan> kinds, const PlanOptions& options) {
  const std::string wall = wall_text(kinds, options);
  if (kinds.size() > 1) {
    const bool has_clients = std::ranges::any_of(kinds, &CellPlan::is_federation);
    return (has_clients ? sections(kinds, federation_text) : "") + sections(kinds, cost_text) + wall;
  }
  const CellPlan& only = kinds.front();
  const std::string who = only.is_federation ? federation_text(only) : "";
  return fmt::format("{}\n{}{}\n{}", only.label, who, cost_text(only), wall);
}

}  // namespace shoal
