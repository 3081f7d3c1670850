#include "sim/record/rows.hpp"

#include <array>

namespace shoal {
namespace {

constexpr auto integer = FieldType::integer;
constexpr auto real = FieldType::real;

constexpr std::array round_fields = {
    Field{"round", offsetof(RoundRow, round), integer, "count from 1"},
    Field{"version", offsetof(RoundRow, version), integer, "server updates"},
    Field{"time_us", offsetof(RoundRow, time_us), integer, "virtual microseconds"},
    Field{"started", offsetof(RoundRow, started), integer, "clients"},
    Field{"committed", offsetof(RoundRow, committed), integer, "clients"},
    Field{"dropouts", offsetof(RoundRow, dropouts), integer, "clients"},
    Field{"rejected", offsetof(RoundRow, rejected), integer, "clients"},
    Field{"examples", offsetof(RoundRow, examples), integer, "examples"},
    Field{"bytes_down", offsetof(RoundRow, bytes_down), integer, "bytes"},
    Field{"bytes_up", offsetof(RoundRow, bytes_up), integer, "bytes"},
    Field{"train_loss", offsetof(RoundRow, train_loss), real, "mean over accepted clients"},
    Field{"accuracy", offsetof(RoundRow, accuracy), real, "fraction, NaN where not evaluated"},
    Field{"loss", offsetof(RoundRow, loss), real, "mean over examples, NaN where not evaluated"},
    Field{"verdict", offsetof(RoundRow, verdict), integer, "0 commit, 1 abandoned, 2 diverged"},
    Field{"personal_accuracy", offsetof(RoundRow, personal_accuracy), real,
          "mean over clients of their models' accuracy on their own examples, NaN where not evaluated"},
    Field{"personal_accuracy_p10", offsetof(RoundRow, personal_accuracy_p10), real,
          "10th percentile over clients, NaN where not evaluated"},
    Field{"personal_loss", offsetof(RoundRow, personal_loss), real, "mean over clients, NaN where not evaluated"},
    Field{"task", offsetof(RoundRow, task), integer, "number of the task, from 0"},
};

constexpr std::array participation_fields = {
    Field{"round", offsetof(ParticipationRow, round), integer, "count from 1"},
    Field{"participation", offsetof(ParticipationRow, participation), integer, "id"},
    Field{"client", offsetof(ParticipationRow, client), integer, "id"},
    Field{"version", offsetof(ParticipationRow, version), integer, "server updates at download"},
    Field{"start_us", offsetof(ParticipationRow, start_us), integer, "virtual microseconds"},
    Field{"finish_us", offsetof(ParticipationRow, finish_us), integer, "virtual microseconds"},
    Field{"outcome", offsetof(ParticipationRow, outcome), integer,
          "0 completes, dropped out in 1 download, 2 training, 3 upload, -1 late, -2 stopped"},
    Field{"committed", offsetof(ParticipationRow, committed), integer, "0 or 1"},
    Field{"accepted", offsetof(ParticipationRow, accepted), integer, "0 or 1"},
    Field{"weight", offsetof(ParticipationRow, weight), real, "factor on the client's own weight"},
    Field{"loss", offsetof(ParticipationRow, loss), real, "mean over local steps"},
    Field{"steps", offsetof(ParticipationRow, steps), integer, "local steps"},
    Field{"bytes_down", offsetof(ParticipationRow, bytes_down), integer, "bytes"},
    Field{"bytes_up", offsetof(ParticipationRow, bytes_up), integer, "bytes"},
    Field{"fraction", offsetof(ParticipationRow, fraction), real, "share of the local work"},
    Field{"joules", offsetof(ParticipationRow, joules), real, "joules, a proxy: power x time"},
    Field{"tier", offsetof(ParticipationRow, tier), integer, "kind of the device, from 0"},
    Field{"examples", offsetof(ParticipationRow, examples), integer, "examples trained on, of committed ones"},
    Field{"rejected_examples", offsetof(ParticipationRow, rejected_examples), integer,
          "examples that the trainer refused as malformed or not finite"},
    Field{"task", offsetof(ParticipationRow, task), integer, "number of the task, from 0"},
    Field{"group", offsetof(ParticipationRow, group), integer, "number of the group, from 0"},
    Field{"variant", offsetof(ParticipationRow, variant), integer, "number of the model's variant, from 0"},
};

// Eight bytes a field and no padding: every byte of a row is in a column.
static_assert(sizeof(RoundRow) == 8 * round_fields.size());
static_assert(sizeof(ParticipationRow) == 8 * participation_fields.size());

}  // namespace

template <>
std::span<const Field> fields<RoundRow>() {
  return round_fields;
}

template <>
std::span<const Field> fields<ParticipationRow>() {
  return participation_fields;
}

std::string units(std::span<const Field> fields) {
  std::string text;
  for (const Field& field : fields) {
    text += (text.empty() ? "" : "; ");
    text += std::string(field.name) + ": " + field.unit;
  }
  return text;
}

}  // namespace shoal
