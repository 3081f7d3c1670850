// Patching software: three places of a program, for each of them three variants of a patch of which one is right, the
// tests, and a button that submits the patch. The tests show which places pass, until the next change. Submitting ends
// the episode: +1 if all tests pass, else -1. The reward is sparse, and running the tests pays off.

#include "sim/agents/environment.hpp"

namespace shoal::environments {
namespace {

constexpr int variants = 3, most_places = 5;

struct Program {
  std::array<int, most_places> patches;  // the variant that each place has, from 1; 0: untouched
  int tested;                            // 1 if the tests have run since the last change

  // The right variant of place i is 1 + i mod 3.
  bool passes(int place) const { return patches[place] == 1 + place % variants; }
};

class Patch final : public Environment {
 public:
  explicit Patch(const Settings& s)
      : places_(s.integer("places", 3, "places to be patched", between(1, most_places))) {}

  int observations() const override {
    int count = 2;
    for (int i = 0; i < places_; ++i) count *= 3;
    return count;
  }
  int actions() const override { return variants * places_ + 2; }
  int horizon() const override { return 20; }
  EpisodeState start(RandomStream&) const override { return {}; }

  // Per place: 0 untouched, 1 passing, 2 not known to pass: patched places look alike until the tests run.
  int observe(const EpisodeState& state) const override {
    const Program program = state.as<Program>();
    int seen = program.tested;
    for (int i = 0; i < places_; ++i) {
      int shows = 0;
      if (program.patches[i] != 0) shows = program.tested == 1 && program.passes(i) ? 1 : 2;
      seen = 3 * seen + shows;
    }
    return seen;
  }

  StepResult step(EpisodeState& state, int action, bool last, RandomStream&) const override {
    Program program = state.as<Program>();
    const int run_tests = variants * places_;
    if (action > run_tests) {  // submit
      bool all = true;
      for (int i = 0; i < places_; ++i) all = all && program.passes(i);
      const double sign = all ? 1 : -1;
      return {.progress = sign, .done = true, .outcome = sign, .success = all};
    }
    bool useful = false;
    if (action == run_tests) {
      useful = program.tested == 0;
      program.tested = 1;
    } else {
      const int place = action / variants;
      const bool before = program.passes(place);
      program.patches[place] = 1 + action % variants;
      program.tested = 0;
      useful = !before && program.passes(place);
    }
    state.set(program);
    return {.progress = useful ? 1.0 : -1.0, .done = last, .outcome = last ? -1.0 : 0.0};
  }

 private:
  int places_;
};

}  // namespace

std::unique_ptr<Environment> patch(Settings& settings) { return std::make_unique<Patch>(settings); }

}  // namespace shoal::environments
