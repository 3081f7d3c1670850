// Does every key of [local] decide something beside every strategy? A strategy that ignores one must refuse it: another
// value then gives another run, or an error that names the strategy.

#include <gmock/gmock.h>

#include "experiments/program/part_list.hpp"
#include "tests/composed.hpp"
#include "tests/experiments/program/tries.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::HasSubstr;

// Strategies that need a model or data ask for them (`tries`).
const std::string base =
    "rounds = 3\ntask = {name = \"quadratic\", clients = 20, dimension = 6, spread = 0.5, examples = 30}\n";

std::vector<AnyPart> strategies() {
  std::vector<AnyPart> all = all_parts();
  std::erase_if(all, [](const AnyPart& part) { return part.kind != "strategy"; });
  return all;
}

class LocalSettingsOf : public ::testing::TestWithParam<AnyPart> {
 protected:
  std::string bits(const std::string& key, const std::string& value) const {
    const std::vector<std::string> asked = tries(GetParam());
    Settings settings = Settings::parse(asked.empty() ? base : with(base, asked.front()), "test.toml");
    if (!settings.has("strategy")) settings.set("strategy", toml_of(GetParam()));
    if (!settings.section("strategy").has("name")) settings.set("strategy.name", GetParam().name);
    settings = settings.clone();
    if (!key.empty()) settings.set("local." + key, value);
    return finished(settings).bits;
  }
};

TEST_P(LocalSettingsOf, DecideSomethingOrAreRefused) {
  const std::string usual = bits("", "");
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{{"epochs", "3"},
                                                                                   {"steps", "2"},
                                                                                   {"batch", "4"},
                                                                                   {"rate", "0.02"},
                                                                                   {"momentum", "0.5"},
                                                                                   {"weight_decay", "0.1"},
                                                                                   {"schedule", "\"inverse_sqrt\""}}) {
    try {
      EXPECT_NE(bits(key, value), usual) << "local." << key << " has no effect";
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(std::string(GetParam().name))) << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LocalSettingsOf, ::testing::ValuesIn(strategies()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace shoal
