#include "experiments/report/usage.hpp"

#include <algorithm>
#include <cmath>

#include "sim/round/placement.hpp"

namespace shoal {
namespace {

constexpr std::int64_t hour = 3'600'000'000, day = 24 * hour;  // microseconds

// Adds the time that [start, finish) spends in each hour of the day.
void add_hours(std::array<double, 24>& hours, std::int64_t start, std::int64_t finish) {
  const std::int64_t days = (finish - start) / day;
  for (double& h : hours) h += static_cast<double>(days) * static_cast<double>(hour);
  for (std::int64_t at = start + days * day; at < finish;) {
    const std::int64_t end = std::min(finish, (at / hour + 1) * hour);
    hours[static_cast<std::size_t>(at / hour % 24)] += static_cast<double>(end - at);
    at = end;
  }
}

// How many clients the cell had; at least those that took part, for files that do not say.
std::int64_t population_of(const CellContents& cell, std::size_t seen) {
  const auto clients = cell.header.provenance.find("clients");
  const std::int64_t told = clients == cell.header.provenance.end() ? 0 : std::atoll(clients->second.c_str());
  return std::max(told, static_cast<std::int64_t>(seen));
}

// The largest number of attempts under way at one instant. Who ends then is gone, who starts then is there.
std::int64_t most_at_once(const std::vector<ParticipationRow>& attempts) {
  std::vector<std::pair<std::int64_t, int>> changes;
  for (const ParticipationRow& p : attempts) {
    if (p.start_us == p.finish_us) continue;
    changes.emplace_back(p.start_us, 1);
    changes.emplace_back(p.finish_us, -1);
  }
  std::ranges::sort(changes);
  std::int64_t now = 0, most = 0;
  for (const auto& [time, change] : changes) most = std::max(most, now += change);
  return most;
}

// Work of the busiest rank and of the mean one, over the rounds, in local steps.
struct RankWork {
  double busiest = 0, mean = 0;

  RankWork& operator+=(const RankWork& more) {
    busiest += more.busiest, mean += more.mean;
    return *this;
  }
};

// The engine places blocks by predicted work, which in one cell is in proportion to the steps. Training ahead, which
// evens out small rounds, is not in this.
RankWork rank_work(const CellContents& cell) {
  const auto number = [&](const char* key) {
    const auto found = cell.header.provenance.find(key);
    return found == cell.header.provenance.end()
               ? 1
               : std::max<std::size_t>(1, std::strtoul(found->second.c_str(), nullptr, 10));
  };
  const std::size_t ranks = number("cell ranks"), block = number("block");
  RankWork all;
  if (ranks == 1) return all;
  std::map<std::int64_t, std::vector<double>> steps;
  for (const ParticipationRow& p : cell.participations) {
    if (p.committed != 0) steps[p.round].push_back(static_cast<double>(p.steps));
  }
  for (auto& [round, of_clients] : steps) {
    std::ranges::sort(of_clients, std::greater<>{});  // blocks are of clients of like work
    std::vector<double> costs((of_clients.size() + block - 1) / block), loads(ranks);
    for (std::size_t i = 0; i < of_clients.size(); ++i) costs[i / block] += of_clients[i];
    const std::vector<int> owners = place(costs, static_cast<int>(ranks));
    for (std::size_t i = 0; i < costs.size(); ++i) loads[static_cast<std::size_t>(owners[i])] += costs[i];
    double sum = 0;
    for (const double load : loads) sum += load;
    all += {std::ranges::max(loads), sum / static_cast<double>(ranks)};
  }
  return all;
}

// The share of all that the first i/100 of the clients made; linear between two clients.
void add_lorenz(std::array<double, 101>& lorenz, const std::vector<std::int64_t>& ascending, std::int64_t clients) {
  double total = 0;
  for (const std::int64_t n : ascending) total += static_cast<double>(n);
  const double idle = static_cast<double>(clients) - static_cast<double>(ascending.size());
  double made = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < lorenz.size(); ++i) {
    const double place = static_cast<double>(clients) * static_cast<double>(i) / 100 - idle;  // clients counted so far
    while (next < ascending.size() && static_cast<double>(next + 1) <= place)
      made += static_cast<double>(ascending[next++]);
    const double part = std::clamp(place - static_cast<double>(next), 0.0, 1.0);
    const double partial = next < ascending.size() ? part * static_cast<double>(ascending[next]) : 0;
    lorenz[i] += (made + partial) / total;
  }
}

}  // namespace

