// Is the median that of all clients' rows, whichever ranks hold them, and does it withstand outliers?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::unique_ptr<Aggregator> median() {
  Settings settings;
  return find_part<Aggregator>("aggregator", "median").make(settings);
}

AggregationPlan plan_of(const std::vector<std::int64_t>& sizes, at::ScalarType type) {
  AggregationPlan plan{.type = type};
  for (const std::int64_t size : sizes) plan.wires.push_back(plain_wire({.name = "values", .size = size}, type));
  plan.scales.resize(sizes.size());
  return plan;
}

// Adds one block with the rows `which` of the channels' matrices, from a buffer that is overwritten afterwards, as a
// trainer's buffers are.
void add(Collector& collector, const std::vector<at::Tensor>& channels, const std::vector<std::int64_t>& which,
         bool accepted = true) {
  Contribution contribution{.weights = std::vector(channels.size(), std::vector<std::int64_t>(which.size(), 1)),
                            .accepted = std::vector<bool>(which.size(), accepted)};
  for (const std::int64_t row : which)
    contribution.block.push_back({.id = ParticipationId{row}, .client = ClientId{row}});
  std::vector<at::Tensor> buffers;
  for (const at::Tensor& channel : channels) {
    buffers.push_back(channel.index_select(0, at::tensor(which)));
    contribution.channels.emplace_back(buffers.back());
  }
  collector.add(contribution);
  for (at::Tensor& buffer : buffers) buffer.fill_(99);
}

// The medians of the channels when rank (7 i) % ranks has row i.
std::vector<at::Tensor> medians_on(int ranks, const std::vector<at::Tensor>& channels) {
  std::vector<std::int64_t> sizes;
  for (const at::Tensor& channel : channels) sizes.push_back(channel.size(1));
  const AggregationPlan plan = plan_of(sizes, channels[0].scalar_type());
  std::vector<std::vector<at::Tensor>> found(ranks);
  run_on_threads(ranks, [&](Communicator& comm) {
    const auto first = median()->open(plan), second = median()->open(plan);
    for (std::int64_t i = 0; i < channels[0].size(0); ++i) {
      if (i * 7 % ranks != comm.rank()) continue;
      add(i % 2 == 0 ? *first : *second, channels, {i});
    }
    add(*first, channels, {0, 0}, false);  // rejected clients do not count
    first->merge(*second);
    ThreadPool pool(1);
    State state;
    const std::vector<Aggregate> groups = first->finish(comm, pool, state).sums;
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups[0].clients, channels[0].size(0));
    EXPECT_EQ(groups[0].weights[0], channels[0].size(0));
    found[comm.rank()] = groups[0].means;
  });
  for (const auto& means : found) {
    for (std::size_t c = 0; c < means.size(); ++c) EXPECT_TRUE(at::equal(means[c], found[0][c]));
  }
  return found[0];
}

at::Tensor by_sorting(const at::Tensor& rows) {
  const std::int64_t n = rows.size(0);
  const at::Tensor sorted = std::get<0>(at::sort(rows, 0));
  return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

// X[i][j] = ((37 i + 61 j + 11 i^2 j) mod 101) / 8 - 6, plus 4 in rows 8 to 10. The expected medians are from byzfl.
TEST(Median, AgreesWithByzflOnElevenRows) {
  at::Tensor rows = at::empty({11, 5}, at::kDouble);
  for (int i = 0; i < 11; ++i) {
    for (int j = 0; j < 5; ++j) rows[i][j] = (37 * i + 61 * j + 11 * i * i * j) % 101 / 8.0 - 6 + (i >= 8 ? 4 : 0);
  }
  const at::Tensor expected = at::tensor({1.125, 2.625, -0.375, 4.25, -0.75}, at::kDouble);
  for (const int ranks : {1, 2, 3, 5, 8}) {
    EXPECT_TRUE(at::equal(medians_on(ranks, {rows})[0], expected)) << ranks;
    EXPECT_TRUE(at::equal(medians_on(ranks, {rows.to(at::kFloat)})[0], expected.to(at::kFloat))) << ranks;
  }
}

TEST(Median, IsTheMiddleOfTheSortedValues) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const std::int64_t clients : {1, 2, 3, 8, 33, 100}) {
    std::vector<at::Tensor> channels;
    for (const std::int64_t size : {257, 1, 1000}) {
      channels.push_back(at::empty({clients, size}, at::kFloat));
      std::generate_n(channels.back().mutable_data_ptr<float>(), clients * size, [&] { return normal(random); });
    }
    const std::vector<at::Tensor> one = medians_on(1, channels);
    for (std::size_t c = 0; c < channels.size(); ++c) EXPECT_TRUE(at::equal(one[c], by_sorting(channels[c])));
    for (const int ranks : {2, 3, 5, 8}) {
      const std::vector<at::Tensor> many = medians_on(ranks, channels);
      for (std::size_t c = 0; c < channels.size(); ++c) EXPECT_EQ(digest(many[c]), digest(one[c])) << ranks << " ranks";
    }
  }
}

