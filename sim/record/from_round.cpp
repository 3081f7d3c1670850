#include "sim/record/from_round.hpp"

#include <ATen/core/Tensor.h>

#include "sim/error.hpp"

namespace shoal {

RoundRow round_row(const RoundRecord& record) {
  const auto measured = [&](const char* name) {
    const auto found = record.measures.find(name);
    return found == record.measures.end() ? not_measured : found->second;
  };
  return {.round = record.round,
          .version = value(record.version),
          .time_us = value(record.time),
          .started = record.started,
          .committed = record.committed,
          .dropped = record.lost,
          .rejected = record.rejected,
          .examples = record.examples,
          .bytes_down = record.bytes_down,
          .bytes_up = record.bytes_up,
          .train_loss = record.train_loss,
          .accuracy = measured("accuracy"),
          .loss = measured("loss"),
          .verdict = record.diverged ? 2 : static_cast<std::int64_t>(record.verdict),
          .personal_accuracy = measured("personal_accuracy"),
          .personal_accuracy_p10 = measured("personal_accuracy_p10"),
          .personal_loss = measured("personal_loss")};
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
                    .accepted = client.accepted ? 1 : 0,
                    .weight = client.weight,
                    .loss = client.committed ? client.loss : not_measured,
                    .steps = client.steps,
                    .bytes_down = client.bytes_down,
                    .bytes_up = client.bytes_up,
                    .fraction = attempt.fraction,
                    .joules = client.joules,
                    .tier = client.tier,
                    .examples = client.examples,
                    .rejected_examples = client.rejected_examples});
  }
  return rows;
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
    const auto own = bytes.subspan(static_cast<std::size_t>(parameter.offset) * bytes_of(type),
                                   static_cast<std::size_t>(parameter.size) * bytes_of(type));
    model.push_back({parameter.name, parameter.shape, type, {own.begin(), own.end()}});
  }
  return model;
}

}  // namespace shoal
