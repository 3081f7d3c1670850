// Sparse downloads: the server changes its model in the share `keep` of the coordinates in which the mean update,
// together with what was left out before, is largest, and keeps the rest for later rounds. A client that holds one of
// the last `versions` versions downloads the changes since then, any other the whole model. Sattler, Wiedemann, Müller
// and Samek, IEEE TNNLS 2019 (arXiv 1903.02891), sections V and VI, without ternary values. Goes first in the list of
// stages, so that on the server it comes last and sees what the others have made of the mean.

#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "sim/round/stage.hpp"

namespace shoal::stages {
namespace {

class TopKDownload final : public Stage {
 public:
  explicit TopKDownload(const Settings& s)
      : keep_(s.number("keep", 0.01, "share of the coordinates that change in a round",
                       {.least = 0, .most = 1, .least_excluded = true})),
        versions_(s.integer("versions", 2, "earlier versions from which changes are sent", at_least(1))) {}

  void check(const Composition& all) const override {
    const std::string& strategy = all.find<Strategy>()->name();
    if (strategy == "fed_avg" || strategy == "fed_prox") return;
    user_error(
        "the stage 'top_k_download' needs a strategy that adds the mean update to the model, and '{}' does more. Use "
        "fed_avg or fed_prox, or leave out the stage.",
        strategy);
  }
  void init(State& state, const ServerContext& context) const override {
    state.put("residual", at::zeros({context.layout.size}, context.layout.options()));
  }
  void broadcast(const State& state, std::int32_t, Message& message) const override {
    const std::int64_t steps = state.integer("steps");
    const std::int64_t version = value(message.version), each = state.integer("bytes of a change");
    for (std::int64_t age = 0; age <= std::min(versions_, steps); ++age) {
      message.bytes_since[Version{version - age}] = age * each;
    }
  }
  void server_side(State& state, Aggregate& group, const ServerContext&) const override {
    at::Tensor& mean = group.mean();
    at::Tensor& residual = state.tensor("residual");
    residual.add_(mean);
    const std::int64_t k = std::max<std::int64_t>(1, std::llround(keep_ * mean.numel()));
    const at::Tensor places = std::get<1>(at::topk(residual.abs(), k, 0, true, /*sorted=*/false));
    mean = at::zeros_like(residual).scatter_(0, places, residual.gather(0, places));
    residual.scatter_(0, places, 0);
    ++state.integer("steps");
    state.integer("bytes of a change") = k * (4 + at::elementSize(mean.scalar_type()));
  }

 private:
  double keep_;
  std::int64_t versions_;
};

}  // namespace

std::unique_ptr<Stage> top_k_download(Settings& settings) { return std::make_unique<TopKDownload>(settings); }

}  // namespace shoal::stages
