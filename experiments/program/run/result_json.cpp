#include "experiments/program/run/result_json.hpp"

#include <algorithm>

#include "experiments/program/check.hpp"
#include "experiments/program/run_json.hpp"
#include "experiments/program/summary.hpp"
#include "sim/record/run_file.hpp"

namespace shoal {
namespace {

Json spread_json(const Spread& spread) {
  return {{"mean", json_real(spread.mean)}, {"deviation", json_real(spread.deviation)}, {"count", spread.count}};
}

Json label_json(const LabelSummary& label) {
  return {{"label", label.label},
          {"cells", label.cells.size()},
          {"diverged", label.diverged},
          {"nothing_accepted", label.nothing_accepted},
          {"unfinished", label.unfinished},
          {"loss_name", label.loss_name},
          {"final_accuracy", spread_json(label.final_accuracy)},
          {"best_accuracy", spread_json(label.best_accuracy)},
          {"final_loss", spread_json(label.final_loss)},
          {"personal_accuracy", spread_json(label.personal_accuracy)},
          {"personal_accuracy_p10", spread_json(label.personal_accuracy_p10)},
          {"rounds_to_target", spread_json(label.rounds_to_target)},
          {"seconds_to_target", spread_json(label.seconds_to_target)},
          {"bytes_up", spread_json(label.bytes_up)},
          {"bytes_down", spread_json(label.bytes_down)},
          {"dropouts", spread_json(label.dropouts)},
          {"rejected", spread_json(label.rejected)}};
}

}  // namespace

Json result_json(const RunResult& result, const std::string& file) {
  Json cells = Json::array(), labels = Json::array();
  for (const CellContents& cell : result.cells) cells.push_back(totals_json(cell));
  for (const LabelSummary& label : summarize(result.cells)) labels.push_back(label_json(label));
  return {{"file", file},
          {"status", result.stopped ? "stopped" : "finished"},
          {"hash", result.stopped ? Json() : Json(result.hash)},
          {"cells", cells},
          {"labels", labels}};
}

Json verify_json(const std::string& path, const RunResult& now, bool& equal) {
  const RunContents file = read_run_file(path);
  equal = true;
  Json cells = Json::array();
  for (const CellContents& fresh : now.cells) {
    const auto old =
        std::ranges::find(file.cells, fresh.header.index, [](const CellContents& cell) { return cell.header.index; });
    if (old == file.cells.end()) continue;
    const std::vector<std::string> findings = contradictions(*old);
    const bool same = old->result->hash == fresh.result->hash && findings.empty();
    equal = equal && same;
    Json differences = Json::object();
    for (const auto& [fact, is] : fresh.header.provenance) {
      const auto was = old->header.provenance.find(fact);
      if (was != old->header.provenance.end() && was->second != is) differences[fact] = {was->second, is};
    }
    cells.push_back({{"index", fresh.header.index},
                     {"label", fresh.header.label},
                     {"seed", fresh.header.seed},
                     {"same", same},
                     {"findings", findings},
                     {"hash_in_file", old->result->hash},
                     {"hash_now", fresh.result->hash},
                     {"provenance_differs", differences}});
  }
  return {{"file", path}, {"verified", equal}, {"cells", cells}};
}

}  // namespace shoal
