// Do `shoal list` and `shoal explain` show everything that an experiment can name?

#include "experiments/program/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/nn/model.hpp"
#include "sim/round/federation.hpp"
#include "sim/task/data.hpp"

namespace shoal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

template <class Contract>
void expect_listed(const std::string& list) {
  for (const Part<Contract>& part : parts<Contract>()) {
    // Each part has a line of its own: its name, then what it does.
    EXPECT_THAT(list, HasSubstr(fmt::format("\n  {:<20} ", part.name)));
    const std::string about(part.about.substr(0, 20));
    EXPECT_THAT(list, HasSubstr(about.substr(0, about.find('\n')))) << part.name;
  }
}

TEST(Explain, ListsEveryPart) {
  const std::string list = list_parts();
  expect_listed<Strategy>(list);
  expect_listed<Planner>(list);
  expect_listed<Aggregator>(list);
  expect_listed<Stage>(list);
  expect_listed<Codec>(list);
  expect_listed<Model>(list);
  expect_listed<Source>(list);
  expect_listed<Partition>(list);
  expect_listed<Devices>(list);
  expect_listed<Availability>(list);
  for (const char* name :
       {"supervised", "quadratic", "local", "population", "regions", "limits", "consent", "partial"}) {
    EXPECT_THAT(list, HasSubstr(fmt::format("\n  {:<20} ", name)));
  }
}

template <class Contract>
void expect_explained() {
  for (const Part<Contract>& part : parts<Contract>()) {
    const std::string text = explain(std::string(part.name));
    EXPECT_THAT(text, HasSubstr(std::string(part.about)));
    EXPECT_THAT(text, HasSubstr(fmt::format("\"{}\"", part.name)));
    Settings settings;
    part.make(settings);
    for (const Declared& setting : settings.declared()) {
      EXPECT_THAT(text, HasSubstr(setting.meaning)) << part.name << ": " << setting.key;
      EXPECT_THAT(text, HasSubstr(fmt::format("\n  {:<18} = {:<12} # ", setting.key, setting.fallback))) << part.name;
    }
  }
}

TEST(Explain, ShowsSourceAndSettingsOfEveryPart) {
  expect_explained<Strategy>();
  expect_explained<Planner>();
  expect_explained<Aggregator>();
  expect_explained<Stage>();
  expect_explained<Codec>();
  expect_explained<Model>();
  expect_explained<Source>();
  expect_explained<Partition>();
  expect_explained<Devices>();
  expect_explained<Availability>();
}

TEST(Explain, WritesDefaultsAsInAFile) {
  const std::string text = explain("fed_prox");
  EXPECT_THAT(text, HasSubstr("fed_prox (strategy)\n"));
  EXPECT_THAT(text, HasSubstr("arXiv 1812.06127"));
  EXPECT_THAT(text, HasSubstr("\n[strategy]\n"));
  EXPECT_THAT(
      text,
      HasSubstr("mu                 = 0.01         # strength of the pull to the server model (number, at least 0)"));
  EXPECT_THAT(explain("clip"), HasSubstr("[stages]"));
}

TEST(Explain, ShowsSectionsThatAreNoParts) {
  const std::string text = explain("local");
  EXPECT_THAT(text, HasSubstr("[local]"));
  EXPECT_THAT(text, HasSubstr("learning rate of local SGD"));
  EXPECT_THAT(text, Not(HasSubstr("name ")));
  EXPECT_THAT(explain("population"), HasSubstr("median training speed"));
  EXPECT_THAT(explain("population"), HasSubstr("goes offline during a participation"));
  EXPECT_THAT(explain("limits"), HasSubstr("[population.limits]"));
  EXPECT_THAT(explain("limits"), HasSubstr("take part only when the device is not in use"));
  EXPECT_THAT(explain("quadratic"), HasSubstr("curvatures"));
}

TEST(Explain, KnowsSectionsOfPartsAndKeys) {
  EXPECT_THAT(explain("planner"),
              HasSubstr("cohort             = 10           # clients started in each round (integer, at "
                        "least 1)"));
  EXPECT_THAT(explain("stages"), HasSubstr("\n  stages = [\"adaptive_clip\"]\n"));
  EXPECT_THAT(explain("rounds"), HasSubstr("\n  rounds = 100\n"));
  EXPECT_THAT(explain("grid"), HasSubstr("seed = [1, 2, 3]"));
  EXPECT_THAT(explain("population.limits"), HasSubstr("[population.limits]"));
  EXPECT_THAT(explain("fed_prox"), HasSubstr("\n  strategy = {name = \"fed_prox\", mu = 0.01}\n"));
}

// A key with its section is that setting alone.
TEST(Explain, ShowsASingleSetting) {
  const std::string text = explain("local.rate");
  EXPECT_THAT(text, HasSubstr("learning rate of local SGD (number, greater than 0"));
  EXPECT_THAT(text, Not(HasSubstr("momentum of local SGD")));
  EXPECT_THAT(explain("strategy.mu"), HasSubstr("fed_prox (strategy)"));
  EXPECT_THAT(explain("strategy.mu"), Not(HasSubstr("scaffold")));
}

// The examples are TOML, so that they can be pasted into a file.
TEST(Explain, GivesExamplesThatAreToml) {
  for (const char* name :
       {"fed_prox", "clip", "local", "population.limits", "stages", "strategy", "rounds", "grid", "diurnal"}) {
    for (const Json& entry : explain_json(name)) {
      EXPECT_NO_THROW(Settings::parse(entry["example"].get<std::string>(), name)) << entry["example"];
    }
  }
}

TEST(Explain, SuggestsTheNearestName) {
  const auto error = [](const std::string& name) -> std::string {
    try {
      explain(name);
    } catch (const UserError& what) {
      return what.what();
    }
    return "(none)";
  };
  EXPECT_EQ(error("fed_proxx"), "there is no part called 'fed_proxx'. The nearest is 'fed_prox'.");
  EXPECT_EQ(error("quite something else"), "there is no part called 'quite something else'. See 'shoal list'.");
}

}  // namespace
}  // namespace shoal
