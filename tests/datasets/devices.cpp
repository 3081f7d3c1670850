// Does every form of devices give the speeds, bandwidths and shares that its table has?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "datasets/devices/shared/flash_tables.hpp"
#include "experiments/tasks/shared/population.hpp"
#include "sim/clients/population.hpp"
#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using shoal::testing::bytes;
using shoal::testing::Folder;
using ::testing::HasSubstr;

Population population(const std::string& toml, std::int64_t clients = 10000) {
  const Settings settings = Settings::parse(toml, "test.toml");
  Population made = make_population(settings, 1, clients);
  settings.finish();
  return made;
}

std::string user_error_of(const std::string& toml, std::int64_t clients = 10000) {
  try {
    population(toml, clients);
  } catch (const UserError& error) {
    return error.what();
  }
  return "(none)";
}

double tolerance(double p, double count) { return 4.5 * std::sqrt(p * (1 - p) / count); }

TEST(Devices, MultiplyThePopulationByTier) {
  const Population people = population(
      "gflops = 2\ndown_mbytes = 8\nup_mbytes = 3\ntraining_watts = 4\n"
      "devices = {name = \"tiers\", speeds = [4, 0.5], shares = [1, 3], down = [2, 1], up = [1, 0.1], watts = [2, 1], "
      "dropout = [0, 0.25]}");
  double fast = 0;
  for (std::int64_t c = 0; c < people.size(); ++c) {
    const Device device = people.device(ClientId{c});
    const bool first = device.tier == 0;
    fast += first ? 1 : 0;
    EXPECT_DOUBLE_EQ(device.flops_per_second, first ? 8e9 : 1e9);
    EXPECT_DOUBLE_EQ(device.down_bytes_per_second, first ? 16e6 : 8e6);
    EXPECT_DOUBLE_EQ(device.up_bytes_per_second, first ? 3e6 : 0.3e6);
    EXPECT_DOUBLE_EQ(device.training_watts, first ? 8 : 4);
    EXPECT_DOUBLE_EQ(device.dropout, first ? 0 : 0.25);
  }
  EXPECT_NEAR(fast / 10000, 0.25, tolerance(0.25, 10000));
}

TEST(Devices, KeepTheLogNormalSpread) {
  const Population people = population("speed_sigma = 0.8\ndevices = {name = \"tiers\", speeds = [10]}");
  double sum = 0, squares = 0;
  for (std::int64_t c = 0; c < people.size(); ++c) {
    const double log = std::log(people.device(ClientId{c}).flops_per_second / 1e10);
    sum += log;
    squares += log * log;
  }
  EXPECT_NEAR(sum / 10000, 0, 4.5 * 0.8 / 100);
  EXPECT_NEAR(std::sqrt(squares / 10000), 0.8, 4.5 * 0.8 / std::sqrt(20000.0));
}

constexpr auto speeds = R"({"b": {"down_u": 2000, "down_sigma": 500, "up_u": 300, "up_sigma": 0},
                            "a": {"down_u": 1000, "down_sigma": 100, "up_u": 400, "up_sigma": 40}})";
constexpr auto scores = R"({"Old Phone": 400, "Middling": 7000, "New": 30000})";
constexpr auto models = R"({"M1": "Old Phone", "M2": "Middling", "M3": "unknown", "M4": "New", "M5": "New"})";

