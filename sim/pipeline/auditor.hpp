#pragma once
// The auditor begins and ends a run, measures weights, checks that no turn is lost, and puts the result together.

#include "sim/pipeline/letters.hpp"
#include "sim/pipeline/result.hpp"

namespace shoal::pipeline {

/// A run ends when its last update is finished, or all users are content, or all have had their sessions. The order to
/// stop then follows the turns from component to component, so that none is on its way when they are counted.
class Auditor final : public Component {
 public:
  Auditor(const Setup& setup, const RunKey& run);

  std::vector<Letter> handle(const Letter& letter, Ticks now) override;

  /// All components have stopped and reported.
  bool complete() const { return reports_ == expected; }
  /// Once complete.
  Result result();

 private:
  static constexpr int expected = 6;  // reports of five components, and the ledger

  void measure(const NewWeights& weights);
  void end_if_over(Outbox& out);
  void close(const Ledger& ledger);
  double idle(Ticks busy, std::int64_t places) const;

  const PipelineSettings& settings_;
  std::int64_t updates_;
  at::Tensor initial_;
  Evaluator evaluator_;
  UsersStatus users_;
  bool ending_ = false;
  int reports_ = 0;
  Result result_;
};

}  // namespace shoal::pipeline
