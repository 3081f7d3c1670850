// Do a client's figures arrive on every rank as they were measured?

#include "sim/task/client_figures.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace shoal {
namespace {

TEST(ClientFigures, ArriveUnchangedThroughASum) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double loss : {0.0, -0.0, 0.1, -1e300, 5e-324, infinity, std::nan("")}) {
    const ClientFigures figures{
        .loss = loss, .steps = 2, .examples = 3, .rejected_examples = 4, .bytes_up = 1LL << 50, .accepted = true};
    auto sum = figures.pack();
    for (std::int64_t& number : sum) number += 0;  // the share of another rank
    const ClientFigures back = ClientFigures::unpack(sum);
    EXPECT_EQ(std::bit_cast<std::int64_t>(back.loss), std::bit_cast<std::int64_t>(loss));
    EXPECT_EQ(back.steps, 2);
    EXPECT_EQ(back.examples, 3);
    EXPECT_EQ(back.rejected_examples, 4);
    EXPECT_EQ(back.bytes_up, 1LL << 50);
    EXPECT_TRUE(back.accepted);
  }
  EXPECT_FALSE(ClientFigures::unpack(ClientFigures().pack()).accepted);
}

}  // namespace
}  // namespace shoal
