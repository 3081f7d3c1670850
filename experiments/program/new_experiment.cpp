#include "experiments/program/new_experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "experiments/program/json.hpp"
#include "experiments/program/run/experiment.hpp"
#include "experiments/program/run/grid.hpp"
#include "experiments/program/vocabulary.hpp"

namespace shoal {
namespace {

// The settings worth choosing first, by task. Comments come from the settings themselves.
const std::map<std::string, const char*> first_settings{
    {"supervised",
     "rounds = 100\ndata.name = \"optdigits\"\npartition = {name = \"dirichlet\", clients = 100, alpha = 0.3}\n"
     "model = {name = \"mlp\", widths = [64]}\nplanner = {name = \"uniform\", cohort = 10, dropout = 0.1}\n"
     "local = {epochs = 1, batch = 10, rate = 0.1}\nevaluate = {every = 10, target = 0.9}\n"
     "grid = {strategy = [\"fed_avg\", {name = \"fed_prox\", mu = 0.01}], seed = [1, 2, 3]}\n"},
    {"quadratic",
     "rounds = 100\ntask = {name = \"quadratic\", clients = 20, dimension = 10, spread = 1.0}\n"
     "planner = {name = \"uniform\", cohort = 10}\nlocal = {steps = 5, rate = 0.1}\nevaluate.every = 10\n"
     "grid = {strategy = [\"fed_avg\", \"scaffold\"], seed = [1, 2, 3]}\n"},
    {"agents",
     "rounds = 20\ntask = {name = \"agents\", users = 100, sessions = 2}\npolicy.name = \"linear\"\n"
     "planner = {name = \"uniform\", cohort = 10}\nlocal.rate = 0.1\nevaluate.every = 5\n"
     "grid = {objective = [\"binary_rl\", \"hybrid\"], seed = [1, 2, 3]}\n"},
    {"rules",
     "task = {name = \"rules\", replicates = 100}\njudge.name = \"confusion\"\n"
     "grid = {objective = [\"binary_rl\", \"opd_token\"], seed = [1, 2, 3]}\n"},
    {"machines",
     "task = {name = \"machines\", replicates = 100}\nobjective.name = \"grpo\"\n"
     "grid = {\"judge.false_positive\" = [0, 0.3], seed = [1, 2, 3]}\n"},
    {"talk",
     "task = {name = \"talk\", users = 12, replicates = 10}\n"
     "grid = {objective = [\"binary_rl\", \"hybrid\"], seed = [1, 2, 3]}\n"},
};

std::string first_settings_of(const std::string& task) {
  const auto found = first_settings.find(task);
  return found != first_settings.end() ? found->second
                                       : fmt::format("task.name = \"{}\"\ngrid.seed = [1, 2, 3]\n", task);
}

constexpr std::size_t widest = 120;

// Comment lines that hold the text, broken between words.
std::string comment_of(const std::string& text) {
  std::string lines, line = "#";
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > widest) lines += std::exchange(line, "#") + "\n";
    line += " " + word;
  }
  return lines + line + "\n";
}

// A line of the file with the setting's meaning behind it, or above it if it is long.
std::string line_of(const std::string& assignment, const Declared* setting) {
  if (!setting) return assignment + "\n";
  const std::string meaning = fmt::format("{} ({})", setting->meaning, setting->type);
  std::string line = fmt::format("{:<24} # {}\n", assignment, meaning);
  return line.size() <= widest ? line : comment_of(meaning) + assignment + "\n";
}

class Writer {
 public:
  Writer(const Settings& chosen, const Settings& composed, bool with_all)
      : leaves_(chosen.leaves()), composed_(composed), with_all_(with_all) {}

  // The keys directly in a section, under its heading.
  void section(const std::string& path) {
    std::string lines;
    const std::vector<Declared> declared = declared_at(composed_, path);
    std::vector<std::string> written;
    for (const Settings::Leaf& leaf : leaves_) {
      const std::size_t dot = leaf.key.rfind('.');
      if ((dot == std::string::npos ? "" : leaf.key.substr(0, dot)) != path || leaf.key == "name") continue;
      const std::string key = leaf.key.substr(dot == std::string::npos ? 0 : dot + 1);
      const auto setting = std::ranges::find(declared, key, &Declared::key);
      lines += line_of(fmt::format("{} = {}", key, leaf.toml), setting == declared.end() ? nullptr : &*setting);
      written.push_back(key);
    }
    for (const Declared& setting : declared) {
      const bool is_written = std::ranges::find(written, setting.key) != written.end();
      if (!with_all_ || is_written || (path.empty() && setting.key == "name")) continue;
      lines += line_of(fmt::format("# {} = {}", setting.key, setting.fallback), &setting);
    }
    if (lines.empty()) return;
    text += path.empty() ? lines : fmt::format("\n[{}]\n{}", path, lines);
  }

  std::string text;

 private:
  std::vector<Settings::Leaf> leaves_;
  const Settings& composed_;
  bool with_all_;
};

}  // namespace

std::string new_experiment(const std::string& task, const std::string& name, bool with_all) {
  find_part<TaskKind>("task", task);  // an error names the nearest
  const Settings chosen = Settings::parse(first_settings_of(task), "new experiment");
  const Settings composed = expand_grid(chosen).front().settings;
  Datasets datasets;
  compose(composed, datasets);

  Settings named;
  named.set("name", json_text(name));  // a JSON string is a TOML string
  Writer writer(chosen, composed, with_all);
  writer.text =
      "# The question, the setting, and the result with its numbers.\n"
      "# 'shoal explain NAME' tells more about every part and section.\n" +
      named.canonical();
  std::vector<std::string> paths{""};
  for (const Entry& entry : vocabulary()) {
    const bool is_new = entry.kind != "key" && std::ranges::find(paths, entry.section) == paths.end();
    if (is_new && entry.section != "grid") paths.push_back(entry.section);
  }
  std::ranges::sort(paths);  // a section stands before those in it
  for (const std::string& path : paths) writer.section(path);
  writer.text += "\n[grid]                     # every combination of these values is a cell\n";
  for (const Settings::Leaf& leaf : chosen.section("grid").leaves()) {
    writer.text += fmt::format("{} = {}\n", leaf.key, leaf.toml);
  }
  return writer.text;
}

}  // namespace shoal
