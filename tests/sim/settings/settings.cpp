#include "sim/settings/without_effect.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace {

using shoal::Settings;
using shoal::UserError;

Settings parse(std::string_view toml) { return Settings::parse(toml, "a.toml"); }

template <class Act>
std::string error_of(const Act& act) {
  try {
    act();
  } catch (const UserError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "(no error)";
}

const std::string quickstart = R"(# comment
seed = 7
rounds = "many"
[planner]
name = "synchronous"
cohrot = 10
alpha = -1
[strategy]
name = "fed_prox"
mu = 0.1
)";

TEST(Settings, ReadsEveryKind) {
  const Settings s = parse(
      "n = 3\nx = 2.5\nwhole = 4\non = true\nword = \"a b\"\nrule = \"max\"\nlist = [1, 2.5]\nsizes = [200, 10]\nempty "
      "= []\n");
  EXPECT_EQ(s.integer("n", 1, "count"), 3);
  EXPECT_EQ(s.number("x", 1, "size"), 2.5);
  EXPECT_EQ(s.number("whole", 1, "integers are numbers"), 4.0);
  EXPECT_TRUE(s.flag("on", false, "switch"));
  EXPECT_EQ(s.text("word", "", "text"), "a b");
  EXPECT_EQ(s.choice("rule", "min", {"min", "max"}, "which"), "max");
  EXPECT_EQ(s.numbers("list", {}, "values"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(s.integers("sizes", {64}, "widths"), (std::vector<std::int64_t>{200, 10}));
  EXPECT_TRUE(s.integers("empty", {64}, "widths").empty());
  EXPECT_TRUE(s.texts("empty", {"a"}, "names").empty());
  EXPECT_EQ(parse("x = [\"a\", \"b c\"]").texts("x", {}, "names"), (std::vector<std::string>{"a", "b c"}));
  EXPECT_NO_THROW(s.finish());
}

TEST(Settings, EmptyGivesDefaults) {
  const Settings s;
  EXPECT_EQ(s.number("x", 0.01, ""), 0.01);
  EXPECT_EQ(s.text("t", "test", ""), "test");
  EXPECT_EQ(s.choice("c", "a", {"a", "b"}, ""), "a");
  EXPECT_EQ(s.section("deep").section("deeper").integer("n", 5, ""), 5);
  EXPECT_TRUE(s.sections("stages").empty());
  EXPECT_FALSE(s.has("x"));
  EXPECT_NO_THROW(s.finish());
  EXPECT_EQ(s.canonical(), "");
}

TEST(Settings, ErrorsNameFileLineSectionAndKey) {
  const Settings s = parse(quickstart);
  EXPECT_EQ(error_of([&] { s.integer("rounds", 1, ""); }),
            "a.toml:3: 'rounds' must be an integer (found the string \"many\"). Write it like 10.");
  EXPECT_EQ(error_of([&] { s.section("planner").number("alpha", 1, "", shoal::positive()); }),
            "a.toml:7: [planner] 'alpha' must be greater than 0 (found -1). Raise it.");
  EXPECT_EQ(error_of([&] { s.section("seed"); }),
            "a.toml:2: 'seed' must be a table or a name (found 7). Write it like {name = \"...\"}.");
  EXPECT_EQ(error_of([&] { s.sections("seed"); }),
            "a.toml:2: 'seed' must be a table or a name (found 7). Write it like {name = \"...\"}.");
  EXPECT_EQ(error_of([&] { s.number("planner", 1, ""); }),
            "a.toml:4: 'planner' must be a number (found a table). Write it like 0.5.");
  EXPECT_EQ(s.section("planner").where(), "a.toml, [planner]");
  EXPECT_EQ(s.where(), "a.toml");
}

TEST(Settings, ErrorsOfTypeAndBounds) {
  const auto number = [](const char* toml, shoal::Bounds bounds) {
    return error_of([&] { parse(toml).number("x", 0, "", bounds); });
  };
  const auto integer = [](const char* toml, shoal::Bounds bounds = {}) {
    return error_of([&] { parse(toml).integer("x", 0, "", bounds); });
  };
  EXPECT_EQ(number("x = 0", shoal::positive()), "a.toml:1: 'x' must be greater than 0 (found 0). Raise it.");
  EXPECT_EQ(number("x = 0", shoal::at_least(0)), "(no error)");
  EXPECT_EQ(number("x = 1.5", shoal::between(0, 1)), "a.toml:1: 'x' must be between 0 and 1 (found 1.5). Lower it.");
  EXPECT_EQ(number("x = 2", {.most = 1}), "a.toml:1: 'x' must be at most 1 (found 2). Lower it.");
  EXPECT_EQ(number("x = 2", {.least = 0, .most = 1, .least_excluded = true}),
            "a.toml:1: 'x' must be greater than 0 and at most 1 (found 2). Lower it.");
  EXPECT_EQ(number("x = nan", {}), "a.toml:1: 'x' must be a finite number (found nan). Write it like 0.5.");
  EXPECT_EQ(number("x = -inf", {}), "a.toml:1: 'x' must be a finite number (found -inf). Write it like 0.5.");
  EXPECT_EQ(number("x = true", {}), "a.toml:1: 'x' must be a number (found true). Write it like 0.5.");
  EXPECT_EQ(number("x = 1979-05-27", {}),
            "a.toml:1: 'x' must be a number (found the date 1979-05-27). Write it like 0.5.");
  EXPECT_EQ(integer("x = 2.5"), "a.toml:1: 'x' must be an integer (found 2.5). Write it like 10.");
  EXPECT_EQ(integer("x = 1e3"), "a.toml:1: 'x' must be an integer (found 1000.0). Write 1000.");
  EXPECT_EQ(integer("x = 1e300"), "a.toml:1: 'x' must be an integer (found 1e+300). Write it like 10.");
  EXPECT_EQ(integer("x = 0", shoal::at_least(1)), "a.toml:1: 'x' must be at least 1 (found 0). Raise it.");
  EXPECT_EQ(error_of([] { parse("x = 1").flag("x", true, ""); }),
            "a.toml:1: 'x' must be true or false (found 1). Write one of them, without quotes.");
  EXPECT_EQ(error_of([] { parse("x = []").text("x", "", ""); }),
            "a.toml:1: 'x' must be a string (found an empty list). Write it like \"text\".");
  EXPECT_EQ(error_of([] { parse("x = \"mox\"").choice("x", "min", {"min", "max"}, ""); }),
            "a.toml:1: 'x' must be one of min, max (found the string \"mox\"). The nearest is 'max'.");
  EXPECT_EQ(error_of([] { parse("x = 64").integers("x", {}, ""); }),
            "a.toml:1: 'x' must be a list of integers (found 64). Write [64].");
  EXPECT_EQ(error_of([] { parse("x = [1, 0]").numbers("x", {}, "", shoal::positive()); }),
            "a.toml:1: item 2 of 'x' must be greater than 0 (found 0). Raise it.");
  EXPECT_EQ(error_of([] { parse("x = [1, [2]]").integers("x", {}, ""); }),
            "a.toml:1: item 2 of 'x' must be an integer (found a list). Write it like 10.");
  EXPECT_EQ(error_of([] { parse("x = \"a\"").texts("x", {}, ""); }),
            "a.toml:1: 'x' must be a list of strings (found the string \"a\"). Write it like [\"text\"].");
  EXPECT_EQ(error_of([] { parse("x = [\"a\", 3]").texts("x", {}, ""); }),
            "a.toml:1: item 2 of 'x' must be a string (found 3). Write it in quotes.");
  EXPECT_NE(error_of([] { parse("x = \"" + std::string(500, 'a') + "\\n\"").number("x", 0, ""); }).find("aaa...\""),
            std::string::npos);
}

enum class Fruit { apple, pear, plum };

Fruit fruit_of(const Settings& s) {
  return s.choice("fruit", Fruit::pear, {{"apple", Fruit::apple}, {"pear", Fruit::pear}, {"plum", Fruit::plum}},
                  "which fruit");
}

TEST(Settings, ChoiceGivesNamedValues) {
  EXPECT_EQ(fruit_of(parse("fruit = \"plum\"")), Fruit::plum);
  EXPECT_EQ(fruit_of(parse("fruit = \"apple\"")), Fruit::apple);
  EXPECT_TRUE(parse("sweet = \"yes\"").choice("sweet", false, {{"yes", true}, {"no", false}}, ""));
  EXPECT_EQ(error_of([] { fruit_of(parse("fruit = \"peer\"")); }),
            "a.toml:1: 'fruit' must be one of apple, pear, plum (found the string \"peer\"). The nearest is 'pear'.");
  EXPECT_EQ(error_of([] { fruit_of(parse("fruit = 1")); }),
            "a.toml:1: 'fruit' must be a string (found 1). Write it like \"text\".");
  const Settings defaults;
  EXPECT_EQ(fruit_of(defaults), Fruit::pear);
  ASSERT_EQ(defaults.declared().size(), 1u);
  EXPECT_EQ(defaults.declared()[0].type, "choice of apple, pear, plum");
  EXPECT_EQ(defaults.declared()[0].fallback, "\"pear\"");
}

TEST(Settings, RefusesWhatIsNotToml) {
  const std::string broken = error_of([] { parse("a = 1\nb = = 2\n"); });
  EXPECT_EQ(broken.rfind("a.toml:2:5: ", 0), 0u) << broken;
  EXPECT_NE(error_of([] { parse("a = 1\na = 2\n"); }), "(no error)");
  EXPECT_NE(error_of([] { parse("a = \"\xff\xfe\"\n"); }), "(no error)");
  EXPECT_NE(error_of([] { parse("a = \"open\n"); }), "(no error)");
  // An incomplete time or date trips assertions of toml++; it must be an error like any other.
  for (const char* half : {"a = 07:", "a = 07:3", "a = 1979-05-27T", "a = 1979-05-27T-", "a = 1979-"}) {
    EXPECT_EQ(error_of([&] { parse(half); }).rfind("a.toml:1:", 0), 0u) << half;
  }
  std::string deep = "[a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  EXPECT_EQ(error_of([&] { parse(deep + "]"); }),
            "a.toml:1: tables or lists are nested more than 64 deep. Flatten them.");
}

