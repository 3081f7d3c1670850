#include "experiments/program/run/block_table.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "sim/settings/settings.hpp"

namespace shoal {

extern const char* const built_in_blocks;  // generated from experiments/tables/blocks.toml

namespace {

auto key(const BlockTable::Row& row) { return std::tie(row.of.device, row.of.model, row.of.parameters, row.of.batch); }

// Distance in doublings; a full batch is near only to itself.
double distance(std::int64_t a, std::int64_t b) {
  if (a == b) return 0;
  if (a == 0 || b == 0) return INFINITY;
  return std::abs(std::log2(1.0 * a / b));
}

}  // namespace

BlockTable BlockTable::parse(const std::string& text, const std::string& origin) {
  const Settings file = Settings::parse(text, origin);
  BlockTable table;
  for (const Settings& row : file.sections("rows")) {
    BlockTable::Row read;
    read.of.model = row.text("model", "", "name of the model");
    read.of.parameters = row.integer("parameters", 0, "number of its parameters", at_least(1));
    read.of.batch = row.integer("batch", 10, "examples per local step; 0 is the full batch", at_least(0));
    read.of.device = row.text("device", "cpu", "type of device");
    read.best.clients = row.integer("clients", 1, "clients trained together", between(1, 4096));
    read.best.form = block_form(row.text("form", "in_turn", "form of the block"), row.where());
    table.put(read);
  }
  file.finish();
  return table;
}

BlockTable BlockTable::built_in() { return parse(built_in_blocks, "experiments/tables/blocks.toml"); }

BlockTable BlockTable::load(const std::string& path) {
  const Settings file = Settings::load(path);
  return parse(file.canonical(), path);
}

BlockChoice BlockTable::choose(const BlockCase& wanted) const {
  BlockChoice best;
  double nearest = INFINITY;
  for (const Row& row : rows_) {
    if (row.of.model != wanted.model || row.of.device != wanted.device) continue;
    const double size = distance(row.of.parameters, wanted.parameters), batch = distance(row.of.batch, wanted.batch);
    if (size > 1 || batch > 1 || size + batch >= nearest) continue;
    nearest = size + batch;
    best = row.best;
  }
  return best;
}

void BlockTable::put(const Row& row) {
  const auto place = std::ranges::find_if(rows_, [&](const Row& held) { return key(held) == key(row); });
  if (place != rows_.end()) {
    *place = row;
  } else {
    rows_.push_back(row);
  }
  std::ranges::sort(rows_, [](const Row& a, const Row& b) { return key(a) < key(b); });
}

std::string BlockTable::toml() const {
  std::string text =
      "# The block of clients that train together, by model, parameters, batch and type of device, for experiments\n"
      "# that leave it open. Measured and written by `shoal calibrate`.\nrows = [\n";
  for (const Row& row : rows_) {
    text += fmt::format(
        "  {{model = \"{}\", parameters = {}, batch = {}, device = \"{}\", clients = {}, form = \"{}\"}},\n",
        row.of.model, row.of.parameters, row.of.batch, row.of.device, row.best.clients, name(row.best.form));
  }
  return text + "]\n";
}

BlockChoice built_in_choice(const BlockCase& wanted) {
  static const BlockTable table = BlockTable::built_in();
  return table.choose(wanted);
}

}  // namespace shoal
