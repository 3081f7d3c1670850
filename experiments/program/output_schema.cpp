// The schemas of what commands print with --json.
#include "experiments/program/schema.hpp"

#include <map>
#include <vector>

#include "sim/error.hpp"

namespace shoal {
namespace {

using Named = std::vector<std::pair<std::string, Json>>;

Json of_type(const char* type) { return {{"type", type}}; }
Json list(const Json& item) { return {{"type", "array"}, {"items", item}}; }
Json map_of(const Json& value) { return {{"type", "object"}, {"additionalProperties", value}}; }
Json optional(const Json& value) { return {{"anyOf", Json::array({value, of_type("null")})}}; }
Json text() { return of_type("string"); }
Json integer() { return of_type("integer"); }
// As json_real writes them.
Json real() { return {{"anyOf", Json::array({of_type("number"), of_type("null"), {{"enum", {"inf", "-inf"}}}})}}; }

// An object that has all of these.
Json object(const Named& properties) {
  Json all = Json::object(), names = Json::array();
  for (const auto& [name, schema] : properties) {
    all[name] = schema;
    names.push_back(name);
  }
  return {{"type", "object"}, {"properties", all}, {"required", names}, {"additionalProperties", false}};
}

Named each(const std::vector<std::string>& names, const Json& schema) {
  Named all;
  for (const std::string& name : names) all.emplace_back(name, schema);
  return all;
}

Named operator+(Named left, const Named& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Named totals() {
  return Named{{"index", integer()},
               {"label", text()},
               {"seed", integer()},
               {"status", text()},
               {"hash", optional(text())}} +
         each({"final_accuracy", "best_accuracy", "final_loss", "wall_seconds"}, real()) +
         each({"rounds", "rounds_to_target", "time_to_target_us", "bytes_down", "bytes_up", "dropouts", "rejected",
               "abandoned"},
              integer());
}

Named run_output() {
  const Json spread = object({{"mean", real()}, {"deviation", real()}, {"count", integer()}});
  const Named label =
      Named{{"label", text()}, {"loss_name", text()}} +
      each({"cells", "diverged", "nothing_accepted", "unfinished"}, integer()) +
      each({"final_accuracy", "best_accuracy", "final_loss", "personal_accuracy", "personal_accuracy_p10",
            "rounds_to_target", "seconds_to_target", "bytes_up", "bytes_down", "dropouts", "rejected"},
           spread);
  return {{"file", text()},
          {"status", {{"enum", {"finished", "stopped"}}}},
          {"hash", optional(text())},
          {"cells", list(object(totals()))},
          {"labels", list(object(label))}};
}

Named verify_output() {
  const Json cell = object({{"index", integer()},
                            {"label", text()},
                            {"seed", integer()},
                            {"same", of_type("boolean")},
                            {"findings", list(text())},
                            {"hash_in_file", text()},
                            {"hash_now", text()},
                            {"provenance_differs", map_of(list(text()))}});
  return {{"file", text()}, {"verified", of_type("boolean")}, {"cells", list(cell)}};
}

Named export_output() {
  const Json column = list({{"anyOf", Json::array({of_type("number"), text(), of_type("null")})}});
  const Json cell = object(totals() + Named{{"config", text()},
                                            {"provenance", map_of(text())},
                                            {"units", map_of(map_of(text()))},
                                            {"tables", map_of(map_of(column))}});
  return {
      {"name", text()},           {"program", text()},  {"schema_version", integer()}, {"finished", of_type("boolean")},
      {"hash", optional(text())}, {"cells", list(cell)}};
}

Named plan_output() {
  const Json clients = object(each({"clients", "sampled", "without_examples", "with_too_little_memory",
                                    "examples_least", "examples_median", "examples_most"},
                                   integer()) +
                              Named{{"examples_of_label", list(integer())}});
  const Json rounds = object(
      each({"rounds", "rounds_planned", "message_bytes", "update_bytes", "live_versions"}, integer()) +
      Named{{"ends_at_target", of_type("boolean")}} +
      each({"started", "committed", "dropouts", "abandoned", "flops", "bytes_down", "bytes_up", "virtual_seconds"},
           real()));
  const Json memory = object(each({"total", "program", "data", "training", "sums", "versions", "clients"}, integer()));
  Json kind =
      object({{"label", text()}, {"seeds", list(integer())}, {"cell_seconds", real()}, {"notes", list(text())}});
  // A federation has these too.
  kind["properties"].update(Json{{"parameters", integer()},
                                 {"tested_examples", integer()},
                                 {"clients", clients},
                                 {"rounds", rounds},
                                 {"rank_bytes", memory}});
  return {{"ranks", integer()}, {"wall_seconds", real()}, {"kinds", list(kind)}};
}

Named calibrate_output() {
  const Named way{{"clients", integer()}, {"form", text()}};
  const Json one = object({{"what", text()},
                           {"model", text()},
                           {"parameters", integer()},
                           {"batch", integer()},
                           {"device", text()},
                           {"flops_per_client", real()},
                           {"measured", list(object(way + Named{{"seconds_per_client", real()}}))},
                           {"chosen", object(way)}});
  return {{"product_flops_per_second", real()}, {"cases", list(one)}, {"file", optional(text())}};
}

Named pretrain_output() {
  return Named{{"file", optional(text())}, {"parameters", integer()}} +
         each({"seconds", "loss", "unigram_loss", "correct"}, real()) +
         each({"uninstructed", "corrected", "hinted", "hint_gain"}, map_of(real()));
}

Named diff_output() {
  const Json values = list(optional(text()));
  const Json place = object({{"table", text()},
                             {"column", text()},
                             {"row", integer()},
                             {"round", optional(integer())},
                             {"values", list(real())}});
  const Json cell = object({{"label", text()},
                            {"seed", integer()},
                            {"settings", map_of(values)},
                            {"provenance", map_of(values)},
                            {"results", map_of(list({{"anyOf", Json::array({text(), real()})}}))},
                            {"first_difference", optional(place)}});
  return {{"files", list(text())},
          {"same", of_type("boolean")},
          {"only_in_first", list(text())},
          {"only_in_second", list(text())},
          {"cells", list(cell)}};
}

Named explain_output() {
  const Json setting = object(each({"key", "type", "default", "meaning"}, text()));
  const Json entry =
      object(each({"kind", "section", "name", "about", "example"}, text()) + Named{{"settings", list(setting)}});
  return {{"entries", list(entry)}};
}

const std::map<std::string, Named>& outputs() {
  const Json checked = object({{"file", text()},
                               {"hash", optional(text())},
                               {"whole", of_type("boolean")},
                               {"sealed", of_type("boolean")},
                               {"unfinished", integer()},
                               {"findings", list(text())},
                               {"error", optional(text())}});
  static const std::map<std::string, Named> all{
      {"run", run_output()},
      {"verify", verify_output()},
      {"plan", plan_output()},
      {"table", {{"file", optional(text())}, {"head", list(text())}, {"rows", list(list(text()))}}},
      {"report", {{"page", text()}}},
      {"check", {{"files", list(checked)}}},
      {"export", export_output()},
      {"diff", diff_output()},
      {"trace", {{"file", text()}, {"devices", integer()}, {"intervals", integer()}}},
      {"calibrate", calibrate_output()},
      {"pretrain", pretrain_output()},
      {"new", {{"file", optional(text())}, {"experiment", text()}}},
      {"list", {{"parts", list(object(each({"kind", "section", "name", "about"}, text())))}}},
      {"explain", explain_output()},
      {"completion", {{"script", text()}}},
  };
  return all;
}

}  // namespace

Json output_schema(const std::string& command) {
  const auto found = outputs().find(command);
  if (found == outputs().end()) {
    std::vector<std::string> names;
    for (const auto& [name, output] : outputs()) names.push_back(name);
    const std::string near = nearest(command, names);
    user_error("there is no schema of '{}'. {}", command,
               near.empty() ? "Give a command that 'shoal --help' lists." : fmt::format("The nearest is '{}'.", near));
  }
  const Json name{{"const", command}};
  Json answers = Json::array({object(Named{{"command", name}} + found->second)});
  if (command == "export") {  // with --out
    answers.push_back(object({{"command", name}, {"folder", text()}, {"files", list(text())}}));
  }
  answers.push_back(object({{"command", name}, {"error", text()}, {"exit_code", integer()}}));
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", fmt::format("What 'shoal {} --json' prints", command)},
          {"anyOf", answers}};
}

}  // namespace shoal
