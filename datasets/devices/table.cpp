// A table of your own: a CSV file whose first line names its columns, out of gflops, down_mbytes, up_mbytes, watts
// (power while training), memory_mbytes (memory that a task may take), dropout (probability of dropping out in a
// participation) and share (how many clients have this kind of device, relative to the others). Columns that are left
// out are as in [population], dropout is 0 and shares are equal. Each further line is a kind of device.

#include <fmt/format.h>

#include <sstream>

#include "datasets/readers/csv.hpp"
#include "sim/clients/devices.hpp"
#include "sim/clients/shares.hpp"
#include "sim/files/read_file.hpp"

namespace shoal::devices {
namespace {

const std::vector<std::string> columns = {"gflops", "down_mbytes", "up_mbytes",    "dropout",
                                          "watts",  "share",       "memory_mbytes"};

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> found;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) found.emplace_back(readers::csv_field(cell));
  return found;
}

class Table final : public Devices {
 public:
  explicit Table(const Settings& s)
      : file_(s.text("file", "", "CSV file, relative to the folder that the program runs in")),
        by_id_(s.choice("assign", false, {{"random", false}, {"by_id", true}},
                        "each client has a device drawn by the shares, or the one on the line with its number")),
        where_(s.where()) {}

  void open(const Opening& opening) override {
    key_ = random_key(opening.seed, "clients/tier");
    if (file_.empty()) user_error("{}: a table of devices without a file. Set 'file'.", where_);
    std::istringstream stream{std::string(readers::without_mark(read_file(file_)))};
    std::string line;
    std::getline(stream, line);
    const std::vector<std::string> header = cells(line);
    for (const std::string& name : header) {
      if (std::ranges::count(header, name) > 1) {
        user_error("'{}' has the column '{}' more than once. Remove all but one.", file_, name);
      }
      if (std::ranges::find(columns, name) != columns.end()) continue;
      user_error("'{}' has a column '{}' (known are {}). Rename it.", file_, name, fmt::join(columns, ", "));
    }
    for (std::int64_t number = 2; std::getline(stream, line); ++number) {
      if (line.empty() || line == "\r") continue;
      add_line(header, cells(line), number);
    }
    if (rows_.empty()) user_error("'{}' lists no device. Add a line for each.", file_);
    if (by_id_ && opening.clients > std::ssize(rows_)) {
      user_error(
          "{}: client {} has no line in '{}' (it lists {} devices, the population has {} clients). Set assign = "
          "\"random\".",
          where_, rows_.size(), file_, rows_.size(), opening.clients);
    }
    std::vector<double> weights;
    for (const Row& row : rows_) weights.push_back(row.share);
    if (std::accumulate(weights.begin(), weights.end(), 0.0) == 0) {
      user_error("'{}': all shares are 0 (their sum must be above 0). Raise one.", file_);
    }
    shares_ = Shares(weights);
  }

  Device device(const Who& who, const Device& base) const override {
    const int line = by_id_ ? value(who.client) : shares_.choose(who.draws(key_).uniform());
    const Row& row = rows_[line];
    Device device = base;
    device.tier = line;
    if (row.gflops > 0) device.flops_per_second = row.gflops * 1e9;
    if (row.down_mbytes > 0) device.down_bytes_per_second = row.down_mbytes * 1e6;
    if (row.up_mbytes > 0) device.up_bytes_per_second = row.up_mbytes * 1e6;
    if (row.watts > 0) device.training_watts = row.watts;
    if (row.memory_mbytes > 0) device.memory_bytes = row.memory_mbytes * 1e6;
    device.dropout = row.dropout;
    return device;
  }

 private:
  struct Row {
    double gflops = 0, down_mbytes = 0, up_mbytes = 0, watts = 0, memory_mbytes = 0;  // 0: not given
    double dropout = 0, share = 1;
  };

  void add_line(const std::vector<std::string>& header, const std::vector<std::string>& line, std::int64_t number) {
    if (line.size() != header.size()) {
      user_error("'{}', line {}: {} values for {} columns. Write one for each.", file_, number, line.size(),
                 header.size());
    }
    Row row;
    double* const fields[] = {&row.gflops, &row.down_mbytes, &row.up_mbytes,    &row.dropout,
                              &row.watts,  &row.share,       &row.memory_mbytes};
    for (std::size_t c = 0; c < header.size(); ++c) {
      *fields[std::ranges::find(columns, header[c]) - columns.begin()] = read(header[c], line[c], number);
    }
    rows_.push_back(row);
  }

  double read(const std::string& column, const std::string& cell, std::int64_t line) const {
    const bool probability = column == "dropout", share = column == "share", rate = !probability && !share;
    char* end = nullptr;
    const double number = std::strtod(cell.c_str(), &end);
    const bool whole = !cell.empty() && *end == '\0' && number <= 1e12;  // NaN fails, too
    if (whole && number >= (rate ? 1e-9 : 0) && !(probability && number > 1)) return number;
    std::string kind = "rate", mend = "a number above 0";
    if (probability) {
      kind = "probability";
      mend = "a number from 0 to 1";
    }
    if (share) {
      kind = "share";
      mend = "a number that is not negative";
    }
    user_error("'{}', line {}: '{}' is not a {} (found '{}'). Write {}.", file_, line, column, kind, cell, mend);
  }

  std::string file_;
  bool by_id_;
  std::string where_;
  RandomKey key_;
  std::vector<Row> rows_;
  Shares shares_{{1}};
};

}  // namespace

std::unique_ptr<Devices> table(Settings& settings) { return std::make_unique<Table>(settings); }

}  // namespace shoal::devices
