// A form in a graphical interface: four fields, for each a right and a wrong entry, and a button. The screen shows
// which fields are filled and which are marked as wrong. Pressing the button ends the episode: +1 if all fields are
// right, else -1. Sparse: an untrained agent presses too early.

#include "sim/agents/environment.hpp"

namespace shoal::environments {
namespace {

constexpr int empty = 0, right = 1;

class Form final : public Environment {
 public:
  explicit Form(const Settings& s) : fields_(s.integer("fields", 4, "of the form", between(1, 6))) {}

  int observations() const override {
    int count = 1;
    for (int i = 0; i < fields_; ++i) count *= 3;
    return count;
  }
  int actions() const override { return 2 * fields_ + 1; }
  int horizon() const override { return 30; }
  EpisodeState start(RandomStream&) const override { return {}; }
  int observe(const EpisodeState& state) const override {
    int seen = 0;
    for (int i = 0; i < fields_; ++i) seen = 3 * seen + state.at[i];
    return seen;
  }

  // Action 2 i enters the right value into field i, 2 i + 1 a wrong one, the last one presses the button.
  StepResult step(EpisodeState& state, int action, bool last, RandomStream&) const override {
    bool complete = true;
    for (int i = 0; i < fields_; ++i) complete = complete && state.at[i] == right;
    if (action == 2 * fields_) return {complete ? 1.0 : -1.0, true, complete ? 1.0 : -1.0, complete};
    int& field = state.at[action / 2];
    const int before = field;
    field = action % 2 == 0 ? right : right + 1;
    return {before != right && field == right ? 1.0 : -1.0, last, last ? -1.0 : 0.0, false};
  }

 private:
  int fields_;
};

}  // namespace

std::unique_ptr<Environment> form(Settings& settings) { return std::make_unique<Form>(settings); }

}  // namespace shoal::environments
