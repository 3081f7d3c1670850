// Do recordings in FedScale's and FLASH's layouts give the right intervals, and bad ones one clear error?

#include "datasets/traces/convert.hpp"

#include <algorithm>

#include "datasets/traces/trace_file.hpp"
#include "experiments/tasks/shared/population.hpp"
#include "sim/clients/population.hpp"
#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;

constexpr std::int64_t us = 1'000'000;

std::vector<std::pair<std::int64_t, std::int64_t>> own(const Trace& trace, std::size_t device) {
  std::vector<std::pair<std::int64_t, std::int64_t>> seconds;
  for (std::int64_t i = trace.offsets[device]; i < trace.offsets[device + 1]; ++i) {
    const auto [begin, end] = trace.intervals[i];
    seconds.emplace_back(begin / us, end / us);
  }
  return seconds;
}
using Seconds = std::vector<std::pair<std::int64_t, std::int64_t>>;

TEST(Traces, ReadFedScale) {
  const Folder folder;
  const std::string file = folder.write("t.json", bytes(R"({
    "10": {"duration": 5, "active": [], "inactive": [], "finish_time": 50, "model": "x"},
    "2": {"duration": 300, "active": [0, 250.5], "inactive": [100, 300], "finish_time": 300, "model": "CPH1801"}})"));
  const Trace trace = convert_fedscale(file);
  ASSERT_EQ(trace.devices(), 2);  // 2 before 10
  EXPECT_EQ(own(trace, 0), (Seconds{{0, 100}, {250, 300}}));
  EXPECT_EQ(trace.intervals[1].begin, 250'500'000);
  EXPECT_EQ(trace.rows[0].period, 300 * us);
  EXPECT_TRUE(own(trace, 1).empty());
  // Time is taken modulo finish_time.
  EXPECT_TRUE(trace.at(0, Ticks{(300 * 7 + 99) * us}).on);
  EXPECT_FALSE(trace.at(0, Ticks{(300 * 7 + 100) * us}).on);
  EXPECT_EQ(value(trace.at(0, Ticks{(300 * 7 + 100) * us}).until), 300 * 7 * us + 250'500'000);
  EXPECT_FALSE(trace.at(1, Ticks{123}).on);
}

TEST(Traces, ReadFlash) {
  // Recorded from 10:00:00 on 2020-01-03, 34 h after virtual time 0. Locked, on Wi-Fi and charging from 10:00:30 to
  // 10:01:40 (4G) and from 10:02:00 (Wi-Fi again) to 10:05:00 (unlocked).
  const Folder folder;
  const std::string file = folder.write(
      "t.json",
      bytes("{\"user\": {\"guid\": \"g\", \"model\": \"m\", \"messages\": \"2020-01-03 10:00:00\\tscreen_lock\\n"
            "2020-01-03 10:00:10\\tWIFI\\n2020-01-03 10:00:20\\t77.0%\\n2020-01-03 10:00:30\\tbattery_charged_on\\n"
            "2020-01-03 10:01:40\\t4G\\n2020-01-03 10:02:00\\twifi\\n2020-01-03 10:03:00\\tscreen_on\\n"
            "2020-01-03 10:05:00\\tscreen_unlock\\n2020-01-03 10:10:00\\tscreen_lock\\n\"},"
            "\"zero\": {\"messages\": \"2020-01-03 10:00:00\\tscreen_lock\\n\"}}"));
  const Trace trace = convert_flash(file);
  ASSERT_EQ(trace.devices(), 2);
  EXPECT_EQ(own(trace, 0), (Seconds{{30, 100}, {120, 300}}));
  EXPECT_EQ(trace.rows[0].period, 600 * us);
  const Ticks begins{34 * 3600 * us};
  EXPECT_FALSE(trace.at(0, begins + Ticks{29 * us}).on);
  EXPECT_TRUE(trace.at(0, begins + Ticks{30 * us}).on);
  EXPECT_EQ(trace.at(0, begins + Ticks{600 * 5 * us + 30 * us}).until, begins + Ticks{600 * 5 * us + 100 * us});
  EXPECT_TRUE(own(trace, 1).empty());  // no time passes in it
}

