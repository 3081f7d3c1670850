#include "experiments/tasks/shared/memory.hpp"

#include <fmt/ranges.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace shoal {
namespace {

constexpr double unlimited = std::numeric_limits<double>::infinity();

// The number in a file of one word, or infinity if it has none.
double number_in(const char* path) {
  std::ifstream file(path);
  double number = 0;
  return file >> number ? number : unlimited;
}

double left_on_machine() {
  std::ifstream file("/proc/meminfo");
  for (std::string name, unit; file >> name;) {
    double kilobytes = 0;
    if (!(file >> kilobytes)) break;
    if (name == "MemAvailable:") return kilobytes * 1024;
    std::getline(file, unit);
  }
  return unlimited;
}

// Pages of files that the kernel gives back on demand.
double reclaimable_in_group() {
  std::ifstream file("/sys/fs/cgroup/memory.stat");
  double bytes = 0;
  for (std::string name; file >> name >> bytes;) {
    if (name == "inactive_file") return bytes;
  }
  return 0;
}

double left_in_group() {
  const double most = number_in("/sys/fs/cgroup/memory.max");
  if (most == unlimited) return unlimited;
  return most - (number_in("/sys/fs/cgroup/memory.current") - reclaimable_in_group());
}

double left_in_address_space() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return unlimited;
  const double most = limit.rlim_cur;
  return most - number_in("/proc/self/statm") * sysconf(_SC_PAGESIZE);
}

std::string text_of(double bytes) {
  const char* unit = "GB";
  double scaled = bytes / 1e9;
  if (scaled >= 1e4) {
    scaled /= 1000;
    unit = "TB";
  }
  return scaled < 1e6 ? fmt::format("{:.1f} {}", scaled, unit) : fmt::format("{:.1e} {}", scaled, unit);
}

}  // namespace

double available_memory() {
  return std::max(0.0, std::min({left_on_machine(), left_in_group(), left_in_address_space()}));
}

double least_memory(const ParameterLayout& layout) {
  double values = 0;
  for (const Parameter& parameter : layout.parameters) {
    double size = 1;
    for (const std::int64_t side : parameter.shape) size *= side;
    values += size;
  }
  const double value_bytes = c10::elementSize(layout.type);
  constexpr double sum_bytes = 8;
  return values * (4 * value_bytes + sum_bytes);
}

void require_memory(const ParameterLayout& layout, const Settings& section, double available) {
  const double needed = least_memory(layout);
  if (needed <= available) return;
  std::vector<std::string> keys = section.keys();
  std::erase(keys, "name");
  for (std::string& key : keys) key = fmt::format("'{}'", key);
  user_error("{}: a model of this size needs at least {}, and only {} is available. Make it smaller{}.",
             section.where(), text_of(needed), text_of(available),
             keys.empty() ? "" : fmt::format(" with {}", fmt::join(keys, ", ")));
}

}  // namespace shoal
