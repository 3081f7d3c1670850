#pragma once
// A strategy whose clients return rows that a test chooses, so that what codecs make of them can be computed by hand.

#include <ATen/ops/empty_like.h>

#include <functional>

#include "tests/sim/round/rounds.hpp"

namespace shoal::test {

/// Client `p.client` returns `row(p, j)` in coordinate j; the server adds the mean.
class FixedRows final : public Strategy {
 public:
  std::function<double(const Participation&, std::int64_t)> row;

  explicit FixedRows(std::function<double(const Participation&, std::int64_t)> values) : row(std::move(values)) {}
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {delta_channel(layout, Weighting::uniform)};
  }
  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    const at::Tensor rows = at::empty_like(clients.train(server.params()).delta.dense());
    for (std::int64_t k = 0; k < clients.count(); ++k) {
      for (std::int64_t j = 0; j < rows.size(1); ++j) rows[k][j] = row(clients.participations()[k], j);
    }
    return Rows(rows);
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext&) const override {
    state.params().add_(groups[0].mean());
  }
};

/// All `clients` clients take part in every round with rows of `size` float64 values, two to a block.
inline Federation fixed_rows(std::int64_t clients, std::int64_t size, const std::string& codecs,
                             std::function<double(const Participation&, std::int64_t)> row) {
  Federation parts = federation(
      fmt::format("codec = {2}\n[task]\nname = \"quadratic\"\nclients = {0}\ndimension = {1}\nprecision = \"float64\"\n"
                  "[local]\nblock = 2\n[planner]\ncohort = {0}\n",
                  clients, size, codecs));
  parts.strategy = std::make_shared<FixedRows>(std::move(row));
  return parts;
}

/// How far the models are from the initial one, after each round.
inline std::vector<std::vector<double>> moves(const Federation& parts, int rounds) {
  const at::Tensor start = FederationState(parts, 1, 0).strategy().params();
  std::vector<std::vector<double>> all;
  for (const at::Tensor& params : play(parts, rounds, {2, 1}).params) all.push_back(numbers(params - start));
  return all;
}

}  // namespace shoal::test