// An index with state would fail here, where time jumps over several intervals.
TEST(Traces, AnswerRandomJumpsLikeALinearScan) {
  RandomStream random(random_key(5, "planner/selection"), 0);
  Trace trace;
  for (int device = 0; device < 20; ++device) {
    std::vector<Trace::Interval> intervals;
    std::int64_t time = random.below(3);
    for (int i = 0; i < device * 3; ++i) {
      const std::int64_t begin = time + random.below(4);  // touching ones, too
      const std::int64_t end = begin + 1 + random.below(5);
      intervals.push_back({begin, end});
      time = end;
    }
    const std::int64_t period = time + 1 + random.below(5);
    const std::int64_t origin = random.below(period);
    trace.add({period, origin}, intervals);
  }
  trace.check("test");
  for (int jump = 0; jump < 200'000; ++jump) {
    const std::int64_t device = random.below(20);
    const auto [period, origin] = trace.rows[device];
    const std::int64_t time = random.below(1000);
    const auto on_at = [&](std::int64_t t) {
      const std::int64_t passed = ((t - origin) % period + period) % period;
      bool on = false;
      for (std::int64_t i = trace.offsets[device]; i < trace.offsets[device + 1]; ++i) {
        const auto [begin, end] = trace.intervals[i];
        on |= begin <= passed && passed < end;
      }
      return on;
    };
    const Stretch stretch = trace.at(device, Ticks{time});
    ASSERT_EQ(stretch.on, on_at(time)) << device << " at " << time;
    ASSERT_GT(value(stretch.until), time);
    for (std::int64_t t = time; t < value(stretch.until); ++t) ASSERT_EQ(on_at(t), stretch.on);
  }
}

TEST(Traces, ReadBackFromTheirFile) {
  const Folder folder;
  Trace trace;
  trace.add({.period = 100, .origin = 40}, {{0, 10}, {10, 25}, {90, 100}});
  trace.add({.period = 7}, {});
  const std::string file = folder.path() + "/t.h5";
  write_trace(trace, file);
  const MappedTrace mapped = map_trace(file);
  const TraceView& read = mapped.view;
  EXPECT_TRUE(std::ranges::equal(read.offsets, trace.offsets));
  for (std::int64_t t = 0; t < 300; ++t) {
    for (std::int64_t d = 0; d < 2; ++d) {
      EXPECT_EQ(read.at(d, Ticks{t}).on, trace.at(d, Ticks{t}).on);
      EXPECT_EQ(read.at(d, Ticks{t}).until, trace.at(d, Ticks{t}).until);
    }
  }
}

Population population(const std::string& file, const std::string& assign, std::int64_t clients) {
  const std::string toml =
      fmt::format("availability = {{name = \"trace\", file = '{}', assign = \"{}\"}}", file, assign);
  return make_population(Settings::parse(toml, "test.toml"), 1, clients);
}

