// Clustered federated learning: clients begin in one cluster. When a cluster's mean update is shorter than `mean_norm`
// although one of its updates is longer than `largest_norm`, it has converged to a compromise, and is split into the
// two parts whose updates point in the most different directions, by complete linkage of cosine similarities. Each
// part has a model of its own from then on. Sattler, Mueller and Samek, IEEE TNNLS 2020 (arXiv 1910.01991), with
// linkage, thresholds, first round and least size as in the authors' code. Clients that are not in the round of a split
// stay in the part that has the lowest client of that round, so every client should take part in each round. The model
// that is evaluated on the server's examples is that of the cluster of the lowest client; clients use the model of
// their cluster.
//
// Refused with aggregator median, exact_sum, float_sum: does not give them
// Refused with every rule: updates of single clients
// Refused with count_sketch: can only decode their sum
// Refused with gaussian: uses more of them than that
// Refused with top_k_download: adds the mean update

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "sim/round/server_rows.hpp"
#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

using Numbers = std::vector<std::int64_t>;

std::string name_of(std::int64_t cluster) { return cluster == 0 ? "params" : fmt::format("model/{}", cluster); }

// Joins the rows with these inner products, two sets at a time whose least similar rows are the most similar, until two
// sets are left; the first has row 0. Ties go to the lowest rows.
std::pair<Numbers, Numbers> bipartition(std::span<const double> gram, std::int64_t n) {
  std::vector<Numbers> sets;
  std::vector<std::vector<double>> similar(n, std::vector<double>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    sets.push_back({i});
    for (std::int64_t j = 0; j < n; ++j) {
      const double norms = std::sqrt(gram[i * n + i] * gram[j * n + j]);
      similar[i][j] = norms > 0 ? gram[i * n + j] / norms : 0;
    }
  }
  while (sets.size() > 2) {
    std::size_t one = 0, other = 1;
    for (std::size_t i = 0; i < sets.size(); ++i) {
      for (std::size_t j = i + 1; j < sets.size(); ++j) {
        if (similar[i][j] > similar[one][other]) std::tie(one, other) = std::pair(i, j);
      }
    }
    sets[one].insert(sets[one].end(), sets[other].begin(), sets[other].end());
    for (std::size_t i = 0; i < sets.size(); ++i) {
      similar[one][i] = similar[i][one] = std::min(similar[one][i], similar[other][i]);
    }
    sets.erase(sets.begin() + static_cast<std::ptrdiff_t>(other));
    similar.erase(similar.begin() + static_cast<std::ptrdiff_t>(other));
    for (std::vector<double>& row : similar) row.erase(row.begin() + static_cast<std::ptrdiff_t>(other));
  }
  return {sets[0], sets[1]};
}

class Cfl final : public Strategy {
 public:
  explicit Cfl(const Settings& s)
      : clusters_(s.integer("clusters", 4, "largest number of clusters", between(1, 1000))),
        mean_norm_(s.number("mean_norm", 0.4, "a cluster may split when its mean update is shorter", at_least(0))),
        largest_norm_(s.number("largest_norm", 1.6, "and when one of its updates is longer", at_least(0))),
        first_round_(s.integer("first_round", 21, "first round in which clusters may split", at_least(1))),
        rate_(s.number("rate", 1, "server learning rate", server_rate())) {}

  std::int32_t groups(const Task&) const override { return clusters_; }
  std::int32_t group_of(const State& state, ClientId client, std::int32_t) const override {
    return state.tensor("cluster").const_data_ptr<std::int64_t>()[value(client)];
  }
  bool wants_rows() const override { return true; }
  void init(State& state, const ServerContext& context) const override {
    state.put("cluster", at::zeros({context.population}, at::kLong));
    state.integer("clusters") = 1;
    for (std::int64_t g = 1; g < clusters_; ++g) state.put(name_of(g), state.params().clone());
  }
  void broadcast(const State& state, std::int32_t group, Message& message) const override {
    message.tensors.emplace("params", state.tensor(name_of(group)));
  }
  void report(const State& state, Measures& measures, Tables&) const override {
    measures["clusters"] = state.integer("clusters");
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.train(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    const std::int64_t before = state.integer("clusters");
    for (std::int64_t g = 0; g < before; ++g) {
      if (groups[g].clients == 0) continue;
      RowSet rows = context.rows->updates(g);
      if (context.round >= first_round_ && state.integer("clusters") < clusters_ && is_torn(groups[g].mean(), rows)) {
        split(state, g, std::move(rows));
      } else {
        state.tensor(name_of(g)).add_(groups[g].mean(), rate_);
      }
    }
  }

  bool is_personal() const override { return true; }

 private:
  bool is_torn(const at::Tensor& mean, RowSet& rows) const {
    if (rows.count() <= 2 || !(mean.to(at::kDouble).norm().item<double>() < mean_norm_)) return false;
    return std::ranges::max(rows.norms()) > largest_norm_;
  }

  // The second part of the rows becomes a cluster; both models take the mean of their own rows.
  void split(State& state, std::int64_t cluster, RowSet rows) const {
    const std::int64_t added = state.integer("clusters")++;
    auto [first, second] = bipartition(rows.gram(), rows.count());
    for (const std::int64_t i : second) {
      state.tensor("cluster").mutable_data_ptr<std::int64_t>()[value(rows.clients()[i])] = added;
    }
    state.tensor(name_of(added)).copy_(state.tensor(name_of(cluster)));
    state.tensor(name_of(cluster)).add_(mean_of(rows, first).to(state.params().device()), rate_);
    state.tensor(name_of(added)).add_(mean_of(rows, second).to(state.params().device()), rate_);
  }

  static at::Tensor mean_of(RowSet rows, const Numbers& which) {
    const at::Tensor weights = at::zeros({1, rows.count()}, at::kDouble);
    double total = 0;
    for (const std::int64_t i : which) total += rows.weights()[i];
    for (const std::int64_t i : which) {
      weights.mutable_data_ptr<double>()[i] = total > 0 ? rows.weights()[i] / total : 0;
    }
    rows.mix(weights);
    return rows.row(0);
  }

  std::int64_t clusters_;
  double mean_norm_, largest_norm_;
  std::int64_t first_round_;
  double rate_;
};

}  // namespace

std::unique_ptr<Strategy> cfl(Settings& settings) { return std::make_unique<Cfl>(settings); }

}  // namespace shoal::algorithms
