// Do the types that settings declare say their ranges, and can these be read back?

#include "sim/settings/declared_type.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace shoal {
namespace {

TEST(DeclaredType, SaysTheRange) {
  Settings settings;
  settings.number("a", 0.5, "", between(0, 1));
  settings.integer("b", 1, "", at_least(1));
  settings.number("c", 1, "", positive());
  settings.number("d", 1, "");
  settings.integers("e", {}, "", {.least = 0, .most = 10, .least_excluded = true});
  settings.choice("f", "x", {"x", "y z"}, "");
  std::vector<std::string> types;
  for (const Declared& setting : settings.declared()) types.push_back(setting.type);
  EXPECT_EQ(types, (std::vector<std::string>{"number, between 0 and 1", "integer, at least 1", "number, greater than 0",
                                             "number", "list of integers, greater than 0 and at most 10",
                                             "choice of x, y z"}));
}

TEST(DeclaredType, IsReadBack) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double least : {-infinity, -2.5, 0.0, 1e-30, 1e30}) {
    for (const double most : {1e30, 2147483647.0, 1e31, infinity}) {
      for (const bool excluded : {false, true}) {
        const DeclaredType type{.kind = "number", .bounds = {least, most, excluded && std::isfinite(least)}};
        const DeclaredType again = declared_type(type_text(type));
        EXPECT_EQ(again.kind, type.kind);
        EXPECT_EQ(again.bounds.least, least) << type_text(type);
        EXPECT_EQ(again.bounds.most, most) << type_text(type);
        EXPECT_EQ(again.bounds.least_excluded, type.bounds.least_excluded) << type_text(type);
      }
    }
  }
  EXPECT_EQ(declared_type("choice of a, b c, d").options, (std::vector<std::string>{"a", "b c", "d"}));
}

}  // namespace
}  // namespace shoal
