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
  for (double& h : hours) h += 1.0 * days * hour;
  for (std::int64_t at = start + days * day; at < finish;) {
    const std::int64_t end = std::min(finish, (at / hour + 1) * hour);
    hours[at / hour % 24] += end - at;
    at = end;
  }
}

// The number of clients of the cell; in files that do not record it, of those that took part.
std::int64_t population_of(const CellContents& cell, std::size_t seen) {
  const auto clients = cell.header.provenance.find("clients");
  const std::int64_t told = clients == cell.header.provenance.end() ? 0 : std::atoll(clients->second.c_str());
  return std::max(told, static_cast<std::int64_t>(seen));
}

// The largest number of attempts under way at one instant. One that ends then no longer counts, one that
// starts then does.
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
    busiest += more.busiest;
    mean += more.mean;
    return *this;
  }
};

// The engine places blocks by predicted work, which in one cell is in proportion to the steps. Training ahead, which
// evens out small rounds, is left out.
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
    if (p.committed != 0) steps[p.round].push_back(p.steps);
  }
  for (auto& [round, of_clients] : steps) {
    std::ranges::sort(of_clients, std::greater<>{});  // a block's clients have similar work
    std::vector<double> costs((of_clients.size() + block - 1) / block), loads(ranks);
    for (std::size_t i = 0; i < of_clients.size(); ++i) costs[i / block] += of_clients[i];
    const std::vector<int> owners = place(costs, static_cast<int>(ranks));
    for (std::size_t i = 0; i < costs.size(); ++i) loads[owners[i]] += costs[i];
    double sum = 0;
    for (const double load : loads) sum += load;
    all += {std::ranges::max(loads), sum / ranks};
  }
  return all;
}

// The share of all that the first i/100 of the clients made; linear between two clients.
void add_lorenz(std::array<double, 101>& lorenz, const std::vector<std::int64_t>& ascending, std::int64_t clients) {
  double total = 0;
  for (const std::int64_t n : ascending) total += n;
  const double idle = 1.0 * clients - ascending.size();
  double made = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < lorenz.size(); ++i) {
    const double place = 1.0 * clients * i / 100 - idle;  // clients counted so far
    while (next < ascending.size() && next + 1 <= place) made += ascending[next++];
    const double part = std::clamp(place - next, 0.0, 1.0);
    const double partial = next < ascending.size() ? part * ascending[next] : 0;
    lorenz[i] += (made + partial) / total;
  }
}

}  // namespace

double gini(const std::vector<std::int64_t>& ascending, std::int64_t clients) {
  const double n = clients;
  double total = 0, ranked = 0, rank = n - ascending.size();
  for (const std::int64_t count : ascending) {
    total += count;
    ranked += ++rank * count;
  }
  return total > 0 ? 2 * ranked / (n * total) - (n + 1) / n : not_measured;
}

double Usage::mean_staleness() const {
  double sum = 0, count = 0;
  for (const auto& [updates, n] : staleness) {
    sum += 1.0 * updates * n;
    count += n;
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
    for (const RoundRow& row : cell->rounds) {
      version_after[row.round] = row.version;
      end = std::max(end, row.time_us);
    }
    std::map<std::int64_t, std::int64_t> contributions;
    for (const ParticipationRow& p : cell->participations) {
      const double time = 1e-6 * (p.finish_us - p.start_us);
      const double bytes = p.bytes_down + p.bytes_up;
      TierUse& tier = all.tiers[p.tier];
      ++all.participations;
      ++tier.participations;
      all.device_seconds += time;
      all.bytes += bytes;
      all.joules += p.joules;
      add_hours(worked, p.start_us, p.finish_us);
      if (p.accepted == 0) {
        all.wasted_seconds += time;
        all.wasted_bytes += bytes;
        continue;
      }
      ++all.accepted;
      ++tier.accepted;
      ++contributions[p.client];
      ++all.staleness[std::max<std::int64_t>(version_after[p.round] - 1 - p.version, 0)];
    }
    add_hours(passed, 0, end);
    covered += 1e-6 * end;
    const std::int64_t most = most_at_once(cell->participations);
    all.most_at_work = std::max(all.most_at_work, most);
    places += 1e-6 * end * most;
    ranks += rank_work(*cell);
    all.virtual_seconds = std::max(all.virtual_seconds, 1e-6 * end);
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
    all.gini = ginis / cells;
    for (double& share : all.lorenz) share /= cells;
  }
  return all;
}

}  // namespace shoal
