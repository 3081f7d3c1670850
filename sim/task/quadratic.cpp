#include "sim/task/quadratic.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cmath>

#include "sim/task/local_update.hpp"

namespace shoal {
namespace {

constexpr std::int64_t clients_per_chunk = 256;
constexpr std::int64_t evaluated_clients = 4096;

template <class T>
class QuadraticTrainer final : public Trainer {
 public:
  explicit QuadraticTrainer(const Quadratic& task) : task_(task), d_(task.layout().size) {}

  void open(std::span<const Participation> block, const LocalSettings& local, int /*pass*/ = 0) override {
    block_ = block;
    local_ = local;
    const std::int64_t k = std::ssize(block);
    if (!optima_.defined() || optima_.size(0) != k) {
      optima_ = at::empty({k, d_}, at::TensorOptions(task_.layout().type));
      params_ = gradients_ = momentum_ = at::Tensor();
    }
    for (std::int64_t i = 0; i < k; ++i) task_.optimum(block[i].client, row(optima_, i));
  }

  LocalResult fit(const at::Tensor& start, const Correction& correction) override {
    if (correction.loss) {
      user_error(
          "[strategy] changes the loss by a term of a model's outputs, and quadratic objectives have none. Use [data] "
          "and [model], or another strategy.");
    }
    reserve();
    params_.copy_(start.expand_as(params_));
    std::vector<Range> trained;  // empty: all
    if (correction.trainable.defined()) trained = trained_ranges(task_.layout(), correction.trainable);
    const LocalUpdate<T> update({params_, gradients_, local_.momentum > 0 ? momentum_ : at::Tensor()}, local_,
                                correction, std::move(trained));
    LocalResult result{.figures = planned_figures(task_, block_, local_)};
    if (correction.program) {
      for (std::int64_t k = 0; k < std::ssize(block_); ++k) run_program(k, correction, update, result);
    } else {
      take_steps(update, result.figures);
    }
    for (ClientFigures& client : result.figures) client.loss /= client.steps;
    result.delta = Rows(params_.sub_(start));
    return result;
  }

  LocalResult gradient(const at::Tensor& params) override {
    reserve();
    params_.copy_(params.expand_as(params_));
    LocalResult result;
    for (std::int64_t k = 0; k < std::ssize(block_); ++k) {
      result.figures.push_back({.loss = differentiate(k, row(params_, k)), .steps = 1});
    }
    result.delta = Rows(gradients_);
    return result;
  }

  Evaluation evaluate(const at::Tensor& params, const ExampleChunk& chunk) override {
    const std::int64_t first = chunk.index * clients_per_chunk;
    const std::int64_t end = std::min(first + clients_per_chunk, std::min(task_.clients(), evaluated_clients));
    return evaluate(params, first, end);
  }

  Evaluation evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) override {
    const bool has = set == "train" || task_.clients_have(set);
    return has ? evaluate(params, value(client), value(client) + 1) : Evaluation{.correct = -1};
  }

 private:
  // The objectives of the clients in [first, end).
  Evaluation evaluate(const at::Tensor& params, std::int64_t first, std::int64_t end) const {
    const at::Tensor x = params.contiguous();
    std::vector<T> optimum(d_);
    double loss = 0;
    Evaluation result{.correct = -1};
    for (std::int64_t c = first; c < end; ++c) {
      const ClientId client{c};
      task_.optimum(client, optimum.data());
      double squares = 0;
      for (std::int64_t j = 0; j < d_; ++j) {
        const double position = x.const_data_ptr<T>()[j], gap = position - optimum[j];
        squares += gap * gap;
      }
      ++result.examples;  // all clients claim equally many examples, so each counts once
      loss += 0.5 * task_.curvature(client) * squares;
    }
    result.loss = Evaluation::to_units(loss);
    return result;
  }

  T* row(at::Tensor& rows, std::int64_t k) const { return rows.mutable_data_ptr<T>() + k * d_; }

  // Buffers that no result shares.
  void reserve() {
    for (at::Tensor* buffer : {&params_, &gradients_, &momentum_}) {
      if (!is_free(*buffer)) *buffer = at::empty(optima_.sizes(), optima_.options());
    }
  }

  void take_steps(const LocalUpdate<T>& update, std::vector<ClientFigures>& figures) {
    for (std::int64_t step = 0;; ++step) {
      const std::vector<std::int64_t> active = active_clients(figures, step);
      if (active.empty()) break;
      for (const std::int64_t k : active) figures[k].loss += differentiate(k, row(params_, k));
      update.run(active);
    }
  }