TEST(Settings, LoadsFiles) {
  const auto folder = std::filesystem::temp_directory_path() / ("shoal_settings_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string path = folder / "x.toml";
  std::ofstream(path) << "seed = 3\n";
  EXPECT_EQ(Settings::load(path).integer("seed", 0, ""), 3);
  EXPECT_EQ(error_of([&] { Settings::load(folder / "absent.toml"); }),
            "cannot read '" + (folder / "absent.toml").string() +
                "' (no such file or directory). Check the path and its permissions.");
  EXPECT_EQ(error_of([&] { Settings::load(folder); }),
            "cannot read '" + folder.string() + "' (is a directory). Check the path and its permissions.");
  std::ofstream(path) << std::string("seed = 3\n\0\1", 11);
  EXPECT_EQ(error_of([&] { Settings::load(path); }),
            "'" + path + "' holds binary data (expected text). Give an experiment file (TOML).");
  std::ofstream(path) << '#' << std::string((16u << 20) + 1, 'x');
  EXPECT_EQ(error_of([&] { Settings::load(path); }),
            "'" + path + "' holds 16777218 bytes (at most 16777216 are expected). Check that it is the right file.");
  std::filesystem::remove_all(folder);
}

TEST(Settings, StringIsShortForNamedTable) {
  const Settings s = parse("strategy = \"fed_avg\"\nstages = [\"clip\", {name = \"noise\", sigma = 2}]\n");
  EXPECT_EQ(s.section("strategy").text("name", "", ""), "fed_avg");
  EXPECT_EQ(s.text("strategy", "", ""), "fed_avg");  // can still be read as text
  const auto stages = s.sections("stages");
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].text("name", "", ""), "clip");
  EXPECT_EQ(stages[1].text("name", "", ""), "noise");
  EXPECT_EQ(error_of([&] { s.finish(); }), "a.toml:2: unknown key 'sigma' in [stages #2]");
  EXPECT_EQ(stages[1].number("sigma", 0, ""), 2);
  EXPECT_NO_THROW(s.finish());
  EXPECT_EQ(parse("stages = \"clip\"").sections("stages").size(), 1u);
  EXPECT_EQ(parse("[stages]\nname = \"clip\"").sections("stages").size(), 1u);
  EXPECT_EQ(parse("[[stages]]\nname = \"a\"\n[[stages]]\nname = \"b\"").sections("stages").size(), 2u);
  EXPECT_EQ(error_of([] { parse("stages = [\"clip\", 3]").sections("stages"); }),
            "a.toml:1: item 2 of 'stages' must be a table or a name (found 3). Write it like {name = \"...\"}.");
}

