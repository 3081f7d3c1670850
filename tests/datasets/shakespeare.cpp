// Are plays cut into next-character sequences by role, so that the roles' texts can be put together again?

#include <ATen/ATen.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "sim/task/data.hpp"
#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;

Dataset load(const std::string& toml) {
  Settings settings = Settings::parse(toml, "test.toml");
  const auto source = find_part<Source>("source", "shakespeare").make(settings);
  settings.finish();
  return source->load();
}

// The characters of the roles, in the order of ASCII, as the tokens' letters.
std::string letters_of(const std::map<std::string, std::string>& roles) {
  std::set<char> all;
  for (const auto& [role, text] : roles) all.insert(text.begin(), text.end());
  return {all.begin(), all.end()};
}

// The text of each group: what its sequences hold and the last target, checked on the way.
std::map<std::int32_t, std::string> texts_of(const ExampleStore& store, const std::string& letters,
                                             std::int64_t length) {
  std::map<std::int32_t, std::string> texts;
  for (std::int32_t i = 0; i < store.count(); ++i) {
    Gathered got;
    store.gather(std::span(&i, 1), got);
    std::string& text = texts[store.groups()[i]];
    const std::int64_t t = got.features.size(1);
    EXPECT_LE(t, length);
    EXPECT_EQ(got.mask.sum().item<double>(), t);
    const auto *tokens = got.features.const_data_ptr<std::int64_t>(),
               *next = got.targets.const_data_ptr<std::int64_t>();
    if (!text.empty()) {
      EXPECT_EQ(text.back(), letters.at(tokens[0]));  // the former sequence's last target
      text.pop_back();
    }
    for (std::int64_t j = 0; j < t; ++j) {
      text.push_back(letters.at(tokens[j]));
      EXPECT_TRUE(j + 1 == t || next[j] == tokens[j + 1]);
    }
    text.push_back(letters.at(next[t - 1]));
  }
  return texts;
}

const std::string small = "KATE:\nabcdefghij\n\nBOB:\nhi\n\nKATE:\nklmno\n\nMUTE:\n\nBOB:\nho ho\n\n";

TEST(Shakespeare, CutsRolesIntoSequences) {
  const Folder folder;
  const std::string file = fmt::format("file = '{}'\n", folder.write("play", bytes(small)));
  const std::map<std::string, std::string> roles = {{"BOB", "hi\nho ho\n"}, {"KATE", "abcdefghij\nklmno\n"}};
  const std::string letters = letters_of(roles);
  for (const std::int64_t length : {1, 3, 4, 100}) {
    const Dataset data = load(file + fmt::format("length = {}", length));
    EXPECT_EQ(data.train->form().vocabulary, std::ssize(letters));
    EXPECT_EQ(data.train->form().longest, std::min<std::int64_t>(length, 13));
    // 9 and 17 characters: a fifth of them, rounded down, are for testing. A single character has no next one.
    const std::map<std::int32_t, std::string> train = {{0, "hi\nho ho"}, {1, "abcdefghij\nklm"}}, test = {{1, "no\n"}};
    EXPECT_EQ(texts_of(*data.train, letters, length), train);
    EXPECT_EQ(texts_of(*data.test, letters, length), test);
  }
  EXPECT_EQ(load(file).digest, load(file).digest);
  EXPECT_NE(load(file + "length = 3").digest, load(file).digest);
  EXPECT_EQ(load(file + "minimum = 10").train->groups().size(), 1U);  // KATE alone
}

TEST(Shakespeare, RefusesWhatIsNotThere) {
  const Folder folder;
  const std::string missing = user_error_of([&] { load(fmt::format("file = '{}/none'", folder.path())); });
  EXPECT_TRUE(contains(missing, "none' does not exist (expected tinyshakespeare_input.txt, sha-256 86c4e6aa"));
  const std::string file = fmt::format("file = '{}'\n", folder.write("play", bytes(small)));
  const std::string mute = user_error_of([&] { load(file + "minimum = 100"); });
  EXPECT_TRUE(contains(mute, "no role that says 100 characters or more")) << mute;
}

TEST(Shakespeare, IsDealtByRoleButNotByLabel) {
  const Folder folder;
  const Dataset data = load(fmt::format("file = '{}'\nlength = 4", folder.write("play", bytes(small))));
  const auto deal = [&](const std::string& name) {
    Settings settings = Settings::parse(name == "natural" ? "" : "clients = 2", "test.toml");
    return find_part<Partition>("partition", name).make(settings)->deal(*data.train, 1);
  };
  const auto clients = deal("natural");
  EXPECT_EQ(clients->clients(), 2);
  EXPECT_EQ(clients->count(ClientId{0}), 2);  // 7 characters with a next one
  EXPECT_EQ(clients->count(ClientId{1}), 4);  // 13
  EXPECT_EQ(deal("iid")->count(ClientId{0}), 3);
  for (const char* name : {"dirichlet", "shards", "classes_per_client"}) {
    const std::string error = user_error_of([&] { deal(name); });
    EXPECT_TRUE(contains(error, "the examples have no labels to be dealt by")) << error;
  }
}

// The published file, read by other means.
TEST(Shakespeare, HasEveryCharacterOfTheFile) {
  const char* root = std::getenv("SHOAL_DATA");
  if (root == nullptr) GTEST_SKIP() << "SHOAL_DATA is not set";
  const std::filesystem::path path = std::filesystem::path(root) / "shakespeare" / "tinyshakespeare_input.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " does not exist";
  std::ifstream file(path);
  std::map<std::string, std::string> roles;
  std::string line, role;
  while (std::getline(file, line)) {
    if (line.empty()) {
      role.clear();
    } else if (role.empty()) {
      role = line.substr(0, line.size() - 1);
    } else {
      roles[role] += line + "\n";
    }
  }
  EXPECT_EQ(roles.size(), 299U);
  const std::string letters = letters_of(roles);
  const Dataset data = load("");
  const auto train = texts_of(*data.train, letters, 80), test = texts_of(*data.test, letters, 80);
  std::int32_t number = 0;
  for (const auto& [name, text] : roles) {
    const std::size_t cut = text.size() - text.size() / 5;
    const auto rest = test.find(number);
    EXPECT_EQ(train.at(number), text.substr(0, cut)) << name;
    EXPECT_EQ(rest == test.end() ? text.substr(cut) : rest->second, text.substr(cut)) << name;
    EXPECT_EQ(rest != test.end(), text.size() - cut >= 2) << name;
    ++number;
  }
  EXPECT_EQ(train.size(), 299U);
}

}  // namespace
}  // namespace shoal
