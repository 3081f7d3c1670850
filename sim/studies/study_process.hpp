#pragma once
// A study as the process of a cell: replicates run on the thread pools of all ranks, and their outcomes are summed
// exactly.

#include <memory>

#include "sim/round/process.hpp"
#include "sim/studies/study.hpp"

namespace shoal {

/// Every step runs a batch of replicates. The model is the mean of each outcome so far; each step records the study's
/// metric of that mean as a measure of the metric's name, and the metric of each replicate in the table `replicates`.
class StudyProcess final : public Process {
 public:
  StudyProcess(std::unique_ptr<Study> study, std::int64_t replicates, std::uint64_t seed);

  const Schedule& schedule() const override { return schedule_; }
  std::map<std::string, std::string> provenance() const override;
  std::vector<std::string> notes() const override;
  double measure(double seconds) const override;

  void start(const Communicator&) override {}
  std::int64_t round() const override { return round_; }
  RoundRecord step(Communicator& comm, ThreadPool& pool) override;
  void evaluate(std::string_view, Communicator&, ThreadPool&, RoundRecord&) override {}
  std::vector<NamedModel> models() const override;
  void pack(Packer& packer) const override;
  void unpack(Unpacker& unpacker) override;

 private:
  /// The result of one step. `metrics` has an entry for each of its replicates, NaN for a rejected one.
  struct Batch {
    std::int64_t first = 0;
    std::vector<double> metrics;
    std::vector<std::int64_t> sums;  // sums of the outcomes of accepted replicates, in units of 2^-exponent_
    std::int64_t accepted = 0;
  };
  Batch run(std::int64_t first, std::int64_t count, Communicator& comm, ThreadPool& pool) const;
  at::Tensor means() const;

  std::unique_ptr<Study> study_;
  std::int64_t replicates_, batch_;
  std::uint64_t seed_;
  int exponent_;
  Schedule schedule_;
  ParameterLayout layout_;
  // The state, which checkpoints hold.
  std::int64_t round_ = 0, accepted_ = 0;
  std::vector<std::int64_t> sums_;
};

}  // namespace shoal
