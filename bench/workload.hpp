#pragma once
// The workloads bench/w*.toml: 1,000 clients of 60 images, from MNIST if SHOAL_DATA is set, otherwise of random pixels.

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <numeric>
#include <string>

#include "experiments/program/run/experiment.hpp"
#include "sim/nn/model.hpp"
#include "sim/task/dense_store.hpp"
#include "sim/task/supervised.hpp"

namespace shoal::bench {

constexpr std::int64_t clients = 1000, per_client = 60, pixels = 784, classes = 10;

inline bool has_mnist() { return std::getenv("SHOAL_DATA") != nullptr; }

class EqualShares final : public ClientExamples {
 public:
  std::int64_t clients() const override { return bench::clients; }
  std::int64_t count(ClientId) const override { return per_client; }
  void indices(ClientId client, std::span<std::int32_t> out) const override {
    std::iota(out.begin(), out.end(), value(client) * per_client);
  }
};

/// Random images, as many and of the same size as the training set of MNIST; nothing can be learned from them.
inline std::shared_ptr<Dataset> random_images() {
  auto data = std::make_shared<Dataset>();
  RandomStream random(random_key(1, "source/synthetic"), 0);
  Examples train;
  train.form = {.features = Form::Features::bytes, .shape = {1, 28, 28}, .classes = classes, .scale = 1.0F / 255};
  for (std::int64_t i = 0; i < clients * per_client; ++i) {
    train.labels.push_back(random.below(classes));
  }
  train.bytes.resize(clients * per_client * pixels);
  for (std::uint8_t& byte : train.bytes) byte = random.bits();
  data->train = stored(std::move(train));
  return data;
}

/// A federation composed from one of the files; `model` makes the file's model for random images. `widths` replaces the
/// hidden layers of an MLP, for example by "[32]".
struct Workload {
  Workload(const std::string& file, std::unique_ptr<Model> (*model)(Settings&), const char* widths = nullptr) {
    at::set_num_threads(1);
    Settings settings = Settings::load(std::string(SHOAL_BENCH_DIR) + "/" + file);
    if (widths != nullptr) settings.set("model.widths", widths);
    if (!has_mnist()) settings.set("data", "optdigits");  // comes with Shoal; serves to compose everything but the task
    if (!has_mnist()) settings.set("model", "logistic_regression");
    Datasets datasets;
    federation = *compose(settings, datasets)->federation();
    if (!has_mnist()) {
      Settings settings_of_model;
      if (widths != nullptr) settings_of_model.set("widths", widths);
      federation.task = std::make_shared<SupervisedTask>(
          random_images(), std::make_unique<EqualShares>(),
          model(settings_of_model)->build({.shape = {1, 28, 28}, .classes = classes}, at::kCPU), HoldoutShares(), 1);
    }
    task = dynamic_cast<const SupervisedTask*>(federation.task.get());
    local = federation.local->at(1);
    start = task->initial_parameters(random_key(1, "model/initial_parameters"));
  }

  Federation federation;
  const SupervisedTask* task = nullptr;
  LocalSettings local;
  at::Tensor start;  // [d]
};

/// Trains one block of clients after another, without corrections.
inline void train_blocks(benchmark::State& state, const Workload& w, const LocalSettings& local) {
  const auto trainer = w.task->trainer();
  std::vector<Participation> block(local.block);
  std::int64_t next = 0;
  for (auto _ : state) {
    for (Participation& who : block) {
      who.id = ParticipationId{next};
      who.client = ClientId{next++ % clients};
    }
    trainer->open(block, local);
    benchmark::DoNotOptimize(trainer->fit(w.start, {}).delta);
  }
}

inline void report(benchmark::State& state, const Workload& w, std::int64_t trained) {
  const double flops = w.task->model().flops_per_example() * (per_client * trained);
  state.SetLabel(has_mnist() ? "MNIST" : "random images: SHOAL_DATA is not set");
  state.counters["flop/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["clients/s"] = benchmark::Counter(trained, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace shoal::bench
