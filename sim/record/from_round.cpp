#include "sim/record/from_round.hpp"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <bit>

#include "sim/error.hpp"

namespace shoal {

namespace {

// Removes a measure that has a column of its own and returns its value.
double take(Measures& measures, std::string_view name) {
  const auto found = measures.find(name);
  if (found == measures.end()) return not_measured;
  const double value = found->second;
  measures.erase(found);
  return value;
}

RoundRow round_row(const RoundRecord& record, Measures& measures) {
  return {.round = record.round,
          .version = value(record.version),
          .time_us = value(record.time),
          .started = record.started,
          .committed = record.committed,
          .dropouts = record.dropouts,
          .rejected = record.rejected,
          .examples = record.examples,
          .bytes_down = record.bytes_down,
          .bytes_up = record.bytes_up,
          .train_loss = record.train_loss,
          .accuracy = take(measures, "accuracy"),
          .loss = take(measures, "loss"),
          .verdict = record.diverged ? 2 : static_cast<std::int64_t>(record.verdict),
          .personal_accuracy = take(measures, "personal_accuracy"),
          .personal_accuracy_p10 = take(measures, "personal_accuracy_p10"),
          .personal_loss = take(measures, "personal_loss")};
}

std::vector<ParticipationRow> participation_rows(const RoundRecord& record) {
  std::vector<ParticipationRow> rows;
  rows.reserve(record.clients.size());
  for (const ClientRow& client : record.clients) {
    const Participation& attempt = client.participation;
    rows.push_back({.round = record.round,
                    .participation = value(attempt.id),
                    .client = value(attempt.client),
                    .version = value(attempt.version),
                    .start_us = value(attempt.start),
                    .finish_us = value(attempt.finish),
                    .outcome = static_cast<std::int64_t>(attempt.outcome),
                    .committed = client.committed ? 1 : 0,
                    .accepted = client.figures.accepted ? 1 : 0,
                    .weight = client.weight,
                    .loss = client.committed ? client.figures.loss : not_measured,
                    .steps = client.figures.steps,
                    .bytes_down = client.bytes_down,
                    .bytes_up = client.figures.bytes_up,
                    .fraction = attempt.fraction,
                    .joules = client.joules,
                    .tier = client.tier,
                    .examples = client.figures.examples,
                    .rejected_examples = client.figures.rejected_examples,
                    .task = value(attempt.task),
                    .group = attempt.group,
                    .variant = attempt.variant});
  }
  return rows;
}

Table figures_of(const RoundRecord& record) {
  Table table;
  for (const std::string& name : record.figures) {
    ensure(std::ranges::none_of(fields<ParticipationRow>(), [&](const Field& field) { return name == field.name; }),
           "a figure of clients is called '{}', as a column of every participation table", name);
    table.columns.push_back({name, FieldType::real, "measured by the trainer, NaN where it was not"});
  }
  for (const ClientRow& client : record.clients) {
    for (std::size_t i = 0; i < record.figures.size(); ++i) {
      const double value = client.committed ? client.figures.figures.at(i) : not_measured;
      table.values.push_back(std::bit_cast<std::int64_t>(value));
    }
  }
  return table;
}

}  // namespace

RoundRows round_rows(const RoundRecord& record) {
  RoundRows rows{.measures = record.measures, .tables = record.tables};
  rows.round = round_row(record, rows.measures);
  rows.participations = participation_rows(record);
  rows.figures = figures_of(record);
  return rows;
}

void thin_out(RoundRows& rows, double share, RandomKey key) {
  const std::size_t width = rows.figures.columns.size();
  std::size_t kept = 0;
  for (std::size_t r = 0; r < rows.participations.size(); ++r) {
    const ParticipationRow& row = rows.participations[r];
    if (RandomStream(key, row.client, row.participation).uniform() >= share) continue;
    rows.participations[kept] = row;
    for (std::size_t c = 0; c < width; ++c) rows.figures.values[kept * width + c] = rows.figures.values[r * width + c];
    ++kept;
  }
  rows.participations.resize(kept);
  rows.figures.values.resize(kept * width);
}

std::vector<ModelParameter> model_parameters(const ParameterLayout& layout, const at::Tensor& params) {
  ensure(params.numel() == layout.size, "a model of {} values (the layout has {})", params.numel(), layout.size);
  ensure(params.scalar_type() == at::kFloat || params.scalar_type() == at::kDouble, "model values are of type {}",
         at::toString(params.scalar_type()));
  const at::Tensor host = params.detach().cpu().contiguous();
  const auto type = host.scalar_type() == at::kFloat ? ValueType::float32 : ValueType::float64;
  const std::span bytes(static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes());
  std::vector<ModelParameter> model;
  for (const Parameter& parameter : layout.parameters) {
    const auto own = bytes.subspan(parameter.offset * bytes_of(type), parameter.size * bytes_of(type));
    model.push_back({parameter.name, parameter.shape, type, {own.begin(), own.end()}});
  }
  return model;
}

}  // namespace shoal