TEST(Traces, ServeClientsByNumberOrAtRandom) {
  const Folder folder;
  Trace trace;
  trace.add({.period = 100}, {{0, 50}});
  trace.add({.period = 100}, {{50, 100}});
  const std::string file = folder.path() + "/t.h5";
  write_trace(trace, file);
  const Population two = population(file, "by_id", 2);
  EXPECT_TRUE(two.available(ClientId{0}, Ticks{20}));
  EXPECT_FALSE(two.available(ClientId{1}, Ticks{20}));
  EXPECT_TRUE(contains(user_error_of([&] { population(file, "by_id", 3); }), "client 2 is not in the trace"));
  const Population many = population(file, "random", 10'000);
  double on = 0;
  for (std::int64_t c = 0; c < 10'000; ++c) on += many.available(ClientId{c}, Ticks{20}) ? 1 : 0;
  EXPECT_NEAR(on / 10'000, 0.5, 4.5 * 0.005);
}

std::string fedscale_error(const std::string& json) {
  const Folder folder;
  const std::string file = folder.write("t.json", bytes(json));
  return user_error_of([&] { convert_fedscale(file); });
}

TEST(Traces, RefuseBadFedScale) {
  const auto device = [](const char* active, const char* inactive, const char* finish) {
    return fedscale_error(
        fmt::format(R"({{"7": {{"active": {}, "inactive": {}, "finish_time": {}}}}})", active, inactive, finish));
  };
  EXPECT_TRUE(contains(device("[0, 50]", "[60, 70]", "100"), "client '7'"));
  EXPECT_TRUE(contains(device("[0, 50]", "[60, 70]", "100"), "overlaps the time before, until 60000000 us"));
  EXPECT_TRUE(contains(device("[-5]", "[10]", "100"), "before its trace begins"));
  EXPECT_TRUE(contains(device("[-1e-6, 5]", "[3, 10]", "100"), "before its trace begins"));
  EXPECT_TRUE(contains(device("[5]", "[-10]", "100"), "which is empty"));
  EXPECT_TRUE(contains(device("[5]", "[10]", "-100"), "a period of -100000000 us"));
  EXPECT_TRUE(contains(device("[5]", "[10]", "1e300"), "a period of"));
  EXPECT_TRUE(contains(device("[10]", "[5]", "100"), "which is empty"));
  EXPECT_TRUE(contains(device("[50, 0]", "[60, 10]", "100"), "overlaps"));  // not in order
  EXPECT_TRUE(contains(device("[5]", "[500]", "100"), "ends after its period"));
  EXPECT_TRUE(contains(device("[5]", "[]", "100"), "1 times in 'active' and 0 in 'inactive'"));
  EXPECT_TRUE(contains(device("[5]", "[10]", "0"), "a period of 0 us"));
  EXPECT_TRUE(contains(device("\"x\"", "[10]", "100"), "client '7'"));
  EXPECT_TRUE(contains(fedscale_error("[1, 2]"), "not a JSON object of clients"));
  EXPECT_TRUE(contains(fedscale_error("{\"7\": {}}"), "is not as FedScale records it"));
  EXPECT_TRUE(contains(fedscale_error("\x80\x03pickle"), "is not a FedScale trace"));
}

TEST(Traces, RefuseBadFlash) {
  const auto error = [](const std::string& messages) {
    const Folder folder;
    const std::string file =
        folder.write("t.json", bytes(fmt::format("{{\"u\": {{\"messages\": \"{}\"}}}}", messages)));
    return user_error_of([&] { convert_flash(file); });
  };
  EXPECT_TRUE(contains(error("2020-01-03 10:00:00\\tscreen_lock\\n2020-01-03 10:00:10\\tbroken\\n"), "message 2"));
  EXPECT_TRUE(contains(error("2020-01-33 10:00:00\\tscreen_lock\\n"), "is not a time, a tab and an event"));
  EXPECT_TRUE(contains(error("2020-01-03 10:00:00 screen_lock\\n"), "is not a time, a tab and an event"));
  for (const char* time :
       {"2020-01-03 -1:00:00", "2020-01-03 10:-5:00", "2020-01-03 10:00:-1", "1960-01-03 10:00:00"}) {
    EXPECT_TRUE(contains(error(std::string(time) + "\\tscreen_lock\\n"), "is not a time, a tab and an event")) << time;
  }
  EXPECT_TRUE(contains(error("2020-01-03 10:00:09\\tscreen_lock\\n2020-01-03 10:00:00\\twifi\\n"),
                       "earlier than the message before"));
}

TEST(Traces, RefuseOtherFiles) {
  const Folder folder;
  EXPECT_TRUE(contains(user_error_of([&] { map_trace(folder.path() + "/none.h5"); }), "there is no trace file"));
  const std::string other = folder.write("other.h5", bytes("not HDF5 at all"));
  EXPECT_TRUE(contains(user_error_of([&] { map_trace(other); }), "is not a trace file"));
  Trace bad;
  bad.add({.period = 100}, {{0, 60}, {50, 70}});
  EXPECT_TRUE(contains(user_error_of([&] { write_trace(bad, folder.path() + "/bad.h5"); }), "overlaps"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/bad.h5"));
}

// Intervals on many pages, which begin and end at random.
Trace long_trace() {
  RandomStream random(random_key(8, "planner/selection"), 0);
  Trace trace;
  for (int device = 0; device < 300; ++device) {
    std::vector<Trace::Interval> intervals;
    std::int64_t time = 0;
    for (int i = 0; i < 100; ++i) {
      const std::int64_t begin = time + 1 + random.below(9);
      time = begin + 1 + random.below(9);
      intervals.push_back({begin, time});
    }
    const std::int64_t origin = random.below(5);
    trace.add({.period = time + 5, .origin = origin}, intervals);
  }
  return trace;
}

TEST(Traces, AreSearchedInTheFile) {
  const Folder folder;
  const Trace trace = long_trace();
  const std::string file = folder.path() + "/t.h5";
  write_trace(trace, file);
  const MappedTrace mapped = map_trace(file);
  ASSERT_GT(mapped.view.intervals.size_bytes(), 100U * 4096);
  // Converting again replaces the file; existing mappings keep the old one.
  write_trace({{{.period = 9}}, {0, 0}, {}}, file);
  EXPECT_EQ(map_trace(file).view.devices(), 1);
  RandomStream random(random_key(9, "planner/selection"), 0);
  for (int jump = 0; jump < 100'000; ++jump) {
    const std::int64_t device = random.below(300);
    const std::int64_t instant = random.below(100'000);
    const Ticks time{instant};
    ASSERT_EQ(mapped.view.at(device, time).on, trace.at(device, time).on);
    ASSERT_EQ(mapped.view.at(device, time).until, trace.at(device, time).until);
  }
}

TEST(Traces, RefuseDamagedFiles) {
  const Folder folder;
  const std::string file = folder.path() + "/t.h5", copy = folder.path() + "/copy.h5";
  write_trace(long_trace(), file);
  const auto size = std::filesystem::file_size(file);
  const auto copied = [&](auto&& damage) {
    std::filesystem::copy_file(file, copy, std::filesystem::copy_options::overwrite_existing);
    damage();
    return user_error_of([&] { map_trace(copy); });
  };
  for (const std::uintmax_t left : {std::uintmax_t{0}, std::uintmax_t{7}, std::uintmax_t{4096}, size / 2, size - 1}) {
    EXPECT_TRUE(contains(copied([&] { std::filesystem::resize_file(copy, left); }), "is not a trace file")) << left;
  }
  const auto with_byte = [&](std::uint64_t at, char byte) {
    std::fstream stream(copy, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(at);
    stream.put(byte);
  };
  const MappedTrace whole = map_trace(file);
  const auto place = [&](const auto& array) {
    const auto* middle = reinterpret_cast<const std::byte*>(array.data()) + array.size_bytes() / 2;
    return middle - static_cast<const std::byte*>(whole.mapping.get());
  };
  for (const std::uint64_t at : {place(whole.view.offsets), place(whole.view.intervals), place(whole.view.rows)}) {
    EXPECT_TRUE(contains(copied([&] { with_byte(at, '\xa5'); }), "digest differs")) << at;
  }
}

TEST(Traces, NoticeACutWhileMapped) {
  const Folder folder;
  const std::string file = folder.path() + "/t.h5";
  Trace trace;
  for (int device = 0; device < 4; ++device) trace.add({.period = 100}, {{10, 20}});
  write_trace(trace, file);
  const MappedTrace mapped = map_trace(file);
  // Inside a page the system then gives zeros, without a signal: here the periods are gone, the intervals are not.
  const std::uint64_t left =
      reinterpret_cast<const std::byte*>(mapped.view.rows.data()) - static_cast<const std::byte*>(mapped.mapping.get());
  ASSERT_LE(left + mapped.view.rows.size_bytes(), 4096U);
  std::filesystem::resize_file(file, left);
  EXPECT_TRUE(contains(user_error_of([&] { mapped.view.at(2, Ticks{15}); }), "was cut off"));
}

}  // namespace
}  // namespace shoal
