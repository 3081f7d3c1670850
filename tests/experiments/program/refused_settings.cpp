// Settings that decide nothing, hold-outs without examples, and models that do not fit into memory: refused by name.

#include <gmock/gmock.h>

#include "experiments/tasks/shared/memory.hpp"
#include "tests/composed.hpp"

namespace shoal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::string& toml) {
  try {
    Datasets datasets;
    compose(Settings::parse(toml, "a.toml"), datasets);
    return "accepted";
  } catch (const UserError& error) {
    return error.what();
  }
}

const std::string quadratic = "task = {name = \"quadratic\", clients = 20, dimension = 4}\n";

TEST(SettingsWithoutEffect, AreRefusedBesideGradients) {
  for (const char* strategy : {"fed_sgd", "afl"}) {
    const std::string base = quadratic + "strategy = \"" + strategy + "\"\n";
    for (const char* key : {"momentum = 0.9", "epochs = 5", "schedule = \"inverse_sqrt\"", "rate = 0.5", "batch = 3",
                            "steps = 4", "weight_decay = 0.1"}) {
      EXPECT_THAT(refusal(base + "[local]\n" + key),
                  AllOf(HasSubstr("has no effect"), HasSubstr(strategy), HasSubstr(std::string(key).substr(0, 4))));
    }
    EXPECT_EQ(refusal(base + "[local]\nblock = 4"), "accepted");
  }
  EXPECT_EQ(refusal(quadratic + "[local]\nmomentum = 0.9\nepochs = 5"), "accepted");
}

TEST(SettingsWithoutEffect, AreRefusedUnderAStudy) {
  for (const char* study : {"rules", "machines", "talk"}) {
    const std::string base = std::string("task = {name = \"") + study + "\", replicates = 3}\n";
    EXPECT_EQ(refusal(base), "accepted");
    for (const char* part : {"local = {rate = 1}", "strategy = \"fed_avg\"", "rounds = 3", "planner = {cohort = 3}"}) {
      EXPECT_THAT(refusal(base + part), AllOf(HasSubstr("has no effect"), HasSubstr(study))) << part;
    }
  }
}

TEST(SettingsWithoutEffect, AreRefusedWhereTheyNeedOthers) {
  EXPECT_THAT(refusal(quadratic + "local = {decay = 0.5}"), HasSubstr("'decay' has no effect"));
  EXPECT_THAT(refusal(quadratic + "local = {period = 5}"), HasSubstr("'period' has no effect"));
  EXPECT_THAT(refusal(quadratic + "local = {schedule = \"inverse_sqrt\", decay = 0.5}"), HasSubstr("'decay' has no"));
  EXPECT_THAT(refusal(quadratic + "aggregator = {name = \"median\", weights = \"examples\"}"),
              AllOf(HasSubstr("'weights' has no effect"), HasSubstr("'median'")));
  EXPECT_THAT(refusal(quadratic + "evaluate = {stop_at_target = true}"), HasSubstr("there is no 'target'"));
  EXPECT_THAT(refusal(quadratic + "evaluate = {personal_clients = 5}"), HasSubstr("'personal' is false"));
  EXPECT_EQ(refusal(quadratic + "local = {schedule = \"step\", decay = 0.5, period = 5}"), "accepted");
}

TEST(Holdouts, AreNotSilentlyEmpty) {
  // 3,823 examples: one or two for each of 3,000 clients, eight for each of 450.
  const auto with = [](int clients, const char* share) {
    return fmt::format(
        "data = {{name = \"optdigits\", {}}}\npartition = {{name = \"iid\", clients = {}}}\n"
        "strategy = \"ditto\"\nmodel = \"logistic_regression\"\n",
        share, clients);
  };
  for (const char* share : {"test = 0.05", "validation = 0.1", "test = 0.2"}) {
    EXPECT_THAT(refusal(with(3000, share)), AllOf(HasSubstr("[data] '"), HasSubstr("no client has enough"))) << share;
  }
  EXPECT_EQ(refusal(with(450, "test = 0.2")), "accepted");
}

TEST(Memory, OfAModelIsKnownBefore) {
  const auto widths = [](const char* list) {
    return refusal(fmt::format("model = {{name = \"mlp\", widths = {}}}", list));
  };
  // 65 + 10 values a unit, 24 bytes each: 7.7 TB.
  EXPECT_THAT(widths("[4294967296]"), AllOf(HasSubstr("[model]"), HasSubstr("needs at least 7730.9 GB"),
                                            HasSubstr("Make it smaller with 'widths'")));
  EXPECT_THAT(widths("[4294967296, 4294967296]"), HasSubstr("Lower its widths"));  // more parameters than 2^63
  EXPECT_THAT(widths("[1000, 40000000]"), AllOf(HasSubstr("needs at least 970.6 GB"), HasSubstr("'widths'")));
  EXPECT_EQ(widths("[100]"), "accepted");
}

TEST(Memory, IsComparedWithWhatThereIs) {
  ParameterLayout layout;
  layout.add("weight", {1000, 50});
  layout.add("bias", {50});
  EXPECT_EQ(least_memory(layout), 24.0 * 50'050);
  const Settings none;
  EXPECT_NO_THROW(require_memory(layout, none, 24 * 50'050));
  EXPECT_THROW(require_memory(layout, none, 24 * 50'050 - 1), UserError);
  EXPECT_GT(available_memory(), 1e6);
}

}  // namespace
}  // namespace shoal
