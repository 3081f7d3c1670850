#pragma once
// Rows on ranks as threads, and the matrix of rows with known results of robust rules.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <numeric>
#include <random>
#include <vector>

#include "sim/round/row_set.hpp"

namespace shoal::test {

/// X[i][j] = ((37 i + 61 j + 11 i^2 j) mod 101) / 8 - 6, plus 4 in rows 8 to 10: exact in float.
inline at::Tensor eleven_rows() {
  at::Tensor rows = at::empty({11, 5}, at::kDouble);
  for (int i = 0; i < 11; ++i) {
    for (int j = 0; j < 5; ++j) rows[i][j] = (37 * i + 61 * j + 11 * i * i * j) % 101 / 8.0 - 6 + (i >= 8 ? 4 : 0);
  }
  return rows;
}

inline at::Tensor normal_rows(std::int64_t n, std::int64_t d, at::ScalarType type = at::kDouble, int seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  at::Tensor rows = at::empty({n, d}, at::kFloat);
  std::generate_n(rows.mutable_data_ptr<float>(), n * d, [&] { return normal(random); });
  return rows.to(type);
}

/// How rows come to the ranks. Row i belongs to client i unless `clients` says otherwise.
struct Arrival {
  int ranks = 1, threads = 1;
  std::int64_t stride = 7;  // row i is kept by rank (stride i) mod ranks, the last rows first if stride is even
  std::vector<std::int64_t> clients{}, widths{};
  std::vector<std::vector<double>> weights{};  // [channel][n]; otherwise 1
  std::vector<std::int32_t> groups{};
};

/// Makes a row set of `rows` on every rank and returns what `work` makes of it, which must be the same on all ranks.
inline at::Tensor with_rows(const at::Tensor& rows, const Arrival& arrival,
                            const std::function<at::Tensor(RowSet&, Communicator&)>& work) {
  const std::int64_t n = rows.size(0);
  const std::vector<std::int64_t> widths =
      arrival.widths.empty() ? std::vector<std::int64_t>{rows.size(1)} : arrival.widths;
  std::mutex mutex;
  std::vector<at::Tensor> found;
  run_on_threads(arrival.ranks, [&](Communicator& comm) {
    std::vector<KeptRow> kept;
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t i = arrival.stride % 2 == 0 ? n - 1 - k : k;
      if (arrival.stride * i % arrival.ranks != comm.rank()) continue;
      KeptRow row{.client = ClientId{arrival.clients.empty() ? i : arrival.clients[i]}, .id = ParticipationId{i}};
      if (!arrival.groups.empty()) row.group = arrival.groups[i];
      for (std::size_t c = 0; c < widths.size(); ++c) {
        row.weights.push_back(arrival.weights.empty() ? 1 : arrival.weights[c][i]);
      }
      row.values = rows[i].clone();
      kept.push_back(std::move(row));
    }
    ThreadPool pool(arrival.threads);
    RowSet set(std::move(kept), widths, rows.scalar_type(), comm, pool);
    const at::Tensor result = work(set, comm);
    const std::lock_guard lock(mutex);
    found.push_back(result);
  });
  for (const at::Tensor& result : found) EXPECT_TRUE(at::equal(result, found[0])) << "ranks differ";
  return found[0];
}

/// Expects that the result of `work` has the same bits for any number of ranks and threads, and wherever rows arrive.
inline at::Tensor on_any_ranks(const at::Tensor& rows, const Arrival& arrival,
                               const std::function<at::Tensor(RowSet&, Communicator&)>& work) {
  const at::Tensor one = with_rows(rows, arrival, work);
  for (const auto& [ranks, threads] : {std::pair{1, 3}, {2, 1}, {2, 2}, {3, 1}, {5, 1}}) {
    for (const std::int64_t stride : {7, 4}) {
      Arrival other = arrival;
      other.ranks = ranks;
      other.threads = threads;
      other.stride = stride;
      EXPECT_TRUE(at::equal(with_rows(rows, other, work), one)) << ranks << " ranks, " << threads << " threads";
    }
  }
  return one;
}

inline at::Tensor doubles(std::span<const double> values) {
  return at::tensor(std::vector<double>(values.begin(), values.end()), at::TensorOptions(at::kDouble));
}

/// The largest difference of two tensors.
inline double difference(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() == 0 ? 0 : (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace shoal::test
