// Mending software: three places of a program, for each three variants of a patch of which one is right, the tests, and
// a button that hands the patch in. Tests tell which places pass, until the next change. Handing in ends the episode:
// +1 if all tests pass, else -1. Sparse, and worth testing.

#include "sim/agents/environment.hpp"

namespace shoal::environments {
namespace {

constexpr int variants = 3;
constexpr std::size_t tests_ran = 7;  // place in EpisodeState::at, behind those of the program

class Patch final : public Environment {
 public:
  explicit Patch(const Settings& s) : places_(s.integer("places", 3, "to be mended", between(1, 5))) {}

  int observations() const override {
    int count = 2;
    for (int i = 0; i < places_; ++i) count *= 3;
    return count;
  }
  int actions() const override { return variants * places_ + 2; }
  int horizon() const override { return 20; }
  EpisodeState start(RandomStream&) const override { return {}; }

  int observe(const EpisodeState& state) const override {
    int seen = tested(state) ? 1 : 0;
    for (int i = 0; i < places_; ++i) seen = 3 * seen + appearance(state, i);
    return seen;
  }

  StepResult step(EpisodeState& state, int action, bool last, RandomStream&) const override {
    if (action == variants * places_) {
      const double progress = tested(state) ? -1 : 1;
      state.at[tests_ran] = 1;
      return {progress, last, last ? -1.0 : 0.0, false};
    }
    if (action > variants * places_) {
      bool all = true;
      for (int i = 0; i < places_; ++i) all = all && passes(state, i);
      return {all ? 1.0 : -1.0, true, all ? 1.0 : -1.0, all};
    }
    const int place = action / variants;
    const bool before = passes(state, place);
    state.at[place] = 1 + action % variants;
    state.at[tests_ran] = 0;
    return {!before && passes(state, place) ? 1.0 : -1.0, last, last ? -1.0 : 0.0, false};
  }

 private:
  static bool tested(const EpisodeState& state) { return state.at[tests_ran] == 1; }
  // The right variant of place i is i mod 3.
  static bool passes(const EpisodeState& state, int place) { return state.at[place] == 1 + place % variants; }
  // 0 untouched, 1 passing, 2 failing as far as tests told; patched places look alike while the tests have not run.
  static int appearance(const EpisodeState& state, int place) {
    if (state.at[place] == 0) return 0;
    return tested(state) && passes(state, place) ? 1 : 2;
  }

  int places_;
};

}  // namespace

std::unique_ptr<Environment> patch(Settings& settings) { return std::make_unique<Patch>(settings); }

}  // namespace shoal::environments
