// Can clients remember what depends on the round's sum? A codec of rank one, the power step of PowerSGD (Vogels,
// Karimireddy and Jaggi, NeurIPS 2019, arXiv 1905.13727, algorithm 1), whose residuals are against the decoded mean.

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "sim/record/checkpoint.hpp"
#include "tests/sim/round/scripted.hpp"
#include "tests/strategies/codecs/fixed_rows.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t height = 3, width = 4, size = height * width;

// The words are whole rows, because P and Q of the mean are linear in them; only their bytes are those of P and Q.
class PowerStep final : public Codec {
 public:
  PowerStep() { set_name("power_step"); }
  Wire wire(Wire before, const ParameterLayout& layout) const override {
    before.expected_bytes = before.largest_bytes = (height + width) * at::elementSize(layout.type);
    return before;
  }
  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel> channels) const override {
    return {{"residual", channels[0].size, layout.type}};
  }
  void init(State& state, const ServerContext&) const override { state.put("q", at::ones({width}, at::kDouble)); }
  void broadcast(const State& state, std::int32_t, Message& message) const override {
    message.tensors.emplace("q", state.tensor("q"));
  }
  Encoded encode(Encoded before, const Wire& wire, const Message&, ClientBlock& clients,
                 const PartContext&) const override {
    const at::Tensor all = before.words.dense() + clients.recall("residual");
    clients.remember("residual", all);  // its rest is known after the sum
    before.words = Rows(all);
    std::ranges::fill(before.value_bytes, wire.largest_bytes);
    return before;
  }
  at::Tensor decode_sum(at::Tensor mean, State& state, const Wire&) const override {
    const at::Tensor matrix = mean.view({height, width});
    const at::Tensor p = matrix.mv(state.tensor("q"));
    const at::Tensor direction = p / p.norm();
    state.put("q", matrix.t().mv(direction));
    return direction.outer(state.tensor("q")).reshape({-1});
  }
  bool settles() const override { return true; }
  void settle(WrittenMemory& client, const at::Tensor& decoded, const State&, const Wire&) const override {
    at::Tensor& residual = client.slot("residual");
    residual = residual - decoded;
  }
};

double sent(ClientId client, std::int64_t round, std::int64_t j) {
  return std::sin(1.0 + 5 * value(client) + 3 * round * j + j);
}

// Clients drop out, and the first one is rejected in the second round.
Federation power_steps(std::vector<std::shared_ptr<const Codec>> after = {}) {
  Federation parts = federation(fmt::format(
      "[task]\nname = \"quadratic\"\nclients = 7\ndimension = {}\nprecision = \"float64\"\n[local]\nblock = 2\n"
      "[planner]\ncohort = 5\ndropout = 0.2\n",
      size));
  parts.strategy = std::make_shared<FixedRows>([](const Participation& p, std::int64_t j) {
    return p.round == 2 && p.client == ClientId{0} ? 1e9 : sent(p.client, p.round, j);
  });
  parts.codecs = {std::make_shared<PowerStep>()};
  for (auto& codec : after) parts.codecs.push_back(std::move(codec));
  return parts;
}

// A round moves the model by D and leaves each accepted client g + e - D of its update g and its old residual e. So the
// residuals add up to all that was sent, less each move once per client.
void expect_nothing_lost(const Federation& parts, double tolerance) {
  const at::Tensor start = FederationState(parts, 1, 0).strategy().params();
  const Played played = play(parts, 6, {2, 1});
  at::Tensor expected = at::zeros({size}, at::kDouble), before = start;
  std::int64_t accepted = 0, others = 0;
  for (std::size_t r = 0; r < played.records.size(); ++r) {
    for (const ClientRow& row : played.records[r].clients) {
      if (!row.committed || !row.figures.accepted) {
        ++others;
        continue;
      }
      ++accepted;
      for (std::int64_t j = 0; j < size; ++j) expected[j].add_(sent(row.participation.client, r + 1, j));
      expected -= played.params[r] - before;
    }
    before = played.params[r];
  }
  EXPECT_GT(accepted, 15);
  EXPECT_GT(others, 2);
  at::Tensor residuals = at::zeros({size}, at::kDouble);
  for (const auto& [client, record] : played.memory) residuals += record[0];
  EXPECT_GT(residuals.norm().item<double>(), 1);
  EXPECT_LT((residuals - expected).norm().item<double>(), tolerance);
}

TEST(Settle, LosesNothingOfTheUpdates) { expect_nothing_lost(power_steps(), 1e-10); }

// The mean that is decoded holds the error of the quantization then, and so do the residuals.
TEST(Settle, WorksBeforeAnotherCodec) { expect_nothing_lost(power_steps({part<Codec>("codec", "quantize")}), 1e-10); }

TEST(Settle, GivesEachMatrixOfRankOneAtOnce) {
  Federation parts = power_steps();
  parts.strategy = std::make_shared<FixedRows>([](const Participation&, std::int64_t j) {
    const std::int64_t row = j / width, column = j % width;
    return (1.0 + row) * (2.0 - column);
  });
  const Played played = play(parts, 1);
  EXPECT_GT(played.memory.size(), 2U);
  for (const auto& [client, record] : played.memory) EXPECT_LT(record[0].norm().item<double>(), 1e-13);
}

TEST(Settle, HasTheSameBitsOnAnyRanks) {
  const Federation parts = power_steps();
  const std::string one = play(parts, 5).bits;
  for (const Hands hands : {Hands{1, 3}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
    EXPECT_EQ(play(parts, 5, hands).bits, one) << hands.ranks << " ranks";
  }
}

TEST(Settle, HasTheSameBitsAfterResume) {
  const Federation parts = power_steps();
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("shoal_settle_{}", ::getpid());
  std::filesystem::create_directory(folder);
  const std::string stem = (folder / "cell").string();
  // The model after rounds `first` to `last`, from a checkpoint unless `first` is 1.
  const auto run = [&](int first, int last, int ranks) {
    std::string hash;
    run_on_threads(ranks, [&](Communicator& comm) {
      FederatedProcess process(parts, FederatedSettings());
      const auto pool = make_thread_pool(1);
      process.start(comm);
      if (first > 1) {
        ASSERT_TRUE(read_checkpoint(stem, 0, process, comm).journal_length.has_value());
      }
      for (int r = first; r <= last; ++r) process.step(comm, *pool);
      if (first == 1) write_checkpoint(stem, process, 0, comm);
      if (comm.rank() == 0) hash = digest(process.models().front().params);
    });
    return hash;
  };
  run(1, 3, 2);
  const std::string straight = digest(play(parts, 7).last());
  for (const int ranks : {1, 2, 3}) EXPECT_EQ(run(4, 7, ranks), straight) << ranks << " ranks";
  std::filesystem::remove_all(folder);
}

TEST(Settle, CountsTheBytesOfTheCodec) {
  for (const RoundRecord& record : play(power_steps(), 2).records) {
    for (const ClientRow& row : record.clients) {
      EXPECT_EQ(row.bytes_down, 8 * (size + width));
      if (row.committed) {
        EXPECT_EQ(row.figures.bytes_up, 8 * (height + width));
      }
    }
  }
}

}  // namespace
}  // namespace shoal