TEST(Settings, FinishNamesAllUnreadKeysAndNearest) {
  const Settings s = parse(quickstart);
  s.integer("seed", 0, "");
  s.text("rounds", "", "");
  const Settings planner = s.section("planner"), strategy = s.section("strategy");
  strategy.text("name", "", "");
  planner.text("name", "", "");
  planner.integer("cohort", 10, "");
  EXPECT_EQ(error_of([&] { s.finish(); }),
            "a.toml:6: unknown key 'cohrot' in [planner]. The nearest is 'cohort'. a.toml:7: unknown key 'alpha' in "
            "[planner]. a.toml:10: unknown key 'mu' in [strategy].");
  EXPECT_EQ(error_of([&] { strategy.finish(); }), "a.toml:10: unknown key 'mu' in [strategy]");
}

TEST(Settings, FinishKnowsSections) {
  const Settings s = parse("seeed = 1\ncohort = 3\n[plannr]\nx = 1\n");
  s.section("planner").integer("cohort", 1, "");
  s.integer("seed", 0, "");
  EXPECT_EQ(error_of([&] { s.finish(); }),
            "a.toml:1: unknown key 'seeed'. The nearest is 'seed'. a.toml:2: unknown key 'cohort'. It may belong in "
            "[planner]. a.toml:3: unknown section [plannr]. The nearest is 'planner'.");
  s.integer("seeed", 0, "");
  s.integer("cohort", 0, "");
  EXPECT_EQ(error_of([&] { s.finish(); }), "a.toml:3: unknown section [plannr]. The nearest is 'planner'.");
}

