#include "sim/gossip/exchange_rows.hpp"

#include <ATen/ops/from_blob.h>

#include "sim/error.hpp"

namespace shoal {

NodeRows exchange_rows(std::map<ClientId, at::Tensor> mine, const std::map<ClientId, int>& owners,
                       const std::vector<std::set<ClientId>>& wanted, std::int64_t size, at::ScalarType type,
                       Communicator& comm) {
  // Every rank knows who wants which rows, so they are sent without a request, in order of the ids.
  const std::size_t row_bytes = size * c10::elementSize(type);
  std::vector<Bytes> to_each(comm.size());
  for (int r = 0; r < comm.size(); ++r) {
    if (r == comm.rank()) continue;
    for (const ClientId node : wanted[r]) {
      if (owners.at(node) != comm.rank()) continue;
      const at::Tensor& row = mine.at(node);
      ensure(row.nbytes() == row_bytes && row.is_contiguous(), "a row of {} bytes is exchanged as one of {}",
             row.nbytes(), row_bytes);
      const auto* first = static_cast<const std::byte*>(row.const_data_ptr());
      to_each[r].insert(to_each[r].end(), first, first + row_bytes);
    }
  }
  NodeRows result{.rows = std::move(mine), .messages = comm.exchange(to_each)};
  std::vector<std::size_t> at(result.messages.size(), 0);
  for (const ClientId node : wanted[comm.rank()]) {
    const int owner = owners.at(node);
    if (owner == comm.rank()) continue;
    Bytes& message = result.messages[owner];
    ensure(at[owner] + row_bytes <= message.size(), "the rows of rank {} end early", owner);
    result.rows.emplace(node, at::from_blob(message.data() + at[owner], {size}, at::TensorOptions(type)));
    at[owner] += row_bytes;
  }
  return result;
}

}  // namespace shoal
