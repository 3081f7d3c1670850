#include "sim/clients/daily_use.hpp"

#include <cstring>

#include "sim/error.hpp"

namespace shoal {
namespace {

struct Entry {
  std::int64_t client, day_end;
  Spending spent;
};
static_assert(sizeof(Entry) == 40, "no padding: entries are compared and kept as bytes");

}  // namespace

DailyUse::DailyUse(const std::string& bytes) {
  ensure(bytes.size() % sizeof(Entry) == 0, "{} bytes of daily use are not a whole number of entries", bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Entry)) {
    Entry entry;
    std::memcpy(&entry, bytes.data() + at, sizeof entry);
    days_.emplace_hint(days_.end(), ClientId{entry.client}, Day{Ticks{entry.day_end}, entry.spent});
  }
}

std::string DailyUse::bytes() const {
  std::string bytes;
  bytes.reserve(days_.size() * sizeof(Entry));
  for (const auto& [client, day] : days_) {
    const Entry entry{value(client), value(day.end), day.spent};
    bytes.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  return bytes;
}

Spending DailyUse::today(ClientId client, Ticks time) const {
  const auto found = days_.find(client);
  return found != days_.end() && time < found->second.end ? found->second.spent : Spending{};
}

void DailyUse::add(ClientId client, Ticks day_end, const Spending& spent) {
  Day& day = days_[client];
  if (day.end != day_end) day = {day_end, {}};
  day.spent += spent;
}

void DailyUse::forget(Ticks time) {
  std::erase_if(days_, [&](const auto& entry) { return entry.second.end <= time; });
}

}  // namespace shoal