TEST(Settings, FinishFollowsTheOrderOfTheFile) {
  const Settings s = parse("zeta = 1\nalpha = 2\n[b]\nz = 1\n[a]\ny = 1\nx = {q = 1, p = 2}\n");
  EXPECT_EQ(s.keys(), (std::vector<std::string>{"zeta", "alpha", "b", "a"}));
  EXPECT_EQ(error_of([&] { s.finish(); }),
            "a.toml:1: unknown key 'zeta'. a.toml:2: unknown key 'alpha'. a.toml:3: unknown section [b]. a.toml:5: "
            "unknown section [a].");
  s.integer("zeta", 0, "");
  s.integer("alpha", 0, "");
  s.section("a").section("x").integer("p", 0, "");
  s.section("b").integer("z", 0, "");
  EXPECT_EQ(error_of([&] { s.finish(); }), "a.toml:6: unknown key 'y' in [a]. a.toml:7: unknown key 'q' in [a.x].");
}

TEST(Settings, FinishKnowsNamesOfOtherTools) {
  const auto unknown = [](const std::string& toml) {
    const Settings s = parse(toml);
    s.integer("rounds", 1, "");
    s.section("local").integer("batch", 1, "");
    s.section("local").number("rate", 1, "");
    s.section("strategy").number("rate", 1, "");
    return error_of([&] { s.finish(); });
  };
  EXPECT_EQ(unknown("num_rounds = 5"), "a.toml:1: unknown key 'num_rounds'. It is called 'rounds' here.");
  EXPECT_EQ(
      unknown("lr = 5\n[local]\nbatch_size = 3\nbatch = 3"),
      "a.toml:1: unknown key 'lr'. It is called 'local.rate' here. a.toml:3: unknown key 'batch_size' in [local]. "
      "It is called 'local.batch' here.");
  EXPECT_EQ(unknown("[strategy]\nLearningRate = 1"),
            "a.toml:2: unknown key 'LearningRate' in [strategy]. It is called 'strategy.rate' here.");
  EXPECT_EQ(unknown("clients_per_round = 1"), "a.toml:1: unknown key 'clients_per_round'");  // there is no planner
}

TEST(Settings, RefuseKeysWithoutEffect) {
  const Settings s = parse("[local]\nschedule = \"constant\"\ndecay = 0.5\n");
  const Settings local = s.section("local");
  EXPECT_NO_THROW(refuse_without_effect(local, {"period", "rate"}, "a reason"));
  EXPECT_EQ(error_of([&] { refuse_without_effect(local, {"period", "decay"}, "the schedule is constant"); }),
            "a.toml, [local]: 'decay' has no effect (the schedule is constant). Leave it out.");
}

