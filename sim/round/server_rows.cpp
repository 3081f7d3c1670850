#include "sim/round/server_rows.hpp"

#include "sim/round/part.hpp"

namespace shoal {

std::string kept_row(std::string_view row) { return scoped("server", row); }

void ServerRows::keep(std::string_view row, RowSet rows, std::int32_t group) {
  const std::span<const ClientId> clients = updates(group).clients();
  ensure(rows.count() == std::ssize(clients), "{} rows are kept for {} clients", rows.count(), clients.size());
  const std::size_t slot = slot_of(memory_.slots(), scoped(section_, kept_row(row)));
  std::vector<int> homes;
  for (const ClientId client : clients) homes.push_back(memory_.home(client));
  std::vector<at::Tensor> whole = rows.rows_at(homes);
  const std::int64_t size = memory_.slots()[slot].size;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (!whole[i].defined()) continue;
    const bool is_all = whole[i].numel() == size;
    memory_.set(clients[i], slot, is_all ? std::move(whole[i]) : whole[i].narrow(0, 0, size).clone());
  }
}

}  // namespace shoal
