// Does an agent learn to operate a machine from verdicts alone, and nothing from judges that give none?

#include "sim/studies/machine_study.hpp"

#include <gtest/gtest.h>

#include "sim/settings/part.hpp"

namespace shoal {
namespace {

// The outcomes of a replicate with the judge's settings.
std::vector<double> outcomes(const std::string& judge, const std::string& task) {
  const Settings s = Settings::parse("judge = {name = \"confusion\"" + judge + "}\n[task]\nupdates = 40\n" + task, "a");
  const MachineStudy study(s.section("task"),
                           make_part<Environment>("environment", "terminal", s.section("environment")),
                           make_part<Objective>("objective", "grpo", s.section("objective")),
                           make_part<Judge>("judge", "confusion", s.section("judge")));
  return study.run(7, 3);
}

// Nothing is learned from steps without a verdict: everything is as with a learning rate of 0. If a missing verdict
// counted as a vote of 0, outcomes alone would be compared, and from a mixture of votes of +1 and missing ones, noise.
TEST(MachineStudy, LearnsNothingWithoutVerdicts) {
  for (const char* judge : {", failure = 1", ", neutral = 1", ", failure = 1, votes = 3"}) {
    EXPECT_EQ(outcomes(judge, "rate = 0.1"), outcomes(judge, "rate = 0")) << judge;
  }
  EXPECT_NE(outcomes("", "rate = 0.1"), outcomes("", "rate = 0"));
  EXPECT_NE(outcomes(", failure = 0.3", "rate = 0.1"), outcomes(", failure = 0.3", "rate = 0"));
}

TEST(MachineStudy, NeedsNoVerdictsForOutcomes) {
  for (const char* without :
       {"rewards = \"outcome\"", "process_weight = 0", "rewards = \"outcome\"\nprocess_weight = 2"}) {
    const std::string task = std::string("rate = 0.1\n") + without;
    EXPECT_NE(outcomes(", failure = 1", task), outcomes(", failure = 1", std::string("rate = 0\n") + without))
        << without;
  }
}

}  // namespace
}  // namespace shoal
