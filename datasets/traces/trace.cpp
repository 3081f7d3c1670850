#include "datasets/traces/trace.hpp"

#include <algorithm>

namespace shoal {

void Trace::add(Row row, const std::vector<Interval>& own) {
  if (offsets.empty()) offsets.push_back(0);
  rows.push_back(row);
  intervals.insert(intervals.end(), own.begin(), own.end());
  offsets.push_back(std::ssize(intervals));
}

void TraceView::check(const std::string& origin) const {
  constexpr std::int64_t longest = 4'000'000'000'000'000'000;  // as virtual time: sums must not overflow
  const auto fail = [&](std::size_t device, const std::string& what) {
    user_error("{}: device {} {}. Mend the trace and convert it again.", origin, device, what);
  };
  const bool framed = offsets.size() == rows.size() + 1 && offsets.front() == 0 &&
                      offsets.back() == std::ssize(intervals) && std::ranges::is_sorted(offsets);
  if (rows.empty() || !framed) {
    user_error("{}: offsets and intervals do not fit together ({} devices). Convert the trace again.", origin,
               rows.size());
  }
  for (std::size_t d = 0; d < rows.size(); ++d) {
    const auto [period, begins] = rows[d];
    if (period <= 0 || period > longest) fail(d, fmt::format("has a period of {} us", period));
    if (begins < 0 || begins >= period) fail(d, fmt::format("begins its period at {} us of {} us", begins, period));
    std::int64_t last = 0;
    for (std::int64_t i = offsets[d]; i < offsets[d + 1]; ++i) {
      const std::int64_t begin = intervals[i].begin, end = intervals[i].end;
      const auto named = [&](const char* problem) {
        return fmt::format("is available from {} us to {} us, which {}", begin, end, problem);
      };
      if (begin < 0) fail(d, named("is before its trace begins"));
      if (end <= begin) fail(d, named("is empty"));
      if (end > period) fail(d, named(fmt::format("ends after its period of {} us", period).c_str()));
      if (begin < last) fail(d, named(fmt::format("overlaps the time before, until {} us", last).c_str()));
      last = end;
    }
  }
}

Stretch TraceView::at(std::int64_t device, Ticks time) const {
  const auto [period, origin] = rows[device];
  if (period <= 0) {
    user_error("a trace file was cut off while it was read (device {}). Convert the trace again.", device);
  }
  const std::int64_t passed = ((value(time) - origin) % period + period) % period;
  const auto first = intervals.begin() + offsets[device];
  const auto last = intervals.begin() + offsets[device + 1];
  // The first interval that has not ended.
  const auto next = std::upper_bound(first, last, passed,
                                     [](std::int64_t at, const Interval& interval) { return at < interval.end; });
  if (next == last) return {false, time + Ticks{period - passed}};
  if (passed < next->begin) return {false, time + Ticks{next->begin - passed}};
  return {true, time + Ticks{next->end - passed}};
}

}  // namespace shoal
