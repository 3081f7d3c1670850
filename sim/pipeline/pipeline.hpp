#pragma once
// Serving, rollout collection, judging and training run concurrently. No component waits for another inside a step of
// its own; they exchange letters, and meet in the hand-over of weights. The architecture of OpenClaw-RL (arXiv
// 2603.10165), section 2, with its hand-over and three others.
//
//   user -> serving -> reply -> user ... -> next request, with what followed the reply
//              |                                 |
//              +--> collection (joins both) <----+
//                        |
//                      judge --> bounded queue --> trainer --> weights of the next version --> serving

#include "sim/pipeline/result.hpp"
#include "sim/pipeline/setup.hpp"

namespace shoal::pipeline {

/// Runs the pipeline once, on the virtual clock. The result is a function of the setup, the seed and the replicate.
Result run(const Setup& setup, std::uint64_t seed, std::int64_t replicate, Keep keep = Keep::counts);

}  // namespace shoal::pipeline