TEST(Devices, ReadFlashTables) {
  const Folder folder;
  folder.write("speed_distri.json", bytes(speeds));
  folder.write("benchmark2score.json", bytes(scores));
  folder.write("real2benchmark.json", bytes(models));
  const std::vector<flash::Network> networks = flash::networks(folder.path());
  ASSERT_EQ(networks.size(), 2U);
  EXPECT_EQ(networks[0].down, 1e6);  // "a": 1000 kB/s
  EXPECT_EQ(networks[0].up_deviation, 4e4);
  EXPECT_EQ(networks[1].down_deviation, 5e5);
  EXPECT_EQ(flash::scores(folder.path()), (std::vector<double>{400, 7000, 0, 30000, 30000}));

  const Population people =
      population(fmt::format("gflops = 0.59\ndevices = {{name = \"flash\", folder = '{}'}}", folder.path()), 20000);
  std::map<double, double> network, speed;
  for (std::int64_t c = 0; c < people.size(); ++c) {
    const Device device = people.device(ClientId{c});
    network[device.down_bytes_per_second] += 1.0 / 20000;
    speed[std::round(device.flops_per_second / 1e4)] += 1.0 / 20000;
  }
  EXPECT_NEAR(network.at(1e6), 0.5, tolerance(0.5, 20000));
  EXPECT_NEAR(network.at(2e6), 0.5, tolerance(0.5, 20000));
  // Slow: 0.59 / 1.64 of the middle speed; fast: 0.59 / 0.18 of it. The fifth without a score follows the shares.
  const double all = 18820 + 16428 + 159;
  const double expected[] = {0.2 + 0.2 * 18820 / all, 0.2 + 0.2 * 16428 / all, 0.4 + 0.2 * 159 / all};
  ASSERT_EQ(speed.size(), 3U);
  int c = 0;
  const double rates[] = {0.59 * 0.59 / 1.64, 0.59, 0.59 * 0.59 / 0.18};
  for (const auto& [rate, share] : speed) {
    EXPECT_NEAR(rate, rates[c] * 1e5, 1);
    EXPECT_NEAR(share, expected[c], tolerance(expected[c], 20000));
    ++c;
  }
  // Each participation has a bandwidth of its own, normal with the table's deviation.
  double sum = 0, squares = 0;
  ClientId client{};
  while (people.device(client).down_bytes_per_second != 2e6) client = ClientId{value(client) + 1};
  for (std::int64_t i = 0; i < 20000; ++i) {
    const Device device = people.device(client, ParticipationId{i});
    EXPECT_EQ(device.up_bytes_per_second, 3e5);  // its deviation is 0
    sum += device.down_bytes_per_second;
    squares += device.down_bytes_per_second * device.down_bytes_per_second;
  }
  EXPECT_NEAR(sum / 20000, 2e6, 4.5 * 5e5 / std::sqrt(20000.0));
  EXPECT_NEAR(std::sqrt(squares / 20000 - std::pow(sum / 20000, 2)), 5e5, 0.03 * 5e5);

  // Speeds by the scores: the median of 400, 7000, 30000, 30000 is 18500.
  const Population benchmarked =
      population(fmt::format("devices = {{name = \"ai_benchmark\", folder = '{}'}}", folder.path()), 20000);
  std::map<double, double> by_score;
  for (std::int64_t i = 0; i < 20000; ++i) by_score[benchmarked.device(ClientId{i}).flops_per_second] += 1.0 / 20000;
  EXPECT_NEAR(by_score.at(1e9 * (400 / 18500.0)), 0.25, tolerance(0.25, 20000));
  EXPECT_NEAR(by_score.at(1e9 * (30000 / 18500.0)), 0.5, tolerance(0.5, 20000));
}

TEST(Devices, RefuseBadFlashTables) {
  const Folder folder;
  const std::string toml = fmt::format("devices = {{name = \"flash\", folder = '{}'}}", folder.path());
  EXPECT_THAT(user_error_of(toml), HasSubstr("there is no FLASH table"));
  folder.write("speed_distri.json", bytes("{\"a\": {\"down_u\": \"fast\"}}"));
  EXPECT_THAT(user_error_of(toml), HasSubstr("is not the table that FLASH publishes"));
  folder.write("speed_distri.json", bytes("{\"a\": "));
  EXPECT_THAT(user_error_of(toml), HasSubstr("is not the table that FLASH publishes"));
}

// The published files, if they are here; the figures are from the README of that data.
TEST(Devices, ReadFlashAsPublished) {
  const char* root = std::getenv("SHOAL_DATA");
  if (root == nullptr || !std::filesystem::exists(std::string(root) + "/flash-devices")) GTEST_SKIP() << "no data";
  const std::vector<flash::Network> networks = flash::networks(std::string(root) + "/flash-devices");
  ASSERT_EQ(networks.size(), 19U);
  std::vector<double> down, up;
  for (const flash::Network& network : networks) {
    down.push_back(std::round(network.down / 1000));
    up.push_back(std::round(network.up / 1000));
  }
  std::ranges::sort(down);
  std::ranges::sort(up);
  EXPECT_EQ((std::vector{down[0], down[9], down[18]}), (std::vector<double>{2370, 4318, 17333}));
  EXPECT_EQ((std::vector{up[0], up[9], up[18]}), (std::vector<double>{431, 3286, 6635}));
  EXPECT_EQ(flash::scores(std::string(root) + "/flash-devices").size(), 772U);
  EXPECT_GT(population("devices = \"flash\"", 10).device(ClientId{3}).down_deviation, 0);
}

