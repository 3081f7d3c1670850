#pragma once
// What a cell of an experiment runs: a federation, a study, and whatever else advances in steps that are recorded.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/files/packing.hpp"
#include "sim/round/federation.hpp"
#include "sim/round/round_record.hpp"

namespace shoal {

/// How long a process runs, and when it is evaluated.
struct Schedule {
  std::int64_t rounds = 100;  // steps in all
  std::int64_t evaluate_every = 10;
  std::string evaluate_on = "test";  // name of a set of examples
  double target = 0;                 // accuracy whose first round is reported; 0: none
  bool stop_at_target = false;
};

/// A model that a process has learned; `params` [d] is laid out as `layout` says.
struct NamedModel {
  std::string name;
  at::Tensor params;
  const ParameterLayout* layout;
};

/// Advances step by step: a round of the server, a batch of a study's replicates. The same bits on any number of ranks
/// and after any restart. Made of composed parts, and cheap until `start`.
class Process {
 public:
  virtual ~Process() = default;
  virtual const Schedule& schedule() const = 0;
  /// Where the process computes.
  virtual at::Device device() const { return at::kCPU; }
  /// What the run file says about how the result came about: data, clients, resolved choices.
  virtual std::map<std::string, std::string> provenance() const { return {}; }
  /// Lines for `shoal plan`.
  virtual std::vector<std::string> notes() const { return {}; }
  /// False where the result depends on the number of ranks.
  virtual bool reproducible() const { return true; }
  /// Wall seconds that all steps will take on one core, from a small part of them that is measured in about `seconds`.
  /// For processes without a federation, whose rounds `shoal plan` measures by itself.
  virtual double measure(double seconds) const {
    (void)seconds;
    return 0;
  }
  /// The federation behind the process, whose rounds `shoal plan` can plan without training; null where there is none.
  virtual const Federation* federation() const { return nullptr; }

  /// Makes the state before the first step. Called once, before all that follows.
  virtual void start(const Communicator& comm) = 0;
  /// Steps done.
  virtual std::int64_t round() const = 0;
  /// One step. Collective; the same record on every rank.
  virtual RoundRecord step(Communicator& comm, ThreadPool& pool) = 0;
  /// Adds what the evaluation on `set` found. Collective.
  virtual void evaluate(std::string_view set, Communicator& comm, ThreadPool& pool, Measures& measures) = 0;
  /// What has been learned so far; the first model is compared between ranks, hashed and saved.
  virtual std::vector<NamedModel> models() const = 0;
  /// What clients keep; each rank holds, packs and unpacks the part whose home it is.
  virtual std::vector<ClientMemory*> memories() { return {}; }
  /// Everything that changes and is the same on every rank, for checkpoints. UserError when the bytes are not what
  /// `pack` writes.
  virtual void pack(Packer& packer) const = 0;
  virtual void unpack(Unpacker& unpacker) = 0;
};

}  // namespace shoal
