#pragma once
// Recorded availability: for each traced device the intervals in which it was there, repeated with the device's period.

#include <string>
#include <vector>

#include "sim/clients/availability.hpp"

namespace shoal {

/// Devices' intervals, half open, in microseconds since the beginning of the device's own period.
struct Trace {
  struct Interval {
    std::int64_t begin, end;
  };
  struct Row {
    std::int64_t period = 0;  // after which the recording repeats
    std::int64_t origin = 0;  // virtual time, in [0, period), at which a period of this device begins
  };
  std::vector<Row> rows;              // [n]
  std::vector<std::int64_t> offsets;  // [n + 1]: device i has intervals offsets[i] to offsets[i + 1]
  std::vector<Interval> intervals;    // ascending and apart within each device

  std::int64_t devices() const { return static_cast<std::int64_t>(rows.size()); }
  /// Adds a device with its intervals, which must be in order.
  void add(Row row, const std::vector<Interval>& own);
  /// UserError naming `origin` (a file), the device and the interval where one is negative, empty, beyond its period,
  /// or overlaps the one before it.
  void check(const std::string& origin) const;
  /// By binary search: the same answer whatever was asked before.
  Stretch at(std::int64_t device, Ticks time) const;
};

/// Reads a trace file (HDF5), checked. UserError. Stands in sim/record, where HDF5 has its place.
Trace read_trace(const std::string& path);
/// Writes one, at once or not at all.
void write_trace(const Trace& trace, const std::string& path);

}  // namespace shoal
