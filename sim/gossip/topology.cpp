#include "sim/gossip/topology.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr double rounding = 1e-12;  // largest error of a sum of weights

void check_links(ClientId node, const std::vector<Link>& links, std::int64_t nodes) {
  double sum = 0;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const Link& link = links[i];
    ensure(link.to != node && value(link.to) >= 0 && value(link.to) < nodes, "a node is linked with {}",
           value(link.to));
    ensure(i == 0 || links[i - 1].to < link.to, "the neighbours of node {} are not sorted", value(node));
    ensure(link.weight > 0, "a link has the weight {}", link.weight);
    sum += link.weight;
  }
  ensure(sum <= 1 + rounding, "the neighbours of node {} have the total weight {}", value(node), sum);
}

}  // namespace

double metropolis_weight(std::int64_t degree, std::int64_t other) { return 1.0 / (1 + std::max(degree, other)); }

std::vector<Link> equal_links(ClientId node, std::vector<ClientId> neighbours) {
  std::ranges::sort(neighbours);
  const auto repeated = std::ranges::unique(neighbours);
  neighbours.erase(repeated.begin(), repeated.end());
  std::erase(neighbours, node);
  const std::int64_t degree = std::ssize(neighbours);
  std::vector<Link> links;
  for (const ClientId to : neighbours) links.push_back({to, metropolis_weight(degree, degree)});
  return links;
}

at::Tensor mixing_matrix(const Topology& topology, std::int64_t nodes, std::int64_t round) {
  at::Tensor matrix = at::zeros({nodes, nodes}, at::TensorOptions(at::kDouble));
  double* w = matrix.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < nodes; ++i) {
    double own = 1;
    for (const Link& link : topology.neighbours(ClientId{i}, nodes, round)) {
      w[i * nodes + value(link.to)] = link.weight;
      own -= link.weight;
    }
    w[i * nodes + i] = own;
  }
  return matrix;
}

double spectral_gap(const Topology& topology, std::int64_t nodes) {
  const at::TensorOptions real(at::kDouble);
  const std::int64_t period = topology.period(nodes);
  at::Tensor product = at::eye(nodes, real);
  for (std::int64_t round = 1; round <= period; ++round) {
    product = at::matmul(mixing_matrix(topology, nodes, round), product);
  }
  const at::Tensor off_mean = product - at::full({nodes, nodes}, 1.0 / nodes, real);
  const double factor = at::linalg_svdvals(off_mean).max().item<double>();
  if (factor < rounding) return 1;  // the exact mean after a period
  return std::max(0.0, 1 - std::pow(factor, 1.0 / period));
}

void check_weights(const Topology& topology, std::int64_t nodes) {
  for (std::int64_t round = 1; round <= topology.period(nodes); ++round) {
    std::vector<std::vector<Link>> all;
    for (std::int64_t i = 0; i < nodes; ++i) {
      all.push_back(topology.neighbours(ClientId{i}, nodes, round));
      check_links(ClientId{i}, all.back(), nodes);
    }
    for (std::int64_t i = 0; i < nodes; ++i) {
      for (const Link& link : all[i]) {
        const std::vector<Link>& back = all[value(link.to)];
        const auto found = std::ranges::lower_bound(back, ClientId{i}, {}, &Link::to);
        ensure(found != back.end() && found->to == ClientId{i} && found->weight == link.weight,
               "the link from node {} to node {} has no equal link back", i, value(link.to));
      }
    }
  }
}

}  // namespace shoal
