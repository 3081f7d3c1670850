// Do the components work on threads and in two processes, and does a replay of their letters give the same bits?

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/agents/language/transformer_policy.hpp"
#include "sim/comm/socket_mailbox.hpp"
#include "sim/pipeline/live/attend.hpp"
#include "tests/sim/pipeline/fakes.hpp"

namespace {

using namespace shoal;
using namespace shoal::pipeline;

constexpr std::array modes{"barrier", "pause503", "interrupt", "swap"};
constexpr RunKey run_key{.seed = 1, .replicate = 2, .keep = Keep::trace};

// Takes every reply and reinforces it by its vote: the loss is -vote * log p.
class Reinforcing final : public Objective {
 public:
  bool takes(const Signals&) const override { return true; }
  double loss(const Sample& sample, RowView<double> slopes) const override {
    double loss = 0;
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      const Position& p = sample.positions[i];
      slopes.at(static_cast<std::int64_t>(i))[p.token] = -sample.signals.reward;
      loss -= sample.signals.reward * p.current[p.token];
    }
    return loss;
  }
};

std::unique_ptr<Policy> linear() { return make_part<Policy>("policy", "linear", Settings()); }
std::unique_ptr<Policy> small_transformer() {
  return transformer_policy({.vocabulary = talk::vocabulary, .context = talk::context, .width = 8, .layers = 1}, {});
}

// Users who wait for milliseconds, with every fault. Ends after five updates.
Scene hasty(const std::string& mode, std::int64_t users = 6, std::unique_ptr<Policy> policy = linear()) {
  std::string times = fmt::format(
      "hand_over = '{}'\nthink_seconds = 0.001\ngap_seconds = 0.002\nlatency = 0.0003\ntoken_seconds = 0.0002\n"
      "prompt_token_seconds = 0\nslots = 4\njudge_seconds = 0.001\njudge_timeout = 0.004\nupdate_seconds = 0.004\n"
      "hand_over_seconds = 0.001\nlate = 0.1\nlate_seconds = 0.01\nexpiry_seconds = 0.02\nduplicate = 0.1\n"
      "malformed = 0.1\nabandon = 0.1\nside = 0.2\njudge_failure = 0.1\neta = 4\nupdate = 'at_once'\n",
      mode);
  if (mode == "pause503") times += "retries = 1\nbackoff = 0.001\n";
  Scene scene(std::move(policy), "batch = 6\nsessions = 100000\n", times, users, 5);
  scene.objective = std::make_unique<Reinforcing>();
  return scene;
}

void expect_conserved(const Result& result) {
  EXPECT_GT(result.produced, 0);
  EXPECT_EQ(result.produced, result.consumed + all_dropped(result) + result.resident);
  EXPECT_GE(result.consumed, 6 * result.updates);
}

void expect_equal(const Result& replayed, const Result& live) {
  EXPECT_TRUE(at::equal(replayed.weights, live.weights));
  EXPECT_EQ(replayed.trace, live.trace);
  EXPECT_EQ(replayed.updates, live.updates);
  EXPECT_EQ(replayed.dropped, live.dropped);
  EXPECT_EQ(replayed.content_at, live.content_at);
  EXPECT_EQ(replayed.end, live.end);
}

TEST(LivePipeline, ReplaysItsThreadsBitForBit) {
  for (const std::string mode : modes) {
    const Scene scene = hasty(mode);
    const LiveRun live = run_on_threads(scene.setup(), run_key, 1000);
    EXPECT_GE(live.result.updates, 5) << mode;
    EXPECT_FALSE(at::equal(live.result.weights, scene.policy->initial_parameters())) << mode;
    expect_conserved(live.result);
    expect_equal(replay(scene.setup(), run_key, live.records), live.result);
  }
}

// The small transformer samples a token at a time. Queues of one letter refuse, and nothing is lost between tokens.
TEST(LivePipeline, ReplaysTokenByToken) {
  for (const std::string mode : modes) {
    const Scene scene = hasty(mode, 20, small_transformer());
    const LiveRun live = run_on_threads(scene.setup(), run_key, 1);
    EXPECT_GE(live.result.updates, 5) << mode;
    EXPECT_FALSE(at::equal(live.result.weights, scene.policy->initial_parameters())) << mode;
    expect_conserved(live.result);
    expect_equal(replay(scene.setup(), run_key, live.records), live.result);
    std::int64_t steps = 0, tokens = 0;
    for (const Record& record : live.records) {
      steps += std::ranges::count_if(record, [](const Taken& t) { return t.kind == kind(Subject::generated); });
    }
    for (const TraceEntry& e : of_kind(live.result, TraceEntry::Kind::served)) {
      tokens += std::ssize(e.versions);
      EXPECT_TRUE(std::ranges::is_sorted(e.versions)) << mode;
      if (mode != "interrupt") {
        EXPECT_EQ(e.versions.front(), e.versions.back()) << mode;
      }
    }
    EXPECT_GE(steps, tokens) << mode;
  }
}

