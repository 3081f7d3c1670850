// Are committees as large as the rule asks, and are the probabilities behind it right?
#include "sim/secure/committee_rule.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <utility>

#include "sim/secure/hypergeometric.hpp"

namespace shoal {
namespace {

// Computed from the rule by an independent program.
TEST(CommitteeRule, GivesTheRowsOfAnotherProgram) {
  struct Row {
    double corrupt, dropout;
    std::array<Committee, 4> of;  // populations of 100, 1,000, 10,000 and 100,000
  };
  const std::array<Row, 5> rows = {{{.05, .05, {{{26, 5, 21}, {44, 17, 33}, {46, 18, 34}, {46, 18, 34}}}},
                                    {.05, .1, {{{31, 5, 21}, {53, 18, 36}, {59, 20, 40}, {59, 20, 40}}}},
                                    {.1, .1, {{{36, 10, 26}, {69, 28, 49}, {76, 31, 54}, {76, 31, 54}}}},
                                    {.05, .3, {{{62, 5, 34}, {238, 35, 137}, {322, 49, 186}, {334, 51, 193}}}},
                                    {.2, .05, {{{41, 20, 36}, {70, 40, 56}, {73, 42, 58}, {73, 42, 58}}}}}};
  for (const Row& row : rows) {
    std::int64_t population = 10;
    for (const Committee& expected : row.of) {
      population *= 10;
      const Committee found = committee_rule(population, row.corrupt, row.dropout).value_or(Committee{});
      EXPECT_EQ(found, expected) << population << ", " << row.corrupt << ", " << row.dropout << ": " << found.members
                                 << ", " << found.corrupt << ", " << found.needed;
    }
  }
}

TEST(CommitteeRule, KnowsWhatIsNotPossible) {
  EXPECT_EQ(committee_rule(17, .05, .05), std::nullopt);
  EXPECT_EQ(committee_rule(1000, .5, .5), std::nullopt);
}

TEST(Hypergeometric, CountsChoices) {
  // 2 of 5 marked, 3 drawn: 1, 6 and 3 of the 10 choices hold 0, 1 and 2 of them.
  for (const auto& [x, choices] : {std::pair{0, 1}, {1, 6}, {2, 3}}) {
    EXPECT_NEAR(std::exp(log_hypergeometric(5, 2, 3, x)), choices / 10.0, 1e-12);
  }
  EXPECT_EQ(std::exp(log_hypergeometric(5, 2, 3, 3)), 0);
  double sum = 0, below = Hypergeometric(10'000, 500, 62).below(63);
  for (int x = 0; x <= 62; ++x) sum += std::exp(log_hypergeometric(10'000, 500, 62, x));
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_NEAR(below, 1, 1e-9);
}

}  // namespace
}  // namespace shoal
