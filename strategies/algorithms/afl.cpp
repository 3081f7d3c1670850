// AFL, agnostic federated learning: a model for the worst mixture of the clients' distributions. The server descends
// the loss weighted by the mixture lambda and ascends in lambda: lambda <- projection of lambda + gamma loss onto the
// simplex. Mohri, Sivek and Suresh, ICML 2019 (arXiv 1902.00146), algorithm 1, with one full-batch gradient of each
// client; the paper returns the mean of all iterates, this is the last one. With cohorts of m of n clients, gradients
// and losses of those that take part count n / m times, as unbiased estimates.

#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "sim/round/strategy.hpp"

namespace shoal::algorithms {
namespace {

// The nearest point of {v >= 0, sum v = 1}. Duchi et al., ICML 2008, figure 1.
void project_onto_simplex(std::span<double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted, std::greater());
  double sum = 0, shift = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    const double candidate = (sum - 1) / (1 + i);
    if (sorted[i] > candidate) shift = candidate;
  }
  for (double& value : values) value = std::max(0.0, value - shift);
}

constexpr std::int64_t most_clients = 100'000;

class Afl final : public Strategy {
 public:
  explicit Afl(const Settings& s)
      : rate_(s.number("rate", 0.1, "learning rate of the model", server_rate())),
        mixing_rate_(
            s.number("mixing_rate", 0.01, "learning rate of the mixture, gamma_lambda in the paper", at_least(0))) {}

  void check(const Composition& all) const override {
    if (all.task.clients() <= most_clients) return;
    user_error("[strategy] afl with {} clients (it keeps and records a weight for each). Use at most {}.",
               all.task.clients(), most_clients);
  }
  bool takes_local_steps() const override { return false; }
  bool uses_feedback() const override { return true; }
  std::vector<Channel> channels(const ParameterLayout& layout) const override {
    return {{.name = "gradient", .size = layout.size, .weighting = Weighting::uniform}};
  }
  LocalSettings work(const LocalSettings& local) const override {
    LocalSettings one_pass = local;
    one_pass.steps = 1;
    one_pass.batch = 0;
    return one_pass;
  }
  void init(State& state, const ServerContext& context) const override {
    const std::int64_t clients = context.population;
    state.put("mixture", at::full({clients}, 1.0 / clients, at::kDouble));
    weigh_clients(state, context.board);
  }
  void report(const State& state, Measures&, Tables& tables) const override {
    const std::span<const double> mixture = values(state);
    Table table{.columns = {{"client", FieldType::integer, ""}, {"weight", FieldType::real, ""}}};
    for (std::int64_t client = 0; client < std::ssize(mixture); ++client) table.add({client, mixture[client]});
    tables["mixture"] = std::move(table);
  }

  UpdateBlock client_update(const Message& server, ClientBlock& clients) const override {
    return clients.gradient(server.params()).delta;
  }
  void server_update(State& state, std::span<const Aggregate> groups, const ServerContext& context) const override {
    // The mean is that of the cohort's own mixture; times the cohort's share of all of it, it estimates the whole sum.
    const double share_of_mixture = groups[0].clients == 0 ? 0 : groups[0].weights[0] / groups[0].clients;
    state.params().sub_(groups[0].mean(), rate_ * share_of_mixture);
    const at::Tensor& mixture = state.tensor("mixture");
    const std::span<double> lambda(mixture.mutable_data_ptr<double>(), mixture.numel());
    const double share = 1.0 * context.clients / context.feedback.size();
    for (const Feedback& back : context.feedback) {
      if (back.accepted && std::isfinite(back.loss)) lambda[value(back.client)] += mixing_rate_ * share * back.loss;
    }
    project_onto_simplex(lambda);
    weigh_clients(state, context.board);
  }

 private:
  static std::span<const double> values(const State& state) {
    const at::Tensor& mixture = state.tensor("mixture");
    return {mixture.const_data_ptr<double>(), static_cast<std::size_t>(mixture.numel())};
  }
  // The mixture times the number of clients: a uniform one leaves all weights at 1, up to rounding.
  static void weigh_clients(const State& state, Board& board) {
    const std::span<const double> mixture = values(state);
    for (std::int64_t client = 0; client < std::ssize(mixture); ++client) {
      board.set(Board::weight, ClientId{client}, mixture[client] * mixture.size());
    }
  }

  double rate_, mixing_rate_;
};

}  // namespace

std::unique_ptr<Strategy> afl(Settings& settings) { return std::make_unique<Afl>(settings); }

}  // namespace shoal::algorithms