  // All batches are the same: every gradient is that of the whole objective.
  void run_program(std::int64_t k, const Correction& correction, const LocalUpdate<T>& update, LocalResult& result) {
    ClientFigures& figures = result.figures[k];
    bool is_first = true;
    Step step(
        params_.narrow(0, k, 1), local_, std::span(&k, 1),
        [&](const at::Tensor& at, Which) {
          const at::Tensor point = row_or_shared(at, 0).contiguous();
          const double loss = differentiate(k, point.const_data_ptr<T>());
          if (is_first) figures.loss += loss;
          is_first = false;
          return gradients_.narrow(0, k, 1).clone();
        },
        [&](const at::Tensor& gradient) {
          gradients_.select(0, k).copy_(row_or_shared(gradient, 0));
          update.change(k);
        });
    for (std::int64_t s = 0; s < figures.steps; ++s) {
      step.begin(s, 1);
      is_first = true;
      correction.program(step);
    }
    step.give_kept(std::ssize(block_), result.kept);
  }

  // Writes the gradient of client k at `x` to its row; returns the loss.
  double differentiate(std::int64_t k, const T* x) {
    const T h = task_.curvature(block_[k].client);
    const T* b = row(optima_, k);
    T* g = row(gradients_, k);
    double loss = 0;
    for (std::int64_t j = 0; j < d_; ++j) {
      const T gap = x[j] - b[j];
      g[j] = h * gap;
      const double slope = g[j];
      loss += slope * gap;
    }
    return 0.5 * loss;
  }

  const Quadratic& task_;
  std::int64_t d_;
  std::span<const Participation> block_;
  LocalSettings local_;
  at::Tensor params_, gradients_, optima_, momentum_;
};

}  // namespace

Quadratic::Quadratic(const Settings& settings, std::uint64_t seed)
    : clients_(settings.integer("clients", 100, "number of clients, unless curvatures are listed", at_least(1))),
      dimension_(
          settings.integer("dimension", 10, "number of parameters, unless optima are listed", between(1, 1 << 28))),
      examples_(settings.integer("examples", 1, "examples that each client claims: its weight", between(1, 1e9))),
      start_(settings.number("start", 0, "initial value of every parameter")),
      spread_(
          settings.number("spread", 1, "standard deviation of the clients' optima: how non-IID they are", at_least(0))),
      low_(settings.number("curvature_low", 0.5, "smallest curvature", positive())),
      high_(settings.number("curvature_high", 2, "largest curvature", positive())),
      curvatures_(settings.numbers("curvatures", {}, "the clients' curvatures, one each; empty: drawn", positive())),
      optima_(settings.numbers("optima", {}, "the clients' optima in one dimension, one each; empty: drawn")),
      key_(random_key(seed, "task/quadratic")) {
  if (low_ > high_) {
    user_error("{}: curvature_low {} is above curvature_high {}. Swap them.", settings.where(), low_, high_);
  }
  if (curvatures_.size() != optima_.size()) {
    user_error("{}: {} curvatures and {} optima. List one of each per client.", settings.where(), curvatures_.size(),
               optima_.size());
  }
  if (!curvatures_.empty()) {
    clients_ = std::ssize(curvatures_);
    dimension_ = 1;
  }
  layout_.type = settings.choice("precision", at::kFloat, {{"float32", at::kFloat}, {"float64", at::kDouble}},
                                 "type of the parameters");
  layout_.add("x", {dimension_});
}

at::Tensor Quadratic::initial_parameters(RandomKey) const {
  return at::full({dimension_}, start_, at::TensorOptions(layout_.type));
}

ClientWork Quadratic::work(ClientId) const { return {examples_, 4.0 * dimension_}; }

std::unique_ptr<Trainer> Quadratic::trainer() const {
  if (layout_.type == at::kDouble) return std::make_unique<QuadraticTrainer<double>>(*this);
  return std::make_unique<QuadraticTrainer<float>>(*this);
}

std::int64_t Quadratic::chunks(std::string_view set) const {
  if (set != "test") return 0;
  return (std::min(clients_, evaluated_clients) + clients_per_chunk - 1) / clients_per_chunk;
}

double Quadratic::curvature(ClientId client) const {
  if (!curvatures_.empty()) return curvatures_[value(client)];
  return low_ + (high_ - low_) * RandomStream(key_, value(client), 0).uniform();
}

template <class T>
void Quadratic::optimum(ClientId client, T* out) const {
  if (!optima_.empty()) {
    *out = optima_[value(client)];
    return;
  }
  RandomStream random(key_, value(client), 1);
  for (std::int64_t j = 0; j < dimension_; ++j) out[j] = spread_ * random.normal();
}

template void Quadratic::optimum<float>(ClientId, float*) const;
template void Quadratic::optimum<double>(ClientId, double*) const;

}  // namespace shoal
