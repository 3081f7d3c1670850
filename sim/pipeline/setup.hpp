#pragma once
// Parts and settings of a run.

#include <ATen/core/Tensor.h>

#include "sim/agents/judge.hpp"
#include "sim/agents/objective.hpp"
#include "sim/agents/policy.hpp"
#include "sim/pipeline/learning.hpp"
#include "sim/pipeline/settings.hpp"
#include "sim/pipeline/trace.hpp"
#include "sim/pipeline/users.hpp"

namespace shoal::pipeline {

/// Parts and settings of a run, which they must outlive. Components share them, on other threads too, and change
/// nothing in them; processes that take part in one run each make their own from the same settings.
struct Setup {
  const Policy& policy;
  const Objective& objective;
  const Judge& judge;
  at::Tensor initial;  // [d]
  const UserPool& pool;
  const PipelineSettings& pipeline;
  const LearningSettings& learning;
  std::int64_t updates = 0;    // updates after which the run ends; 0: it ends when every user is content
  std::int64_t questions = 0;  // questions per user on which weights are measured
};

inline constexpr int most_measured = 16;  // the weights are measured after each of the first updates, up to this many

inline constexpr std::int64_t whole_reply = std::int64_t{1} << 40;  // more tokens than a reply has

/// One of the runs of a setup.
struct RunKey {
  std::uint64_t seed = 0;
  std::int64_t replicate = 0;
  Keep keep = Keep::counts;
  std::int64_t step = 1;  // tokens of a reply that serving samples at a time; between steps it answers other letters
};

}  // namespace shoal::pipeline