TEST(Settings, DeclaresWhatIsRead) {
  const Settings s = parse("mu = 3");
  s.number("mu", 0.01, "strength of the pull");
  s.number("mu", 0.5, "again");
  s.integer("epochs", 2, "local passes");
  s.flag("nesterov", true, "momentum form");
  s.text("split", "test", "which part");
  s.choice("rule", "a", {"a", "b"}, "which rule");
  s.integers("hidden", {64, 10}, "widths");
  s.numbers("rates", {}, "rates");
  s.texts("names", {"a", "b"}, "names");
  s.section("inner").integer("n", 1, "");
  const auto declared = s.declared();
  ASSERT_EQ(declared.size(), 8u);
  const std::vector<std::vector<std::string>> expected = {
      {"mu", "number", "0.01", "strength of the pull"},  {"epochs", "integer", "2", "local passes"},
      {"nesterov", "flag", "true", "momentum form"},     {"split", "text", "\"test\"", "which part"},
      {"rule", "choice of a, b", "\"a\"", "which rule"}, {"hidden", "list of integers", "[64, 10]", "widths"},
      {"rates", "list of numbers", "[]", "rates"},       {"names", "list of texts", "[\"a\", \"b\"]", "names"}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ((std::vector<std::string>{declared[i].key, declared[i].type, declared[i].fallback, declared[i].meaning}),
              expected[i]);
  }
  ASSERT_EQ(s.section("inner").declared().size(), 1u);
  EXPECT_EQ(s.section("inner").declared()[0].key, "n");
}

