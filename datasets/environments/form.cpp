// A form in a graphical interface: four fields, for each a right and a wrong entry, and a button. The screen shows
// which fields are filled and which are marked as wrong. Pressing the button ends the episode: +1 if all fields are
// right, else -1. The reward is sparse: an untrained agent presses the button too early.

#include <algorithm>

#include "sim/agents/environment.hpp"

namespace shoal::environments {
namespace {

constexpr int most_fields = 6;
constexpr int right = 1, wrong = 2;

struct Entries {
  std::array<int, most_fields> of_field;  // `right`, `wrong`, or 0: empty
};

class Form final : public Environment {
 public:
  explicit Form(const Settings& s) : fields_(s.integer("fields", 4, "fields of the form", between(1, most_fields))) {}

  int observations() const override {
    int count = 1;
    for (int i = 0; i < fields_; ++i) count *= 3;
    return count;
  }
  int actions() const override { return 2 * fields_ + 1; }
  int horizon() const override { return 30; }
  EpisodeState start(RandomStream&) const override { return {}; }
  int observe(const EpisodeState& state) const override {
    const Entries entries = state.as<Entries>();
    int seen = 0;
    for (int i = 0; i < fields_; ++i) seen = 3 * seen + entries.of_field[i];
    return seen;
  }

  // Action 2 i enters the right value into field i, 2 i + 1 a wrong one, the last one presses the button.
  StepResult step(EpisodeState& state, int action, bool last, RandomStream&) const override {
    Entries entries = state.as<Entries>();
    if (action == 2 * fields_) {
      const bool complete = std::ranges::count(entries.of_field, right) == fields_;
      const double sign = complete ? 1 : -1;
      return {.progress = sign, .done = true, .outcome = sign, .success = complete};
    }
    int& field = entries.of_field[action / 2];
    const int before = field;
    field = action % 2 == 0 ? right : wrong;
    const bool useful = before != right && field == right;
    state.set(entries);
    return {.progress = useful ? 1.0 : -1.0, .done = last, .outcome = last ? -1.0 : 0.0};
  }

 private:
  int fields_;
};

}  // namespace

std::unique_ptr<Environment> form(Settings& settings) { return std::make_unique<Form>(settings); }

}  // namespace shoal::environments
