#include "experiments/report/studies.hpp"

#include <algorithm>
#include <cstring>

#include "sim/settings/settings.hpp"

namespace shoal {
namespace {

const std::vector<std::string> tasks = {"rules", "machines", "talk"};

std::vector<std::string> words_of(const std::string& label) {
  std::vector<std::string> words;
  std::size_t from = 0;
  for (std::size_t at = label.find(", "); at != std::string::npos; at = label.find(", ", from)) {
    words.push_back(label.substr(from, at - from));
    from = at + 2;
  }
  words.push_back(label.substr(from));
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool is_of(const std::string& key, const std::string& section) {
  return key == section || key.starts_with(section + ".");
}

// All settings but the seed and those that tell arms apart.
std::string settings_of(const Settings& config, const std::string& task, bool whole) {
  std::vector<std::string> lines;
  for (const Settings::Leaf& leaf : config.leaves()) {
    if (leaf.key == "seed" || is_of(leaf.key, "objective") || (task == "machines" && leaf.key == "task.rewards"))
      continue;
    if (!whole && (leaf.key == "judge.false_positive" || leaf.key == "task.directive")) continue;
    lines.push_back(leaf.key + " = " + leaf.toml + "\n");
  }
  std::ranges::sort(lines);
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

// Splits the labels of a setting into what they share and what tells them apart.
void name_arms(StudySetting& setting, const std::vector<std::string>& objectives) {
  std::vector<std::string> shared = words_of(setting.arms[0].summary->label);
  for (const Arm& arm : setting.arms) {
    const std::vector<std::string> words = words_of(arm.summary->label);
    std::erase_if(shared, [&](const std::string& word) { return std::ranges::find(words, word) == words.end(); });
  }
  const bool alone = setting.arms.size() == 1;
  if (alone) std::erase(shared, objectives[0]);
  setting.title = joined(shared);
  for (std::size_t i = 0; i < setting.arms.size(); ++i) {
    std::vector<std::string> words = words_of(setting.arms[i].summary->label);
    std::erase_if(words, [&](const std::string& word) { return std::ranges::find(shared, word) != shared.end(); });
    setting.arms[i].name = alone || words.empty() ? objectives[i] : joined(words);
  }
}

struct Found {
  Arm arm;
  std::string objective, setting;
  bool notes = false;
};

Found found_in(const LabelSummary& summary) {
  const Settings config = Settings::parse(summary.cells.front()->header.config, "configuration of the run");
  const Settings task = config.section("task");
  Found found{.arm = {.summary = &summary, .task = task.text("name", "supervised", "what is learned")}};
  if (std::ranges::find(tasks, found.arm.task) == tasks.end()) return found;
  found.arm.false_positive = config.section("judge").number("false_positive", 0, "of the judge");
  found.arm.directive = task.number("directive", 0.8, "of the users");
  found.arm.learns = task.number("rate", 1, "of learning") != 0;
  found.arm.elsewhere = settings_of(config, found.arm.task, false);
  found.notes = task.flag("memory", false, "takes notes");
  found.objective = config.section("objective")
                        .text("name", found.arm.task == "machines" ? "grpo" : "binary_rl", "what is learned from");
  found.setting = settings_of(config, found.arm.task, true);
  return found;
}

}  // namespace

std::vector<double> Arm::outcome(const std::string& wanted) const {
  std::vector<double> sum;
  double cells = 0;
  for (const CellContents* cell : summary->cells) {
    for (const ModelParameter& parameter : cell->model) {
      if (parameter.name != wanted || !is_whole(parameter)) continue;
      const std::size_t bytes = bytes_of(parameter.type), count = parameter.values.size() / bytes;
      if (sum.empty()) sum.resize(count);
      if (sum.size() != count) continue;
      for (std::size_t i = 0; i < count; ++i) {
        float single = 0;
        double value = 0;
        std::memcpy(parameter.type == ValueType::float32 ? static_cast<void*>(&single) : &value,
                    parameter.values.data() + i * bytes, bytes);
        sum[i] += parameter.type == ValueType::float32 ? single : value;
      }
      ++cells;
    }
  }
  for (double& x : sum) x /= cells;
  return sum;
}

std::vector<std::string> Arm::outcomes() const {
  std::vector<std::string> names;
  for (const CellContents* cell : summary->cells) {
    for (const ModelParameter& parameter : cell->model) {
      if (std::ranges::find(names, parameter.name) == names.end()) names.push_back(parameter.name);
    }
  }
  return names;
}

std::map<std::pair<std::int64_t, std::int64_t>, double> Arm::replicates() const {
  std::map<std::pair<std::int64_t, std::int64_t>, double> found;
  for (const CellContents* cell : summary->cells) {
    const auto table = cell->tables.find("replicates");
    if (table == cell->tables.end()) continue;
    for (std::int64_t r = 0; r < table->second.rows(); ++r) {
      found.try_emplace({cell->header.seed, table->second.integer(r, 0)}, table->second.real(r, 1));
    }
  }
  return found;
}

Studies studies_of(std::span<const LabelSummary> summaries) {
  std::vector<Found> found;
  for (const LabelSummary& s : summaries) {
    Found arm = found_in(s);
    if (std::ranges::find(tasks, arm.arm.task) != tasks.end()) found.push_back(std::move(arm));
  }
  std::map<std::string, int> arms_of;
  for (const Found& f : found) ++arms_of[f.setting];
  const bool alone = std::ranges::all_of(arms_of, [](const auto& setting) { return setting.second == 1; });

  Studies studies;
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> objectives;
  for (Found& f : found) {
    const std::string& key = alone ? f.arm.task : f.setting;
    const std::size_t at = std::ranges::find(keys, key) - keys.begin();
    if (at == keys.size()) {
      keys.push_back(key);
      studies.settings.emplace_back();
      objectives.emplace_back();
    }
    if (!f.arm.learns && !f.notes && !studies.chance) studies.chance = f.arm;
    objectives[at].push_back(f.objective);
    studies.settings[at].arms.push_back(std::move(f.arm));
  }
  for (std::size_t s = 0; s < keys.size(); ++s) {
    name_arms(studies.settings[s], objectives[s]);
    for (Arm& arm : studies.settings[s].arms) {
      arm.style = std::ranges::find(studies.names, arm.name) - studies.names.begin();
      if (arm.style == studies.names.size()) studies.names.push_back(arm.name);
    }
  }
  return studies;
}

}  // namespace shoal