// 80 rows of 150,001 values need more than one exchange of 2^22 values per rank.
TEST(Median, UsesSeveralExchanges) {
  at::Tensor rows = at::empty({80, 150'001}, at::kFloat);
  float* values = rows.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < rows.numel(); ++i) values[i] = (i * 7919) % 100'003;
  const at::Tensor expected = by_sorting(rows);
  for (const int ranks : {1, 2, 3}) EXPECT_TRUE(at::equal(medians_on(ranks, {rows})[0], expected)) << ranks;
}

TEST(Median, IsZeroWithoutClients) {
  run_on_threads(2, [&](Communicator& comm) {
    ThreadPool pool(1);
    State state;
    const AggregationPlan plan = plan_of({3}, at::kFloat);
    const std::vector<Aggregate> groups = median()->open(plan)->finish(comm, pool, state).sums;
    EXPECT_EQ(groups[0].clients, 0);
    EXPECT_TRUE(at::equal(groups[0].mean(), at::zeros({3})));
  });
}

// Two of seven clients have a distant optimum: the mean moves towards it, the median stays with the others.
TEST(Median, WithstandsOutliers) {
  const auto last = [](const std::string& aggregator) {
    const Federation parts = federation(
        "[task]\nname = \"quadratic\"\ncurvatures = [1, 1, 1, 1, 1, 1, 1]\noptima = [1, 1, 1, 1, 1, 90, 90]\n"
        "[planner]\ncohort = 7\n[local]\nsteps = 5\n[aggregator]\nname = \"" +
        aggregator + "\"\n");
    double found = 0;
    run(parts, 100, 1, 1, [&](const RoundRecord&, const FederationState& state, Communicator&, Trainers&) {
      found = state.strategy().params().item<double>();
    });
    return found;
  };
  EXPECT_NEAR(last("median"), 1, 1e-4);
  EXPECT_NEAR(last("exact_sum"), (5 * 1 + 2 * 90) / 7.0, 1e-3);
}

TEST(Median, HasTheSameBitsOnAnyRanks) {
  const Federation parts = federation(
      "[task]\nname = \"quadratic\"\nclients = 50\ndimension = 40\n[local]\nblock = 3\n"
      "[planner]\ncohort = 14\ndropout = 0.2\n[aggregator]\nname = \"median\"\n[strategy]\nname = \"scaffold\"\n");
  const std::string one = run(parts, 10);
  for (const auto& [ranks, threads] : {std::pair{1, 3}, {2, 1}, {3, 2}, {5, 1}, {8, 1}}) {
    EXPECT_EQ(run(parts, 10, ranks, threads), one) << ranks << " ranks, " << threads << " threads";
  }
}

// Sends twice the values and can decode sums only.
class Doubled final : public Codec {
 public:
  Wire wire(Wire before, const ParameterLayout&) const override { return before; }
  Encoded encode(Encoded before, const Wire&, const Message&, ClientBlock&, const PartContext&) const override {
    before.words = before.words.dense() * 2;
    return before;
  }
  at::Tensor decode_sum(at::Tensor mean, State&, const Wire&) const override { return mean / 2; }
  bool decodes_rows() const override { return false; }
};

TEST(AggregatorsOfRows, NeedACodecThatDecodesRows) {
  for (const std::string aggregator : {"median", "kept_rows", "exact_sum"}) {
    Federation parts = federation("[task]\nname = \"quadratic\"\n[aggregator]\nname = \"" + aggregator + "\"\n");
    const auto model = [&] {
      std::string found;
      run(parts, 3, 2, 1, [&](const RoundRecord&, const FederationState& state, Communicator& comm, Trainers&) {
        if (comm.rank() == 0) found = digest(state.strategy().params());
      });
      return found;
    };
    const std::string plain = model();
    parts.codecs.push_back(std::make_shared<Doubled>());
    if (aggregator != "exact_sum") {
      EXPECT_THAT(user_error_of([&] { parts.check(); }), testing::HasSubstr("can only decode their sum"));
      continue;
    }
    EXPECT_NO_THROW(parts.check());
    EXPECT_EQ(model(), plain);
  }
}

}  // namespace
}  // namespace shoal
