#pragma once
// Brings the rows of neighbours to the ranks that mix them.

#include <map>
#include <set>
#include <vector>

#include "sim/comm/communicator.hpp"
#include "sim/ids.hpp"
#include "sim/nn/layout.hpp"

namespace shoal {

/// The rows that a rank has or has received, [size] each on the host. Rows from other ranks share the memory of the
/// message that brought them.
struct NodeRows {
  std::map<ClientId, at::Tensor> rows;
  std::vector<Bytes> messages;

  const at::Tensor& of(ClientId node) const { return rows.at(node); }
};

/// Sends every wanted row from the rank that has it: once per rank, however many of its nodes want it. `owners` has the
/// rank of each row, and `wanted[r]` the rows that rank r needs; both are the same on every rank. `mine` are this
/// rank's rows, contiguous, all of one type and size. Collective.
NodeRows exchange_rows(std::map<ClientId, at::Tensor> mine, const std::map<ClientId, int>& owners,
                       const std::vector<std::set<ClientId>>& wanted, std::int64_t size, at::ScalarType type,
                       Communicator& comm);

}  // namespace shoal
