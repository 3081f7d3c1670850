#include "sim/gossip/mean_model.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/fixed_point.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double largest_magnitude = 1e250;  // the unit of a sum must be an ordinary double
constexpr std::int64_t columns_at_once = 1 << 14;

// The models of the nodes whose home is this rank, in order of their ids.
struct HomeModels {
  std::vector<std::int64_t> nodes;
  std::vector<at::Tensor> models;
};

HomeModels home_models(const Gossip& gossip, const GossipState& state, int rank) {
  HomeModels home;
  for (std::int64_t i = 0; i < gossip.nodes(); ++i) {
    const ClientId node{i};
    if (state.memory.home(node) != rank) continue;
    const auto found = state.memory.records().find(node);
    const bool has = found != state.memory.records().end() && found->second[GossipState::model_slot].defined();
    home.nodes.push_back(i);
    home.models.push_back(has ? found->second[GossipState::model_slot] : state.initial);
  }
  return home;
}

template <class T>
std::span<const T> values(const at::Tensor& row) {
  return {row.const_data_ptr<T>(), static_cast<std::size_t>(row.numel())};
}

double largest_of(double mine, Communicator& comm) {
  Bytes bytes(sizeof mine);
  std::memcpy(bytes.data(), &mine, sizeof mine);
  double largest = 0;
  for (const Bytes& of_rank : comm.gather_all(bytes)) {
    double theirs = 0;
    ensure(of_rank.size() == sizeof theirs, "a rank sent {} bytes for a number", of_rank.size());
    std::memcpy(&theirs, of_rank.data(), sizeof theirs);
    largest = std::max(largest, theirs);
  }
  return largest;
}

// Eight sums side by side, added in a fixed order.
template <class T>
double squared_distance(std::span<const T> a, std::span<const T> b) {
  constexpr std::size_t lanes = 8;
  std::array<double, lanes> sums{};
  std::size_t i = 0;
  for (; i + lanes <= a.size(); i += lanes) {
    for (std::size_t l = 0; l < lanes; ++l) {
      const double gap = static_cast<double>(a[i + l]) - static_cast<double>(b[i + l]);
      sums[l] += gap * gap;
    }
  }
  for (; i < a.size(); ++i) {
    const double gap = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sums[0] += gap * gap;
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

template <class T>
at::Tensor exact_mean(const HomeModels& home, std::int64_t nodes, double largest, const at::Tensor& like,
                      Communicator& comm, Trainers& trainers) {
  const std::int64_t d = like.numel();
  const int exponent = unit_exponent(nodes, std::max(largest, 1e-30));
  std::vector<std::int64_t> sums(d, 0);
  trainers.for_each((d + columns_at_once - 1) / columns_at_once, [&](int, std::size_t i, Trainer&) {
    const std::size_t first = i * columns_at_once, count = std::min<std::size_t>(columns_at_once, d - first);
    for (const at::Tensor& model : home.models) {
      accumulate<T>(std::span(sums).subspan(first, count), values<T>(model).subspan(first, count), 1, exponent);
    }
  });
  comm.sum(sums);
  at::Tensor mean = at::empty({d}, at::TensorOptions(like.scalar_type()));
  to_mean<T>(sums, exponent, nodes, {mean.mutable_data_ptr<T>(), sums.size()});
  return mean;
}

template <class T>
MeanModel mean_of(const HomeModels& home, std::int64_t nodes, const at::Tensor& like, Communicator& comm,
                  Trainers& trainers) {
  std::vector<double> figures(home.models.size());
  trainers.for_each(figures.size(), [&](int, std::size_t i, Trainer&) {
    figures[i] = scan<T>(values<T>(home.models[i])).max_abs;  // infinite if a value is not finite
  });
  const double mine = figures.empty() ? 0 : std::ranges::max(figures);
  const double largest = largest_of(mine, comm);
  if (!(largest < largest_magnitude)) {
    return {at::full({like.numel()}, not_a_number, at::TensorOptions(like.scalar_type())), not_a_number};
  }
  MeanModel result{.params = exact_mean<T>(home, nodes, largest, like, comm, trainers)};
  trainers.for_each(figures.size(), [&](int, std::size_t i, Trainer&) {
    figures[i] = squared_distance<T>(values<T>(home.models[i]), values<T>(result.params));
  });
  std::vector<std::int64_t> bits(nodes, 0);  // every node's distance from its home; zeros from the other ranks
  for (std::size_t i = 0; i < figures.size(); ++i) bits[home.nodes[i]] = std::bit_cast<std::int64_t>(figures[i]);
  comm.sum(bits);
  double squares = 0;  // every rank adds them in the order of the ids
  for (const std::int64_t of_node : bits) squares += std::bit_cast<double>(of_node);
  result.consensus_distance = std::sqrt(squares / nodes);
  return result;
}

}  // namespace

MeanModel mean_model(const Gossip& gossip, const GossipState& state, Communicator& comm, Trainers& trainers) {
  const HomeModels home = home_models(gossip, state, comm.rank());
  MeanModel result = state.initial.scalar_type() == at::kDouble
                         ? mean_of<double>(home, gossip.nodes(), state.initial, comm, trainers)
                         : mean_of<float>(home, gossip.nodes(), state.initial, comm, trainers);
  result.params = result.params.to(gossip.task->layout().device);
  return result;
}

}  // namespace shoal
