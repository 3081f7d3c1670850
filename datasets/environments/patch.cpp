// Mending software: three places of a program, for each three variants of a patch of which one is right, the tests, and
// a button that hands the patch in. Tests tell which places pass, until the next change. Handing in ends the episode:
// +1 if all tests pass, else -1. Sparse, and worth testing.

#include "sim/agents/environment.hpp"

namespace shoal::environments {
namespace {

constexpr int variants = 3;

class Patch final : public Environment {
 public:
  explicit Patch(const Settings& s)
      : places_(static_cast<int>(s.integer("places", 3, "to be mended", between(1, 5)))) {}

  int observations() const override {
    int count = 2;
    for (int i = 0; i < places_; ++i) count *= 3;
    return count;
  }
  int actions() const override { return variants * places_ + 2; }
  int horizon() const override { return 20; }
  EpisodeState start(RandomStream&) const override { return {}; }

  // Per place: untouched, passing, failing as far as tests told; patched places look alike while they have not run.
  int observe(const EpisodeState& state) const override {
    int seen = tested(state) ? 1 : 0;
    for (int i = 0; i < places_; ++i) {
      const bool touched = state.at[static_cast<std::size_t>(i)] != 0;
      seen = 3 * seen + (touched ? (tested(state) && passes(state, i) ? 1 : 2) : 0);
    }
    return seen;
  }

  StepResult step(EpisodeState& state, int action, bool last, RandomStream&) const override {
    if (action == variants * places_) {
      const double progress = tested(state) ? -1 : 1;
      state.at[7] = 1;
      return {progress, last, last ? -1.0 : 0.0, false};
    }
    if (action > variants * places_) {
      bool all = true;
      for (int i = 0; i < places_; ++i) all = all && passes(state, i);
      return {all ? 1.0 : -1.0, true, all ? 1.0 : -1.0, all};
    }
    const int place = action / variants;
    const bool before = passes(state, place);
    state.at[static_cast<std::size_t>(place)] = 1 + action % variants;
    state.at[7] = 0;
    return {!before && passes(state, place) ? 1.0 : -1.0, last, last ? -1.0 : 0.0, false};
  }

 private:
  static bool tested(const EpisodeState& state) { return state.at[7] == 1; }
  // The right variant of place i is i mod 3.
  static bool passes(const EpisodeState& state, int place) {
    return state.at[static_cast<std::size_t>(place)] == 1 + place % variants;
  }
  int places_;
};

}  // namespace

std::unique_ptr<Environment> patch(Settings& settings) { return std::make_unique<Patch>(settings); }

}  // namespace shoal::environments
