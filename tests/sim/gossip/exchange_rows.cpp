// Does every rank get exactly the rows that it wants?

#include "sim/gossip/exchange_rows.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace shoal {
namespace {

constexpr std::int64_t nodes = 10, size = 3;

at::Tensor row_of(std::int64_t node) { return at::full({size}, 0.5 + node, at::TensorOptions(at::kDouble)); }

TEST(ExchangeRows, BringsTheWantedRows) {
  for (const int ranks : {1, 2, 3, 5}) {
    std::map<ClientId, int> owners;
    std::vector<std::set<ClientId>> wanted(ranks);
    for (std::int64_t i = 0; i < nodes; ++i) {
      owners[ClientId{i}] = static_cast<int>((i * i) % ranks);
      for (int r = 0; r < ranks; ++r) {
        if ((i + r) % 3 != 0) wanted[r].insert(ClientId{i});
      }
    }
    run_on_threads(ranks, [&](Communicator& comm) {
      std::map<ClientId, at::Tensor> mine;
      for (const auto& [node, owner] : owners) {
        if (owner == comm.rank()) mine[node] = row_of(value(node));
      }
      const NodeRows rows = exchange_rows(mine, owners, wanted, size, at::kDouble, comm);
      for (std::int64_t i = 0; i < nodes; ++i) {
        const ClientId node{i};
        const bool has = owners[node] == comm.rank() || wanted[comm.rank()].contains(node);
        ASSERT_EQ(rows.rows.contains(node), has) << i << " at rank " << comm.rank() << " of " << ranks;
        if (has) {
          EXPECT_TRUE(rows.of(node).equal(row_of(i)));
        }
      }
    });
  }
}

}  // namespace
}  // namespace shoal