TEST(Settings, SetsDottedKeys) {
  Settings s = parse(quickstart);
  s.set("strategy.mu", "0.5");
  s.set("strategy.name", "fed_avg");
  s.set("rounds", "30");
  s.set("planner.sizes", "[1, 2]");
  s.set("dataset.path", "data/femnist-v1.0");
  s.set("new.deep.key", "\"two words\"");
  EXPECT_EQ(s.section("strategy").number("mu", 0, ""), 0.5);
  EXPECT_EQ(s.section("strategy").text("name", "", ""), "fed_avg");
  EXPECT_EQ(s.integer("rounds", 0, ""), 30);
  EXPECT_EQ(s.section("planner").integers("sizes", {}, ""), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(s.section("dataset").text("path", "", ""), "data/femnist-v1.0");
  EXPECT_EQ(s.section("new").section("deep").text("key", "", ""), "two words");
}

TEST(Settings, SetReplacesOrExtendsSections) {
  Settings s = parse(quickstart);
  s.set("strategy", "scaffold");
  EXPECT_FALSE(s.section("strategy").has("mu"));
  EXPECT_EQ(s.section("strategy").text("name", "", ""), "scaffold");
  s.set("strategy", "{name = \"fed_prox\", nu = 1}");
  EXPECT_EQ(s.section("strategy").where(), "a.toml, [strategy]");
  EXPECT_FALSE(s.section("strategy").has("mu"));
  EXPECT_TRUE(s.section("strategy").has("nu"));
  s.set("codec", "top_k");
  s.set("codec.keep", "0.1");
  EXPECT_EQ(s.section("codec").text("name", "", ""), "top_k");
  EXPECT_EQ(s.section("codec").number("keep", 0, ""), 0.1);
  EXPECT_EQ(error_of([&] { s.text("codec", "", ""); }),
            "set codec: 'codec' must be a string (found a table). Write it like \"text\".");
}

TEST(Settings, SetIsSeenByHandlesAndByFinish) {
  Settings s = parse("seed = 1");
  s.integer("seed", 0, "");
  const Settings planner = s.section("planner");
  s.set("planner.cohort", "5");
  EXPECT_EQ(planner.integer("cohort", 1, ""), 5);
  EXPECT_NO_THROW(s.finish());
  s.set("planner.cohrot", "5");
  EXPECT_EQ(error_of([&] { s.finish(); }),
            "set planner.cohrot: unknown key 'cohrot' in [planner]. The nearest is 'cohort'.");
  Settings below = s.section("planner");
  below.set("cohort", "many");
  EXPECT_EQ(error_of([&] { s.section("planner").integer("cohort", 1, ""); }),
            "set planner.cohort: [planner] 'cohort' must be an integer (found the string \"many\"). Write it like 10.");
}

TEST(Settings, SetRefusesInvalidKeysAndValues) {
  Settings s = parse("rounds = 5\nlist = [1]\n");
  const std::string before = s.canonical();
  for (const char* key : {"", ".", "a.", ".a", "a..b", "a b", "a=b", "\"a\".b", "a.b]", "\xc3\xa4"}) {
    EXPECT_NE(error_of([&] { s.set(key, "1"); }).find("is not a key"), std::string::npos) << key;
  }
  for (const char* value :
       {"", " ", "two words", "[1, 2", "\"open", "1\nb = 2", "{a = 1}\n[other]\nx = 1", "= 3", "a\nb"}) {
    EXPECT_NE(error_of([&] { s.set("a", value); }).find("not a TOML value"), std::string::npos) << value;
  }
  EXPECT_EQ(error_of([&] { s.set("rounds.x", "1"); }), "cannot set 'rounds.x' ('rounds' is 5, not a table)");
  EXPECT_EQ(error_of([&] { s.set("list.x.y", "1"); }), "cannot set 'list.x.y' ('list' is a list, not a table)");
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  EXPECT_NE(error_of([&] { s.set(deep, "1"); }).find("has more than 64 parts"), std::string::npos);
  EXPECT_EQ(s.canonical(), before);
}

TEST(Settings, CloneIsIndependentAndUnread) {
  Settings s = parse(quickstart);
  s.integer("seed", 0, "");
  Settings copy = s.section("strategy").clone();
  copy.set("mu", "9");
  EXPECT_EQ(s.section("strategy").number("mu", 0, ""), 0.1);
  EXPECT_EQ(copy.number("mu", 0, ""), 9);
  EXPECT_TRUE(error_of([&] { s.clone().finish(); }).starts_with("a.toml:2: unknown key 'seed'. "));
  EXPECT_TRUE(s.clone().declared().empty());
}

TEST(Settings, CanonicalIsSortedAndReadsBack) {
  const Settings s = parse(
      "z = 1\na = 0.1\nbig = 1e300\nwhole = 2.0\n\"odd key\" = \"q\\\"\\\\\\n\\u0001é\"\nwhen = 1979-05-27T07:32:00Z\n"
      "on = false\nlist = [1, [2.5], {b = 2, a = \"x\"}]\n[sec.sub]\nk = -0.0\n[empty]\n[strategy]\nname = "
      "\"fed_avg\"\n");
  const std::string text = s.canonical();
  EXPECT_EQ(
      text,
      "a = 0.1\nbig = 1e+300\nlist = [1, [2.5], {a = \"x\", b = 2}]\n\"odd key\" = \"q\\\"\\\\\\n\\u0001é\"\n"
      "on = false\nstrategy = \"fed_avg\"\nwhen = 1979-05-27T07:32:00Z\nwhole = 2.0\nz = 1\n\n[empty]\n\n[sec]\n\n"
      "[sec.sub]\nk = -0.0\n");
  EXPECT_EQ(parse(text).canonical(), text);
  EXPECT_EQ(parse("b = 1\na = 2").canonical(), parse("a = 2\nb = 1 # c").canonical());
  EXPECT_EQ(parse("s = \"x\"").canonical(), parse("[s]\nname = \"x\"").canonical());
  EXPECT_NE(parse("a = 1").canonical(), parse("a = 1.0").canonical());
  const Settings tenth = parse("x = 0.1000000000000000055511151231257827");
  EXPECT_EQ(tenth.canonical(), "x = 0.1\n");
}

TEST(Settings, ReadingDoesNotChangeCanonicalText) {
  const Settings s = parse("strategy = \"fed_avg\"\nstages = [\"clip\"]\n[planner]\ncohort = 3\n");
  const std::string before = s.canonical();
  s.section("strategy").number("mu", 1, "");
  s.sections("stages");
  s.section("absent").section("more").integer("n", 0, "");
  EXPECT_EQ(s.canonical(), before);
}

TEST(Nearest, FindsTypingErrorsOnly) {
  const std::vector<std::string> names = {"cohort", "deadline", "seed", "mu", "fed_avg", "fed_prox"};
  EXPECT_EQ(shoal::nearest("cohrot", names), "cohort");  // one swap
  EXPECT_EQ(shoal::nearest("sede", names), "seed");
  EXPECT_EQ(shoal::nearest("FedAvg", names), "fed_avg");
  EXPECT_EQ(shoal::nearest("fedprox", names), "fed_prox");
  EXPECT_EQ(shoal::nearest("deadlnes", names), "deadline");
  EXPECT_EQ(shoal::nearest("mv", names), "mu");
  EXPECT_EQ(shoal::nearest("lr", names), "");
  EXPECT_EQ(shoal::nearest("temperature", names), "");
  EXPECT_EQ(shoal::nearest("", names), "");
  EXPECT_EQ(shoal::nearest("x", {}), "");
}

}  // namespace
