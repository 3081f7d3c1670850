// Do parts of any two kinds work together, or are they refused with the reason, as the table of pairs says? A new part
// is tried with all others as soon as its file is there; a new kind needs a line in the table.

#include "tests/experiments/program/pairs.hpp"

#include <ATen/ops/isfinite.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <optional>

#include "tests/composed.hpp"
#include "tests/experiments/program/tries.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

const std::string base =
    "rounds = 2\ntask = {name = \"quadratic\", clients = 32, dimension = 6, spread = 0.5}\n"
    "local = {steps = 2}\n";

std::optional<Side> side_of(std::string_view kind) {
  const auto found = std::ranges::find(kinds, kind, &KindOfPart::kind);
  return found == kinds.end() ? std::nullopt : std::optional(found->side);
}

const PairOfSides* pair_of(Side one, Side other) {
  const auto found = std::ranges::find_if(sides, [&](const PairOfSides& pair) {
    return (pair.one == one && pair.other == other) || (pair.one == other && pair.other == one);
  });
  return found == sides.end() ? nullptr : &*found;
}

bool is_named(const AnyPart& part, std::string_view name) {
  return name == "all" || name == part.name || name == fmt::format("{} {}", part.kind, part.name) ||
         name == fmt::format("kind: {}", part.kind);
}

// The refusal that the file of one of the parts or the table expects.
std::optional<std::string> refusal_of(const AnyPart& a, const AnyPart& b) {
  for (const auto& [own, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    for (const RefusedWith& refused : refusals(*own)) {
      if (std::ranges::any_of(refused.names, [&](const std::string& name) { return is_named(*other, name); })) {
        return refused.message;
      }
    }
  }
  const auto found = std::ranges::find_if(refused_pairs, [&](const PairOfParts& pair) {
    return (is_named(a, pair.one) && is_named(b, pair.other)) || (is_named(b, pair.one) && is_named(a, pair.other));
  });
  return found == refused_pairs.end() ? std::nullopt : std::optional(std::string(found->refusal));
}

// The experiment with both parts, at the first settings with which their files ask to be tried.
Settings both(const AnyPart& a, const AnyPart& b) {
  std::string toml = base;
  for (const AnyPart* part : {&a, &b}) {
    const std::vector<std::string> asked = tries(*part);
    if (!asked.empty()) toml = with(toml, asked.front());
  }
  Settings settings = Settings::parse(toml, "test.toml");
  if (a.kind == "peer strategy" || b.kind == "peer strategy") settings.set("topology", "\"ring\"");
  settings.set(a.section, toml_of(a));
  if (a.section == b.section) {
    settings.set(a.section, fmt::format("[{{name = \"{}\"}}, {{name = \"{}\"}}]", a.name, b.name));
  } else {
    settings.set(b.section, toml_of(b));
  }
  return settings;
}

// The message with which the pair is refused, empty if it runs.
std::string refusal(const AnyPart& a, const AnyPart& b) {
  try {
    const Finished result = finished(both(a, b), {2, 1});
    EXPECT_TRUE(at::isfinite(result.model).all().item<bool>()) << a.name << " with " << b.name;
    return "";
  } catch (const UserError& error) {
    return error.what();
  }
}

void expect_fit(const AnyPart& a, const AnyPart& b, const PairOfSides& kinds) {
  const std::string names = fmt::format("{} {} with {} {}", a.kind, a.name, b.kind, b.name);
  const std::string found = refusal(a, b);
  const std::optional<std::string> expected = refusal_of(a, b);
  if (!expected && kinds.fit == Fit::works) {
    EXPECT_EQ(found, "") << names << ": if it makes no sense, say 'Refused with' in the first comment of one of them";
  } else {
    EXPECT_THAT(found, testing::HasSubstr(expected.value_or(std::string(kinds.why)))) << names;
    EXPECT_NE(found, "") << names << " is not refused";
  }
}

TEST(Pairs, HaveAnEntryForEveryKind) {
  for (const AnyPart& part : all_parts()) {
    if (part.kind != "task") {
      EXPECT_TRUE(side_of(part.kind).has_value()) << "pairs.hpp has no kind '" << part.kind << "'";
    }
  }
  for (const KindOfPart& one : kinds) {
    for (const KindOfPart& other : kinds) {
      const PairOfSides* pair = pair_of(one.side, other.side);
      ASSERT_NE(pair, nullptr) << one.kind << " with " << other.kind;
      EXPECT_EQ(pair->fit == Fit::works, pair->why.empty()) << one.kind << " with " << other.kind;
    }
  }
}

// Every entry is about parts that exist.
TEST(Pairs, NameParts) {
  const std::vector<AnyPart> all = all_parts();
  const auto expect_part = [&](std::string_view name) {
    EXPECT_TRUE(std::ranges::any_of(all, [&](const AnyPart& part) { return is_named(part, name); })) << name;
  };
  for (const PairOfParts& pair : refused_pairs) {
    expect_part(pair.one);
    expect_part(pair.other);
  }
  for (const AnyPart& part : all) {
    for (const RefusedWith& refused : refusals(part)) std::ranges::for_each(refused.names, expect_part);
  }
}

class PairsOf : public testing::TestWithParam<std::string_view> {};

TEST_P(PairsOf, FitAsTheTableSays) {
  const std::vector<AnyPart> all = all_parts();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].kind != GetParam()) continue;
    for (std::size_t j = i; j < all.size(); ++j) {
      const std::optional<Side> one = side_of(all[i].kind), other = side_of(all[j].kind);
      if (!one || !other || (all[i].section == all[j].section && !is_listed(all[i]))) continue;
      const PairOfSides* pair = pair_of(*one, *other);
      if (pair != nullptr && pair->cheap && pair->fit != Fit::meaningless) expect_fit(all[i], all[j], *pair);
    }
  }
}

std::vector<std::string_view> tried_kinds() {
  std::vector<std::string_view> found;
  for (const KindOfPart& one : kinds) {
    if (one.side == Side::server || one.side == Side::peers || one.side == Side::clients) found.push_back(one.kind);
  }
  return found;
}

INSTANTIATE_TEST_SUITE_P(Kinds, PairsOf, testing::ValuesIn(tried_kinds()), [](const auto& info) {
  std::string name(info.param);
  std::ranges::replace(name, ' ', '_');
  return name;
});

}  // namespace
}  // namespace shoal