// Queues of one letter, for 40 users.
TEST(LivePipeline, LosesNothingWhenQueuesAreFull) {
  const Scene scene = hasty("swap", 40);
  const LiveRun live = run_on_threads(scene.setup(), run_key, 1);
  EXPECT_GT(live.refused, 0);
  expect_conserved(live.result);
  expect_equal(replay(scene.setup(), run_key, live.records), live.result);
}

TEST(LivePipeline, EndsAllThreadsWithTheFirstError) {
  struct Failing final : Objective {
    bool takes(const Signals&) const override { return true; }
    double loss(const Sample&, RowView<double>) const override { throw std::runtime_error("no loss today"); }
  };
  Scene scene = hasty("swap");
  scene.objective = std::make_unique<Failing>();
  EXPECT_THAT([&] { run_on_threads(scene.setup(), run_key, 1000); },
              testing::ThrowsMessage<std::runtime_error>("no loss today"));
}

TEST(LivePipeline, NoticesAnotherProgramOrRecord) {
  const Scene scene = hasty("swap");
  const LiveRun live = run_on_threads(scene.setup(), run_key, 1000);
  RunKey other = run_key;
  other.seed = 7;
  EXPECT_THAT([&] { replay(scene.setup(), other, live.records); },
              testing::ThrowsMessage<UserError>(testing::HasSubstr("component ")));
  EXPECT_THROW(replay(scene.setup(), run_key, std::span(live.records).first(5)), UserError);
}

TEST(LivePipeline, PacksRecords) {
  const Record record{{endpoints::users, endpoints::serving, LetterKind{3}, ~0ull, Ticks{-1}},
                      {endpoints::auditor, endpoints::auditor, LetterKind{-1}, 5, Ticks{1}}};
  const Bytes bytes = pack_record(record);
  EXPECT_EQ(unpack_record(bytes), record);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(unpack_record(std::span(bytes).first(size)), UserError) << size;
  }
}

// Serving and its users here; collection, judging and training in a child process.
TEST(LivePipeline, RunsInTwoProcesses) {
  constexpr std::array here{endpoints::auditor, endpoints::users, endpoints::serving};
  constexpr std::array there{endpoints::collection, endpoints::judging, endpoints::training};
  for (const std::string mode : {"barrier", "interrupt"}) {
    const Scene scene = hasty(mode);
    std::array<int, 2> sockets{}, pipe_ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()), 0);
    ASSERT_EQ(::pipe(pipe_ends.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(sockets[0]);
      at::set_num_threads(1);  // thread pools do not survive a fork
      int status = 1;
      try {
        Components components(scene.setup(), run_key);
        std::unique_ptr<SocketMailbox> mailbox = letters_over(sockets[1], there, 100);
        const Bytes bytes = pack_record(attend(components, there, *mailbox).record);
        mailbox.reset();  // says goodbye
        const auto size = static_cast<ssize_t>(bytes.size());
        if (::write(pipe_ends[1], bytes.data(), bytes.size()) == size) status = 0;
      } catch (const std::exception& error) {
        std::fprintf(stderr, "child: %s\n", error.what());
      }
      ::_exit(status);
    }
    ::close(sockets[1]);
    ::close(pipe_ends[1]);
    Components components(scene.setup(), run_key);
    std::vector<Record> records;
    {
      const std::unique_ptr<SocketMailbox> mailbox = letters_over(sockets[0], here, 100);
      ASSERT_TRUE(mailbox->wait_for(endpoints::training, std::chrono::seconds(20)));
      records.push_back(attend(components, here, *mailbox).record);
    }
    Bytes bytes;
    std::array<std::byte, 4096> chunk;
    for (ssize_t n = 0; (n = ::read(pipe_ends[0], chunk.data(), chunk.size())) > 0;) {
      bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + n);
    }
    ::close(pipe_ends[0]);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    records.push_back(unpack_record(bytes));
    const Result result = components.auditor().result();
    EXPECT_GE(result.updates, 5);
    expect_conserved(result);
    expect_equal(replay(scene.setup(), run_key, records), result);
  }
}

}  // namespace
