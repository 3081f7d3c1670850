#include "sim/agents/study_task.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace shoal {
namespace {

constexpr double flops_per_replicate = 1e7;  // about a millisecond

class StudyTrainer final : public Trainer {
 public:
  explicit StudyTrainer(const StudyTask& task) : task_(task) {}

  void open(std::span<const Participation> block, const LocalSettings&) override { block_ = block; }

  LocalResult fit(const at::Tensor& start, const Correction&) override {
    at::Tensor outcomes = at::empty({static_cast<std::int64_t>(block_.size()), task_.layout().size});
    LocalResult result;
    float* to = outcomes.mutable_data_ptr<float>();
    for (const Participation& p : block_) {
      const std::vector<double> found = task_.study().run(task_.seed(), value(p.client));
      for (const double x : found) *to++ = static_cast<float>(x);
      result.figures.push_back({.loss = task_.study().metric(found.data()), .steps = 1});
    }
    result.delta = Rows(outcomes - start);
    return result;
  }

  LocalResult gradient(const at::Tensor&) override {
    user_error("a study has no gradient for strategies. Use strategy = \"fed_avg\"?");
  }

  Evaluation evaluate(const at::Tensor& params, const ExampleChunk&) override {
    const at::Tensor means = params.to(at::kDouble).contiguous();
    const double metric = task_.study().metric(means.const_data_ptr<double>());
    return {.examples = 1, .correct = -1, .loss = Evaluation::to_units(metric)};
  }

  Evaluation evaluate_own(const at::Tensor&, ClientId, Split) override { return {.correct = -1}; }

 private:
  const StudyTask& task_;
  std::span<const Participation> block_;
};

}  // namespace

StudyTask::StudyTask(const Settings& settings, std::unique_ptr<Study> study, std::uint64_t seed)
    : replicates_(settings.integer("replicates", 1000, "independent repetitions: the clients", at_least(1))),
      study_(std::move(study)),
      seed_(seed) {
  for (const auto& [name, count] : study_->outcomes()) layout_.add(name, {count});
}

at::Tensor StudyTask::initial_parameters(RandomKey) const { return at::zeros({layout_.size}); }

ClientWork StudyTask::work(ClientId) const { return {1, flops_per_replicate}; }

std::unique_ptr<Trainer> StudyTask::trainer() const { return std::make_unique<StudyTrainer>(*this); }

}  // namespace shoal
