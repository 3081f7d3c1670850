#pragma once
// The rows of a cell's tables, as plain data: the same layout in the journal, in the run file and in memory.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "sim/round/measures.hpp"

namespace shoal {

constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

/// One server step.
struct RoundRow {
  std::int64_t round = 0;    // counted from 1
  std::int64_t version = 0;  // the model's version after the round
  std::int64_t time_us = 0;  // virtual time at the end of the round, microseconds
  std::int64_t started = 0, committed = 0, dropouts = 0, rejected = 0;
  std::int64_t examples = 0;
  std::int64_t bytes_down = 0, bytes_up = 0;
  double train_loss = not_measured;
  double accuracy = not_measured, loss = not_measured;  // the server model's, in rounds that evaluate it
  std::int64_t verdict = 0;                             // 0 commit, 1 abandoned, 2 diverged
  // Figures of the models that clients use, on their own examples, in rounds that evaluate them.
  double personal_accuracy = not_measured, personal_accuracy_p10 = not_measured, personal_loss = not_measured;
  std::int64_t task = 0;  // the step's task, where several are learned over one population
};

/// One participation that ended in this round.
struct ParticipationRow {
  std::int64_t round = 0, participation = 0, client = 0;
  std::int64_t version = 0;                  // the version of the model that it downloaded
  std::int64_t start_us = 0, finish_us = 0;  // virtual time, microseconds
  std::int64_t outcome = 0;  // 0 completes, dropped out in 1 download, 2 training, 3 upload; -1 late, -2 stopped
  std::int64_t committed = 0, accepted = 0;  // 0 or 1
  double weight = 1, loss = not_measured;
  std::int64_t steps = 0, bytes_down = 0, bytes_up = 0;
  double fraction = 1;                               // share of the local work that it set out to do
  double joules = 0;                                 // a proxy: power x time
  std::int64_t tier = 0;                             // the device's kind, in populations with several
  std::int64_t examples = 0, rejected_examples = 0;  // trained on, and refused by the trainer; 0 unless committed
  std::int64_t task = 0;                             // its task, where several are learned over one population
  std::int64_t group = 0;                            // the group of its message, where strategies keep several models
  std::int64_t variant = 0;                          // the model's variant, where clients train different sizes
};

/// All records of one round.
struct RoundRows {
  RoundRow round{};
  std::vector<ParticipationRow> participations{};
  Table figures{};      // further columns of the participations, one for each of Task::figures: reals, a row for each
  Measures measures{};  // except those with a column of their own in RoundRow
  Tables tables{};
};

/// One column of a table.
struct Field {
  const char* name;
  std::size_t offset;  // into the row
  FieldType type;
  const char* unit;
};

template <class Row>
std::span<const Field> fields();
template <>
std::span<const Field> fields<RoundRow>();
template <>
std::span<const Field> fields<ParticipationRow>();

/// "name: unit; name: unit" over all columns.
std::string units(std::span<const Field> fields);

}  // namespace shoal
