// Do a client's figures arrive on every rank as they were measured?

#include "sim/task/client_figures.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

namespace shoal {
namespace {

const std::vector<double> awkward = {0.0,           -0.0,
                                     0.1,           -1e300,
                                     5e-324,        std::numeric_limits<double>::infinity(),
                                     -std::nan(""), std::numeric_limits<double>::signaling_NaN()};

void expect_same_bits(double a, double b) {
  EXPECT_EQ(std::bit_cast<std::int64_t>(a), std::bit_cast<std::int64_t>(b)) << a << " and " << b;
}

TEST(ClientFigures, ArriveUnchangedThroughASum) {
  for (const double loss : awkward) {
    const ClientFigures figures{
        .loss = loss, .steps = 2, .examples = 3, .rejected_examples = 4, .bytes_up = 1LL << 50, .accepted = true};
    std::vector<std::int64_t> sum(ClientFigures::packed_size(0));
    figures.pack(sum);
    for (std::int64_t& number : sum) number += 0;  // the share of another rank
    const ClientFigures back = ClientFigures::unpack(sum);
    expect_same_bits(back.loss, loss);
    EXPECT_EQ(back.steps, 2);
    EXPECT_EQ(back.examples, 3);
    EXPECT_EQ(back.rejected_examples, 4);
    EXPECT_EQ(back.bytes_up, 1LL << 50);
    EXPECT_TRUE(back.accepted);
    EXPECT_EQ(back.figures.capacity(), 0) << "memory for figures that the task does not have";
  }
  EXPECT_FALSE(ClientFigures::unpack(std::vector<std::int64_t>(ClientFigures::packed_size(0))).accepted);
}

// Client k is packed by the rank that trained it, here by rank k mod 3; the others have zeros in its place.
TEST(ClientFigures, ATasksOwnFiguresArriveInTheirPlaces) {
  const std::size_t n = awkward.size(), size = ClientFigures::packed_size(n), clients = 5, ranks = 3;
  EXPECT_EQ(size, ClientFigures::packed_size(0) + n);
  const auto figures_of = [&](std::size_t k) {
    ClientFigures client{.loss = 0.5 * static_cast<double>(k), .steps = 7, .figures = awkward};
    std::ranges::rotate(client.figures, client.figures.begin() + static_cast<std::ptrdiff_t>(k));
    return client;
  };
  std::vector<std::int64_t> sum(size * clients);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    std::vector<std::int64_t> share(size * clients);
    for (std::size_t k = rank; k < clients; k += ranks) figures_of(k).pack(std::span(share).subspan(size * k, size));
    std::ranges::transform(sum, share, sum.begin(), std::plus<>());
  }
  const std::vector<ClientFigures> all = unpack_all(sum, n);
  ASSERT_EQ(all.size(), clients);
  for (std::size_t k = 0; k < clients; ++k) {
    const ClientFigures expected = figures_of(k);
    EXPECT_EQ(all[k].loss, expected.loss);
    EXPECT_EQ(all[k].steps, 7);
    ASSERT_EQ(all[k].figures.size(), n);
    for (std::size_t i = 0; i < n; ++i) expect_same_bits(all[k].figures[i], expected.figures[i]);
  }
}

}  // namespace
}  // namespace shoal
