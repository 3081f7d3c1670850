#include "experiments/program/calibrate.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "experiments/program/plan/plan_rounds.hpp"
#include "sim/nn/model.hpp"
#include "sim/task/dense_store.hpp"
#include "sim/task/supervised.hpp"

namespace shoal {
namespace {

constexpr std::int64_t examples_per_client = 60, classes = 10;
constexpr int passes = 4;
constexpr double hopeless = 2;         // a form this many times slower than the best is not tried with larger blocks
constexpr double most_values = 1.5e8;  // parameters of a whole block: 2 GB with their changes

class EqualShares final : public ClientExamples {
 public:
  explicit EqualShares(std::int64_t clients) : clients_(clients) {}
  std::int64_t clients() const override { return clients_; }
  std::int64_t count(ClientId) const override { return examples_per_client; }
  void indices(ClientId client, std::span<std::int32_t> out) const override {
    std::iota(out.begin(), out.end(), value(client) * examples_per_client);
  }

 private:
  std::int64_t clients_;
};

std::shared_ptr<const Dataset> synthetic(const Shape& shape, std::int64_t clients) {
  auto data = std::make_shared<Dataset>();
  RandomStream random(random_key(1, "source/synthetic"), 0);
  Examples train;
  train.form = {.features = Form::Features::bytes, .shape = shape, .classes = classes, .scale = 1.0F / 255};
  const std::int64_t count = clients * examples_per_client;
  for (std::int64_t i = 0; i < count; ++i) {
    train.labels.push_back(random.below(classes));
  }
  for (std::int64_t i = 0; i < count * shape.size(); ++i) {
    train.bytes.push_back(static_cast<std::uint8_t>(random.bits()));
  }
  data->train = stored(std::move(train));
  return data;
}

struct Setup {
  std::string model, settings;
  Shape shape;
};

std::vector<Setup> setups() {
  std::vector<Setup> all;
  for (const Part<Model>& part : parts<Model>()) {
    for (const std::int64_t side : {8, 28}) all.push_back({std::string(part.name), "", {1, side, side}});
  }
  all.push_back({"mlp", "widths = [16]", {32, 1, 1}});
  all.push_back({"mlp", "widths = [32]", {1, 8, 8}});
  all.push_back({"mlp", "widths = [32]", {1, 28, 28}});
  return all;
}

// Processor time of one client when blocks of one size train in one form.
double client_seconds(const SupervisedTask& task, const BlockChoice& way, std::int64_t batch, double seconds) {
  LocalSettings local;
  local.batch = batch;
  local.block = way.clients;
  local.form = way.form;
  local.rate = 0.01;
  std::vector<Participation> block(way.clients);
  for (std::int64_t k = 0; k < way.clients; ++k) {
    block[k].client = ClientId{k % task.clients()};
    block[k].id = ParticipationId{k};
  }
  const at::Tensor start = task.initial_parameters(random_key(1, "model/initial_parameters"));
  const auto trainer = task.trainer();
  const auto train = [&] {
    trainer->open(block, local);
    trainer->fit(start, {});
  };
  train();  // allocates the buffers
  const double begin = processor_seconds();
  double took = 0;
  std::int64_t blocks = 0;
  do {
    train();
    ++blocks;
    took = processor_seconds() - begin;
  } while (took < seconds);
  return took / (blocks * way.clients);
}

std::vector<MeasuredBlock> measure(const SupervisedTask& task, std::int64_t batch, const CalibrateOptions& options) {
  const std::span<const Parameter> parameters = task.layout().parameters;
  const bool convolves = std::ranges::any_of(parameters, [](const Parameter& p) { return p.shape.size() == 4; });
  const double seconds = options.seconds / passes;
  std::vector<MeasuredBlock> all;
  double best = INFINITY;
  for (const BlockForm form : {BlockForm::in_turn, BlockForm::stacked, BlockForm::grouped}) {
    if (form == BlockForm::grouped && !convolves) continue;  // the same as stacked
    for (const std::int64_t clients : options.clients) {
      if (clients == 1 && form != BlockForm::in_turn) continue;
      if (clients * task.layout().size > most_values) break;
      all.push_back({{clients, form}, client_seconds(task, {clients, form}, batch, seconds)});
      best = std::min(best, all.back().seconds);
      if (all.back().seconds > hopeless * best) break;
    }
  }
  // Other users may slow the machine down for a while, so every way is measured at several times.
  for (int pass = 1; pass < passes; ++pass) {
    for (MeasuredBlock& m : all) m.seconds = std::min(m.seconds, client_seconds(task, m.way, batch, seconds));
  }
  return all;
}

}  // namespace

BlockChoice best_of(const std::vector<MeasuredBlock>& measured) {
  const auto by_time = [](const MeasuredBlock& a, const MeasuredBlock& b) { return a.seconds < b.seconds; };
  const auto fastest = std::ranges::min_element(measured, by_time);
  if (fastest == measured.end()) return {};
  BlockChoice best{std::numeric_limits<std::int64_t>::max(), BlockForm::grouped};
  for (const MeasuredBlock& m : measured) {
    if (m.seconds > fastest->seconds * (1 + worth_a_larger_block)) continue;
    if (std::tie(m.way.clients, m.way.form) < std::tie(best.clients, best.form)) best = m.way;
  }
  if (best.clients > 1) return best;
  std::vector<MeasuredBlock> larger;
  std::ranges::copy_if(measured, std::back_inserter(larger), [](const auto& m) { return m.way.clients > 1; });
  if (const auto form = std::ranges::min_element(larger, by_time); form != larger.end()) best.form = form->way.form;
  return best;
}

std::vector<CalibratedCase> calibrate(const CalibrateOptions& options) {
  const at::NoGradGuard no_gradients;
  at::set_num_threads(1);
  for (const std::string& model : options.models) find_part<Model>("model", model);
  std::vector<CalibratedCase> cases;
  for (const Setup& setup : setups()) {
    if (!options.models.empty() && std::ranges::find(options.models, setup.model) == options.models.end()) continue;
    Settings settings = Settings::parse(setup.settings, "calibrate");
    std::shared_ptr<const Learnable> built;
    try {
      const Form form{.features = Form::Features::bytes, .shape = setup.shape, .classes = classes};
      built = find_part<Model>("model", setup.model).make(settings)->build(form, at::kCPU);
    } catch (const UserError&) {
      continue;  // images of this size are too small for it
    }
    constexpr std::int64_t clients = 64;  // clients with examples of their own; larger blocks repeat them
    const SupervisedTask task(synthetic(setup.shape, clients), std::make_unique<EqualShares>(clients), built,
                              HoldoutShares(), 1);
    for (const std::int64_t batch : options.batches) {
      CalibratedCase done{
          .of = {setup.model, task.layout().size, batch, "cpu"},
          .what = fmt::format("{} {}on {} x {} x {}", setup.model, setup.settings.empty() ? "" : setup.settings + " ",
                              setup.shape.channels, setup.shape.height, setup.shape.width),
          .flops = built->flops_per_example() * examples_per_client,
          .measured = measure(task, batch, options),
          .best = {}};
      done.best = best_of(done.measured);
      cases.push_back(std::move(done));
    }
  }
  return cases;
}

double product_rate() {
  at::set_num_threads(1);
  constexpr std::int64_t n = 512;
  const at::Tensor a = at::ones({n, n}), b = at::ones({n, n});
  at::Tensor c = at::ones({n, n});
  double best = INFINITY;
  for (int i = 0; i < 20; ++i) {
    const double begin = processor_seconds();
    for (int j = 0; j < 4; ++j) at::mm_out(c, a, b);
    best = std::min(best, (processor_seconds() - begin) / 4);
  }
  return 2.0 * n * n * n / best;
}

std::string calibration_text(const std::vector<CalibratedCase>& cases, double product_rate) {
  std::string text =
      fmt::format("clients of {} examples, one epoch, on one core; bound: a matrix product's {:.1f} Gflop/s\n",
                  examples_per_client, product_rate / 1e9);
  for (const CalibratedCase& one : cases) {
    const double alone = one.measured.empty() ? 0 : one.measured.front().seconds, bound = product_rate / one.flops;
    text += fmt::format("\n{}, {} parameters, batch {}; bound {:.4g} clients/s\n", one.what, one.of.parameters,
                        one.of.batch, bound);
    for (const MeasuredBlock& m : one.measured) {
      text += fmt::format("  {:>4} {:<8} {:>10.4g} clients/s {:>6.2f} x one at a time {:>6.1f} % of the bound{}\n",
                          m.way.clients, name(m.way.form), 1 / m.seconds, alone / m.seconds, 100 / m.seconds / bound,
                          m.way == one.best ? "   chosen" : "");
    }
    if (one.best.clients == 1) {
      text += fmt::format("  chosen: one client at a time; larger blocks that an experiment sets are {}\n",
                          name(one.best.form));
    }
  }
  return text;
}

Json calibration_json(const std::vector<CalibratedCase>& cases, double product_rate) {
  const auto way = [](const BlockChoice& choice) -> Json {
    return {{"clients", choice.clients}, {"form", name(choice.form)}};
  };
  Json list = Json::array();
  for (const CalibratedCase& one : cases) {
    Json measured = Json::array();
    for (const MeasuredBlock& m : one.measured) {
      measured.push_back(way(m.way));
      measured.back()["seconds_per_client"] = json_real(m.seconds);
    }
    list.push_back({{"what", one.what},
                    {"model", one.of.model},
                    {"parameters", one.of.parameters},
                    {"batch", one.of.batch},
                    {"device", one.of.device},
                    {"flops_per_client", json_real(one.flops)},
                    {"measured", measured},
                    {"chosen", way(one.best)}});
  }
  return {{"product_flops_per_second", json_real(product_rate)}, {"cases", list}, {"file", nullptr}};
}

}  // namespace shoal
