#pragma once
// A study of users who talk to an agent that learns from them while it serves them, with the delays of a real system:
// how many sessions until each is content?

#include <memory>
#include <mutex>

#include "sim/agents/language/hint_gain.hpp"
#include "sim/pipeline/pipeline.hpp"
#include "sim/studies/study.hpp"

namespace shoal {

/// Users whose first rules are plain, longer, warmer, plain, ..., each with a topic of its own. One replicate is one
/// run of the asynchronous pipeline on the virtual clock. It ends when every user was content with the first reply of
/// three sessions in a row or has had all sessions, or after a number of updates.
class TalkStudy final : public Study {
 public:
  /// `task` and `pipeline`: the sections of these names.
  TalkStudy(const Settings& task, const Settings& pipeline, std::unique_ptr<Policy> policy,
            std::unique_ptr<Objective> objective, std::unique_ptr<Judge> judge);

  /// Counts and shares of a run, and the quality of the weights after 0 to 16 updates, where the last one measured is
  /// repeated. Times are in seconds, but for `hours`; `staleness` counts tokens by age in versions, in the last bin
  /// that age and more; `hint_gain` is that of the untrained policy with its 95 % interval.
  std::vector<std::pair<std::string, std::int64_t>> outcomes() const override;
  std::vector<double> run(std::uint64_t seed, std::int64_t replicate) const override;
  std::string digest() const override { return policy_->digest(); }
  /// Large, since some outcomes count requests and tokens.
  double largest_outcome() const override { return 1e7; }
  std::string metric_name() const override { return "sessions"; }
  std::string metric_unit() const override { return "sessions until content"; }
  /// Mean sessions over the users.
  double metric(const double* outcomes) const override;

 private:
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Judge> judge_;
  pipeline::UserPool pool_;
  pipeline::LearningSettings learning_;
  std::int64_t updates_, probes_;
  pipeline::PipelineSettings pipeline_;
  at::Tensor initial_;
  mutable std::once_flag measured_;
  mutable HintGain gain_;
};

}  // namespace shoal
