// Do machines do what their descriptions say? Every machine is operated to its success and to its failure.

#include <gtest/gtest.h>

#include "sim/agents/environment.hpp"

namespace {

using shoal::Environment;
using shoal::EpisodeState;
using shoal::StepResult;

class Machines : public testing::Test {
 protected:
  static std::unique_ptr<Environment> machine(const std::string& toml) {
    return shoal::make_part<Environment>("environment", "terminal", shoal::Settings::parse(toml, "test.toml"));
  }
  // Takes these actions and returns the last result.
  StepResult take(const Environment& machine, EpisodeState& state, const std::vector<int>& actions) {
    StepResult result;
    for (const int action : actions) {
      EXPECT_FALSE(result.done);
      result = machine.step(state, action, false, random);
      EXPECT_TRUE(result.done || machine.observe(state) < machine.observations());
    }
    return result;
  }
  shoal::RandomStream random{shoal::RandomKey{1, 2}, 3};
};

TEST_F(Machines, TerminalNeedsTheRightCommands) {
  const auto terminal = machine("name = 'terminal'\nstages = 3\nundo = 0");
  EpisodeState state = terminal->start(random);
  const StepResult wrong = take(*terminal, state, {1, 0});  // stage 1 needs command 4
  EXPECT_EQ(wrong.progress, -1);
  EXPECT_NEAR(wrong.outcome, 2.0 / 3 - 1, 1e-12);
  const StepResult end = take(*terminal, state, {4, 7});
  EXPECT_TRUE(end.done && end.success);
  EXPECT_EQ(end.outcome, 1);
}

TEST_F(Machines, TerminalUndoesStages) {
  const auto terminal = machine("name = 'terminal'\nstages = 3\nundo = 1");
  EpisodeState state = terminal->start(random);
  EXPECT_EQ(take(*terminal, state, {1, 4, 0}).outcome, 2.0 / 3 - 1);
}

TEST_F(Machines, FormsAreAcceptedWhenRight) {
  const auto form = machine("name = 'form'\nfields = 2");
  EpisodeState state = form->start(random);
  EXPECT_EQ(take(*form, state, {0}).progress, 1);
  EXPECT_EQ(take(*form, state, {0}).progress, -1);  // already right
  EXPECT_EQ(take(*form, state, {3}).progress, -1);  // wrong value
  EXPECT_EQ(take(*form, state, {2}).progress, 1);
  EXPECT_TRUE(take(*form, state, {4}).success);
  EpisodeState early = form->start(random);
  const StepResult failed = take(*form, early, {0, 4});
  EXPECT_TRUE(failed.done && !failed.success);
  EXPECT_EQ(failed.outcome, -1);
}

TEST_F(Machines, TestsShowWhichPatchesPass) {
  const auto patch = machine("name = 'patch'\nplaces = 2");
  EpisodeState state = patch->start(random);
  take(*patch, state, {1});  // place 0, wrong
  const int unknown = patch->observe(state);
  EXPECT_EQ(take(*patch, state, {6}).progress, 1);
  EXPECT_NE(patch->observe(state), unknown);
  EXPECT_EQ(take(*patch, state, {6}).progress, -1);  // nothing has changed
  EXPECT_EQ(take(*patch, state, {0}).progress, 1);
  EXPECT_EQ(take(*patch, state, {3 + 1}).progress, 1);  // the right variant of place 1
  EXPECT_TRUE(take(*patch, state, {7}).success);
  EpisodeState untouched = patch->start(random);
  EXPECT_EQ(take(*patch, untouched, {7}).outcome, -1);
}

// The beginning of a calculator's state.
struct Problem {
  std::array<int, 4> operations;
  int count;
};

TEST_F(Machines, CalculatorsNeedEveryCallRight) {
  const auto calculator = machine("name = 'calculator'");
  for (int i = 0; i < 20; ++i) {
    EpisodeState state = calculator->start(random), spoiled = state, early = state;
    const int operations = state.as<Problem>().count, first = state.as<Problem>().operations[0];
    EXPECT_TRUE(operations >= 2 && operations <= 4);
    for (int k = 0; k < operations; ++k) EXPECT_EQ(take(*calculator, state, {calculator->observe(state)}).progress, 1);
    EXPECT_EQ(take(*calculator, state, {5}).outcome, 1);
    EXPECT_EQ(take(*calculator, spoiled, {(first + 1) % 4}).progress, -1);
    for (int k = 1; k < operations; ++k) take(*calculator, spoiled, {calculator->observe(spoiled)});
    const StepResult wrong = take(*calculator, spoiled, {5});
    EXPECT_FALSE(wrong.success);
    EXPECT_NEAR(wrong.outcome, -1 + 0.05 * (operations - 2), 1e-12);
    EXPECT_EQ(take(*calculator, early, {4}).progress, -1);  // reading again never fails and never helps
    EXPECT_EQ(calculator->observe(early), first);
  }
}

TEST_F(Machines, EndAtTheirHorizon) {
  for (const auto& part : shoal::parts<Environment>()) {
    shoal::Settings settings;
    const auto each = part.make(settings);
    EpisodeState state = each->start(random);
    const StepResult end = each->step(state, 0, true, random);
    EXPECT_TRUE(end.done && !end.success) << part.name;
    EXPECT_LT(end.outcome, 0) << part.name;
  }
}

}  // namespace
