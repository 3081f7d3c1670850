#include "datasets/traces/convert.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/error.hpp"
#include "sim/files/read_file.hpp"

namespace shoal {
namespace {

using Json = nlohmann::json;
using Intervals = std::vector<Trace::Interval>;

constexpr std::int64_t microseconds = 1'000'000;

Json read_object(const std::string& path, const char* layout) {
  Json devices = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!devices.is_object() || devices.empty()) {
    user_error("'{}' is not a {} trace (not a JSON object of clients). Convert it to JSON first.", path, layout);
  }
  return devices;
}

// Names that are numbers in numeric order, then all others in alphabetical order.
std::vector<std::string> ordered_names(const Json& devices) {
  std::vector<std::string> names;
  for (const auto& [name, device] : devices.items()) names.push_back(name);
  const auto number = [](const std::string& name) {
    const bool digits = !name.empty() && name.size() < 19 &&
                        std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; });
    return digits ? std::stoll(name) : std::numeric_limits<long long>::max();
  };
  std::ranges::stable_sort(names, {}, number);
  return names;
}

std::int64_t to_microseconds(const Json& seconds) { return std::llround(seconds.get<double>() * 1e6); }

// Checks one client's trace and names the client in the error, before anything is written.
void require(const std::string& path, const std::string& name, const Trace::Row& row, const Intervals& own) {
  Trace one;
  one.add(row, own);
  one.check(fmt::format("'{}', client '{}'", path, name));
}

// "2020-01-29 08:00:00" as seconds since 1970, without a time zone; -1 if it is not such a time.
std::int64_t parse_time(const std::string& text) {
  int year = 0, month = 0, date = 0, hours = 0, minutes = 0, second_of = 0, read = 0;
  const int found =
      std::sscanf(text.c_str(), "%4d-%2d-%2d %2d:%2d:%2d%n", &year, &month, &date, &hours, &minutes, &second_of, &read);
  using namespace std::chrono;
  const year_month_day days{std::chrono::year(year), std::chrono::month(month), std::chrono::day(date)};
  if (found != 6 || read != std::ssize(text) || !days.ok() || hours < 0 || hours > 23 || minutes < 0 || minutes > 59 ||
      second_of < 0 || second_of > 60) {
    return -1;
  }
  return (sys_days(days).time_since_epoch().count() * 24 + hours) * 3600 + minutes * 60 + second_of;
}

// The state of a phone, as FLASH's events describe it.
struct PhoneState {
  bool locked = false, wifi = false, charging = false;

  bool ready() const { return locked && wifi && charging; }
  // False for an unknown event.
  bool take(std::string event) {
    std::ranges::transform(event, event.begin(), [](unsigned char c) { return std::tolower(c); });
    if (event == "battery_charged_on") charging = true;
    if (event == "battery_charged_off") charging = false;
    if (event == "wifi") wifi = true;
    if (event == "unknown" || event == "2g" || event == "3g" || event == "4g" || event == "5g") wifi = false;
    if (event == "screen_lock") locked = true;
    if (event == "screen_unlock") locked = false;
    static const std::vector<std::string> known = {"battery_charged_on",
                                                   "battery_charged_off",
                                                   "wifi",
                                                   "unknown",
                                                   "2g",
                                                   "3g",
                                                   "4g",
                                                   "5g",
                                                   "screen_on",
                                                   "screen_lock",
                                                   "screen_unlock",
                                                   "screen_off",
                                                   "battery_low",
                                                   "battery_okay",
                                                   "phone_on",
                                                   "phone_off"};
    return std::ranges::find(known, event) != known.end() || event.ends_with('%');
  }
};

// The times at which a phone is ready, built message by message.
struct PhoneHistory {
  PhoneState state;
  std::int64_t first = -1, last = -1, since = -1;  // seconds; `since`: ready since then, or -1
  Intervals ready;

  // Call when `state` has taken an event at `time`.
  void note(std::int64_t time) {
    if (first < 0) first = time;
    last = time;
    if (state.ready() && since < 0) since = time;
    if (state.ready() || since < 0) return;
    // Two events in the same second enclose no time; intervals that touch are merged.
    const Trace::Interval found{(since - first) * microseconds, (time - first) * microseconds};
    if (!ready.empty() && ready.back().end == found.begin) {
      ready.back().end = found.end;
    } else if (found.begin < found.end) {
      ready.push_back(found);
    }
    since = -1;
  }
};

PhoneHistory read_messages(const std::string& path, const std::string& name, const std::string& messages) {
  PhoneHistory phone;
  std::istringstream lines(messages);
  std::int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const std::size_t tab = line.find('\t');
    const std::int64_t time = tab == std::string::npos ? -1 : parse_time(line.substr(0, tab));
    if (time < 0 || !phone.state.take(line.substr(tab + 1))) {
      user_error("'{}', client '{}', message {}: '{}' is not a time, a tab and an event. Mend or remove it.", path,
                 name, number, line);
    }
    if (time < phone.last) {
      user_error("'{}', client '{}', message {}: '{}' is earlier than the message before. Sort the messages.", path,
                 name, number, line);
    }
    phone.note(time);
  }
  return phone;
}

void add_phone(Trace& trace, const std::string& path, const std::string& name, const std::string& messages) {
  constexpr std::int64_t reference = 1'577'923'200;  // 2020-01-02 00:00:00
  const PhoneHistory phone = read_messages(path, name, messages);
  if (phone.last <= phone.first) {
    trace.add({.period = microseconds}, {});
    return;
  }
  const std::int64_t period = (phone.last - phone.first) * microseconds;
  const std::int64_t origin = (((phone.first - reference) * microseconds) % period + period) % period;
  require(path, name, {period, origin}, phone.ready);
  trace.add({period, origin}, phone.ready);
}

}  // namespace

Trace convert_fedscale(const std::string& path) {
  const Json devices = read_object(path, "FedScale");
  Trace trace;
  for (const std::string& name : ordered_names(devices)) {
    Intervals own;
    Trace::Row row;
    try {
      const Json& device = devices.at(name);
      const Json &active = device.at("active"), &inactive = device.at("inactive");
      row.period = to_microseconds(device.at("finish_time"));
      if (active.size() != inactive.size()) {
        user_error("'{}', client '{}': {} times in 'active' and {} in 'inactive'. List equally many of each.", path,
                   name, active.size(), inactive.size());
      }
      for (std::size_t i = 0; i < active.size(); ++i) {
        own.push_back({to_microseconds(active[i]), to_microseconds(inactive[i])});
      }
    } catch (const Json::exception& error) {
      user_error("'{}', client '{}' is not as FedScale records it ({}). Give 'active', 'inactive' and 'finish_time'.",
                 path, name, error.what());
    }
    require(path, name, row, own);
    trace.add(row, own);
  }
  return trace;
}

Trace convert_flash(const std::string& path) {
  const Json users = read_object(path, "FLASH");
  Trace trace;
  for (const std::string& name : ordered_names(users)) {
    const Json& user = users.at(name);
    if (!user.is_object() || !user.contains("messages") || !user.at("messages").is_string()) {
      user_error("'{}', client '{}' is not as FLASH records it (no text 'messages'). Use state_traces.json.", path,
                 name);
    }
    add_phone(trace, path, name, user.at("messages").get<std::string>());
  }
  return trace;
}

}  // namespace shoal
