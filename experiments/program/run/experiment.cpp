#include "experiments/program/run/experiment.hpp"

#include "experiments/program/device.hpp"

namespace shoal {

std::shared_ptr<const Dataset> Datasets::load(const Settings& data) {
  const std::unique_ptr<Source> source = make_part<Source>("data source", "optdigits", data);
  Settings described = data.clone();
  for (const char* use : {"validation", "test", "server", "transforms"}) described.erase(use);  // not of the source
  Loaded& entry = loaded_[described.canonical()];
  if (!entry.data) {
    const InputRecord record;
    entry.data = std::make_shared<const Dataset>(source->load());
    entry.files = record.files();
  }
  note_inputs(entry.files);
  return entry.data;
}

double recorded_share(const Settings& settings) {
  return settings.section("record").number(
      "participations", 1,
      "share of the participations that get a row in the table of clients, drawn at random; 1: all, 0: none",
      between(0, 1));
}

std::unique_ptr<Process> compose(const Settings& settings, const Place& place) {
  recorded_share(settings);
  settings.text("name", "experiment", "name of the experiment, for tables and figures");
  const auto kind = make_part<TaskKind>("task", "supervised", settings.section("task"));
  std::unique_ptr<Process> process = kind->make(settings, place);
  settings.finish();
  return process;
}

std::unique_ptr<Process> compose(const Settings& settings, Datasets& datasets, const ChooseBlock& choose_block) {
  return compose(settings, {choose_device(settings, this_machine()), datasets, choose_block});
}

}  // namespace shoal
