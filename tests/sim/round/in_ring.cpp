// Is noise that a stage adds to the integers counted once for each accepted client, whatever the ranks?
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/fixed_point.hpp"
#include "tests/strategies/codecs/fixed_rows.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t clients = 11, size = 6;

// Uniform in {-1000, ..., 1000}: this client's noise in coordinate j.
std::vector<std::int64_t> noise_of(RandomKey key, const Participation& p) {
  RandomStream random(key, value(p.client), value(p.id));
  std::vector<std::int64_t> noise(size);
  for (std::int64_t& n : noise) n = static_cast<std::int64_t>(random.below(2001)) - 1000;
  return noise;
}

class IntegerNoise final : public Stage {
 public:
  IntegerNoise() { set_name("integer_noise"); }
  void declare(std::vector<Channel>& all, const ParameterLayout&) const override { all[0].bound = 1; }
  bool works_in_ring() const override { return true; }
  void in_ring(const Wire& wire, WordRows& words, const PartContext& context) const override {
    ASSERT_EQ(wire.channel.name, "delta");
    auto* to = words.words.mutable_data_ptr<std::int64_t>();
    for (const Participation& p : context.block) {
      for (const std::int64_t n : noise_of(context.key, p)) *to++ += n;
    }
  }
};

// All clients return zeros, so that every bit of the noise shows, and client 4 a value that is not finite.
TEST(InRing, NoiseOfEveryAcceptedClientArrivesOnce) {
  Federation parts = fixed_rows(clients, size, "\"plain\"", [](const Participation& p, std::int64_t) {
    return p.client == ClientId{4} ? std::numeric_limits<double>::quiet_NaN() : 0.0;
  });
  parts.stages = {std::make_shared<IntegerNoise>()};
  const Played played = play(parts, 1);
  EXPECT_EQ(played.records[0].rejected, 1);
  std::vector<std::int64_t> total(size, 0);
  for (const ClientRow& row : played.records[0].clients) {
    if (!row.figures.accepted) continue;
    const std::vector<std::int64_t> noise =
        noise_of(random_key(parts.seed, "stage/1/integer_noise/delta"), row.participation);
    for (std::int64_t j = 0; j < size; ++j) total[j] += noise[j];
  }
  const int exponent = unit_exponent(clients, 1);
  for (const Hands& hands : {Hands{1, 1}, {1, 3}, {2, 1}, {3, 2}, {5, 1}}) {
    const std::vector<double> model = numbers(play(parts, 1, hands).last());
    for (std::int64_t j = 0; j < size; ++j) {
      ASSERT_NE(total[j], 0);
      EXPECT_EQ(model[j], std::ldexp(total[j], -exponent) / (clients - 1)) << hands.ranks << " ranks";
    }
  }
}

// A real weight is part of the word, so noise is not multiplied by it.
TEST(InRing, NoiseIsNotWeighted) {
  class Weighted final : public Strategy {
   public:
    std::vector<Channel> channels(const ParameterLayout& layout) const override {
      return {delta_channel(layout, Weighting::real)};
    }
    UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
      const at::Tensor rows = at::empty_like(clients.train(server.params()).delta.dense()).fill_(0.5);
      return {{Rows(rows)}, std::vector<double>(clients.count(), 0.25)};
    }
    void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
      state.params().add_(groups[0].mean(), groups[0].weights[0]);
    }
  };
  Federation parts = fixed_rows(clients, size, "\"plain\"", {});
  parts.strategy = std::make_shared<Weighted>();
  const std::vector<double> plain = numbers(play(parts, 1).last());
  parts.stages = {std::make_shared<IntegerNoise>()};
  const Played played = play(parts, 1);
  const int exponent = unit_exponent(clients, 1);  // weights of up to 1
  for (std::int64_t j = 0; j < size; ++j) {
    EXPECT_NEAR(plain[j], clients * 0.25 * 0.5, 1e-12);
    EXPECT_NEAR(numbers(played.last())[j], plain[j], std::ldexp(1000.0 * clients, -exponent) + 1e-15);
  }
}

}  // namespace
}  // namespace shoal