TEST(Devices, ReadACsvTable) {
  const Folder folder;
  const std::string file = folder.write("d.csv", bytes("gflops, up_mbytes, share\r\n5, 2, 1\n0.5, 0.25, 3\n"));
  const Population people =
      population(fmt::format("down_mbytes = 7\ndevices = {{name = \"table\", file = '{}'}}", file));
  double fast = 0;
  for (std::int64_t c = 0; c < people.size(); ++c) {
    const Device device = people.device(ClientId{c});
    fast += device.flops_per_second == 5e9 ? 1 : 0;
    EXPECT_EQ(device.down_bytes_per_second, 7e6);
    EXPECT_EQ(device.up_bytes_per_second, device.flops_per_second == 5e9 ? 2e6 : 0.25e6);
  }
  EXPECT_NEAR(fast / 10000, 0.25, tolerance(0.25, 10000));
  const Population by_id =
      population(fmt::format("devices = {{name = \"table\", file = '{}', assign = \"by_id\"}}", file), 2);
  EXPECT_EQ(by_id.device(ClientId{1}).flops_per_second, 5e8);
}

TEST(Devices, ReadWhatSpreadsheetsWrite) {
  const Folder folder;
  for (const char* content : {"\xef\xbb\xbfgflops,watts\r\n5,2\r\n", "\"gflops\",\"watts\"\n\"5\",\"2\"\n",
                              "\xef\xbb\xbf\"gflops\", watts\n5,\" 2\"\n"}) {
    const std::string file = folder.write("d.csv", bytes(content));
    const Device device =
        population(fmt::format("devices = {{name = \"table\", file = '{}'}}", file), 1).device(ClientId{0});
    EXPECT_EQ(device.flops_per_second, 5e9) << content;
    EXPECT_EQ(device.training_watts, 2) << content;
  }
}

TEST(Devices, RefuseBadTables) {
  const Folder folder;
  const auto error = [&](const std::string& content, const std::string& more = "", std::int64_t clients = 5) {
    const std::string file = folder.write("d.csv", bytes(content));
    return user_error_of(fmt::format("devices = {{name = \"table\", file = '{}'{}}}", file, more), clients);
  };
  EXPECT_THAT(user_error_of("devices = \"table\""), HasSubstr("Set 'file'."));
  EXPECT_THAT(user_error_of("devices = {name = \"table\", file = \"none.csv\"}"), HasSubstr("cannot read 'none.csv'"));
  EXPECT_THAT(error("gflop\n1\n"), HasSubstr("has a column 'gflop' (known are gflops, down_mbytes"));
  EXPECT_THAT(error("gflops,share,gflops\n1,2,3\n"), HasSubstr("has the column 'gflops' more than once"));
  EXPECT_THAT(error("share,\"share\"\n1,2\n"), HasSubstr("has the column 'share' more than once"));
  EXPECT_THAT(error("watts, watts \n1,1\n"), HasSubstr("has the column 'watts' more than once"));
  EXPECT_THAT(error("gflops\n\"1,5\"\n"), HasSubstr("line 2: 2 values for 1 columns"));
  EXPECT_THAT(error("gflops,share\n1\n"), HasSubstr("line 2: 1 values for 2 columns"));
  EXPECT_THAT(error("gflops\n1\n-2\n"), HasSubstr("line 3: 'gflops' is not a rate (found '-2')"));
  EXPECT_THAT(error("gflops\n1x\n"), HasSubstr("found '1x'"));
  EXPECT_THAT(error("gflops\nnan\n"), HasSubstr("found 'nan'"));
  EXPECT_THAT(error("dropout\n1.5\n"), HasSubstr("is not a probability (found '1.5')"));
  EXPECT_THAT(error("gflops\n"), HasSubstr("lists no device"));
  EXPECT_THAT(error("gflops,share\n1,0\n"), HasSubstr("sum"));
  EXPECT_THAT(error("gflops\n1\n2\n", ", assign = \"by_id\""), HasSubstr("client 2 has no line"));
  EXPECT_THAT(user_error_of("devices = {name = \"tiers\", speeds = [1, 2], up = [1]}"),
              HasSubstr("1 values of 'up' for 2 speeds"));
  EXPECT_THAT(user_error_of("devices = {name = \"tiers\", dropout = [2, 0, 0]}"), HasSubstr("a dropout of 2"));
  EXPECT_THAT(user_error_of("devices = \"flsh\""), HasSubstr("The nearest is 'flash'."));
}

}  // namespace
}  // namespace shoal