double gini(const std::vector<std::int64_t>& ascending, std::int64_t clients) {
  const auto n = static_cast<double>(clients);
  double total = 0, ranked = 0, rank = n - static_cast<double>(ascending.size());
  for (const std::int64_t count : ascending) {
    total += static_cast<double>(count);
    ranked += ++rank * static_cast<double>(count);
  }
  return total > 0 ? 2 * ranked / (n * total) - (n + 1) / n : not_measured;
}

double Usage::mean_staleness() const {
  double sum = 0, count = 0;
  for (const auto& [updates, n] : staleness) {
    sum += static_cast<double>(updates) * static_cast<double>(n);
    count += static_cast<double>(n);
  }
  return sum / count;
}

Usage usage_of(const LabelSummary& summary) {
  Usage all;
  double ginis = 0, covered = 0, places = 0;
  RankWork ranks;
  std::int64_t cells = 0;
  std::array<double, 24> worked{}, passed{};
  for (const CellContents* cell : summary.cells) {
    std::map<std::int64_t, std::int64_t> version_after;
    std::int64_t end = 0;
    for (const RoundRow& row : cell->rounds) version_after[row.round] = row.version, end = std::max(end, row.time_us);
    std::map<std::int64_t, std::int64_t> contributions;
    for (const ParticipationRow& p : cell->participations) {
      const double time = 1e-6 * static_cast<double>(p.finish_us - p.start_us);
      const double bytes = static_cast<double>(p.bytes_down + p.bytes_up);
      TierUse& tier = all.tiers[p.tier];
      ++all.participations, ++tier.participations;
      all.device_seconds += time;
      all.bytes += bytes;
      all.joules += p.joules;
      add_hours(worked, p.start_us, p.finish_us);
      if (p.accepted == 0) {
        all.wasted_seconds += time;
        all.wasted_bytes += bytes;
        continue;
      }
      ++all.accepted, ++tier.accepted;
      ++contributions[p.client];
      ++all.staleness[std::max<std::int64_t>(version_after[p.round] - 1 - p.version, 0)];
    }
    add_hours(passed, 0, end);
    covered += 1e-6 * static_cast<double>(end);
    const std::int64_t most = most_at_once(cell->participations);
    all.most_at_work = std::max(all.most_at_work, most);
    places += 1e-6 * static_cast<double>(end) * static_cast<double>(most);
    ranks += rank_work(*cell);
    all.virtual_seconds = std::max(all.virtual_seconds, 1e-6 * static_cast<double>(end));
    if (contributions.empty()) continue;
    std::vector<std::int64_t> counts;
    for (const auto& [client, n] : contributions) counts.push_back(n);
    std::ranges::sort(counts);
    const std::int64_t clients = population_of(*cell, counts.size());
    ginis += gini(counts, clients);
    add_lorenz(all.lorenz, counts, clients);
    ++cells;
  }
  all.concurrency = covered > 0 ? all.device_seconds / covered : 0;
  if (places > 0) all.busy = all.device_seconds / places;
  if (ranks.mean > 0) all.busiest_rank = ranks.busiest / ranks.mean;
  for (std::size_t h = 0; h < 24; ++h) all.by_hour[h] = passed[h] > 0 ? worked[h] / passed[h] : not_measured;
  if (cells > 0) {
    all.gini = ginis / static_cast<double>(cells);
    for (double& share : all.lorenz) share /= static_cast<double>(cells);
  }
  return all;
}

}  // namespace shoal
