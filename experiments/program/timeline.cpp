#include "experiments/program/timeline.hpp"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <queue>

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

constexpr int server = 0, clients = 1;  // process ids: groups of tracks

const char* ending(const ParticipationRow& p) {
  if (p.committed != 0) return p.accepted != 0 ? "counted" : "rejected";
  switch (p.outcome) {
    case -2:
      return "stopped";
    case -1:
      return "late";
    case 0:
      return "not used";
    case 1:
      return "dropped out in download";
    case 2:
      return "dropped out in training";
    case 3:
      return "dropped out in upload";
    default:
      return "dropped out in a later phase";
  }
}

// Names of colours in the format's palette.
const char* colour(const ParticipationRow& p) {
  if (p.accepted != 0) return "good";
  return p.outcome > 0 ? "terrible" : "bad";
}

Json name_of(int process, const std::string& name) {
  return {{"name", "process_name"}, {"ph", "M"}, {"pid", process}, {"args", {{"name", name}}}};
}

Json slice(const std::string& name, int process, std::size_t track, std::int64_t start, std::int64_t finish) {
  return {{"name", name}, {"ph", "X"}, {"pid", process}, {"tid", track}, {"ts", start}, {"dur", finish - start}};
}

}  // namespace

std::string timeline_json(const CellContents& cell) {
  Json events = Json::array({name_of(server, "server: " + cell.header.label), name_of(clients, "clients")});
  std::int64_t from = 0;
  for (const RoundRow& r : cell.rounds) {
    Json event = slice("round " + std::to_string(r.round), server, 0, from, r.time_us);
    event["args"] = {
        {"version", r.version}, {"committed", r.committed}, {"dropouts", r.dropouts}, {"rejected", r.rejected}};
    if (std::isfinite(r.accuracy)) event["args"]["accuracy"] = r.accuracy;
    if (r.verdict != 0) event["cname"] = "terrible";
    events.push_back(std::move(event));
    from = r.time_us;
  }
  std::vector<ParticipationRow> attempts = cell.participations;
  std::ranges::sort(attempts, {}, [](const ParticipationRow& p) { return std::pair(p.start_us, p.participation); });
  // Tracks that are free again, the lowest first; and those in use, by when they will be free.
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> free;
  std::priority_queue<std::pair<std::int64_t, std::size_t>, std::vector<std::pair<std::int64_t, std::size_t>>,
                      std::greater<>>
      busy;
  std::size_t tracks = 0;
  for (const ParticipationRow& p : attempts) {
    for (; !busy.empty() && busy.top().first <= p.start_us; busy.pop()) free.push(busy.top().second);
    std::size_t track = tracks;
    if (free.empty()) {
      ++tracks;
    } else {
      track = free.top();
      free.pop();
    }
    busy.emplace(p.finish_us, track);
    Json event = slice("client " + std::to_string(p.client), clients, track, p.start_us, p.finish_us);
    event["cname"] = colour(p);
    event["args"] = {
        {"ended", ending(p)}, {"participation", p.participation}, {"version", p.version},   {"round", p.round},
        {"steps", p.steps},   {"bytes_down", p.bytes_down},       {"bytes_up", p.bytes_up}, {"joules", p.joules}};
    events.push_back(std::move(event));
  }
  return Json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump();
}

}  // namespace shoal
