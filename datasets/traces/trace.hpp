#pragma once
// Recorded availability: the intervals in which each device was available, repeated with a period of its own.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/clients/availability.hpp"

namespace shoal {

/// Devices' intervals, half open, in microseconds since the beginning of the device's own period; in memory or in a
/// mapped file. Searched by bisection: nothing is ever copied or indexed.
struct TraceView {
  struct Interval {
    std::int64_t begin, end;
  };
  struct Row {
    std::int64_t period = 0;  // the recording repeats after it
    std::int64_t origin = 0;  // virtual time, in [0, period), at which a period of this device begins
  };
  std::span<const Row> rows;              // [n]
  std::span<const std::int64_t> offsets;  // [n + 1]: device i has intervals offsets[i] to offsets[i + 1]
  std::span<const Interval> intervals;    // ascending within each device, without overlap

  std::int64_t devices() const { return std::ssize(rows); }
  /// UserError naming `origin` (a file), the device and the interval if one is negative, empty, beyond its period, or
  /// overlaps the one before it. One pass.
  void check(const std::string& origin) const;
  /// By binary search: the same answer whatever was asked before. UserError if the mapped file has been cut off.
  Stretch at(std::int64_t device, Ticks time) const;
};

/// A trace that is being built.
struct Trace {
  using Interval = TraceView::Interval;
  using Row = TraceView::Row;
  std::vector<Row> rows;  // as in TraceView
  std::vector<std::int64_t> offsets;
  std::vector<Interval> intervals;

  TraceView view() const { return {rows, offsets, intervals}; }
  std::int64_t devices() const { return std::ssize(rows); }
  /// Adds a device with its intervals, which must be in order.
  void add(Row row, const std::vector<Interval>& own);
  void check(const std::string& origin) const { view().check(origin); }
  Stretch at(std::int64_t device, Ticks time) const { return view().at(device, time); }
};

/// A trace file that stays mapped as long as a copy of this lives: the ranks of one machine share its pages, and pages
/// that are not in use may leave memory.
struct MappedTrace {
  TraceView view;
  std::shared_ptr<const void> mapping;
};

}  // namespace shoal
