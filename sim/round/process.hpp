#pragma once
// A process is what one cell of an experiment runs: a federation, a study, or anything else that advances in recorded
// steps.

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
  std::int64_t rounds = 100;         // number of steps
  std::int64_t evaluate_every = 10;  // rounds from one evaluation to the next
  std::string evaluate_on = "test";  // name of a set of examples
  double target = 0;                 // accuracy; the first round that reaches it is reported. 0: no target
  bool stop_at_target = false;
};

/// A model that a process has learned; `params` [d] is laid out as `layout` says.
struct NamedModel {
  std::string name;
  at::Tensor params;
  const ParameterLayout* layout;
};

/// Work that advances step by step, such as the rounds of a server or batches of a study's replicates. It gives the
/// same bits on any number of ranks and after any restart. It is made of composed parts and is cheap until `start`.
class Process {
 public:
  virtual ~Process() = default;
  virtual const Schedule& schedule() const = 0;
  /// The device on which the process computes.
  virtual at::Device device() const { return at::kCPU; }
  /// Facts for the run file about how the result came about: data, clients, resolved choices.
  virtual std::map<std::string, std::string> provenance() const { return {}; }
  /// Lines that `shoal plan` prints.
  virtual std::vector<std::string> notes() const { return {}; }
  /// False if the result depends on the number of ranks.
  virtual bool reproducible() const { return true; }
  /// Predicted wall time of all steps on one core, in seconds: extrapolated from a small part of them, which is
  /// measured in about `seconds`. Only for processes without a federation; `shoal plan` measures the rounds of a
  /// federation itself.
  virtual double measure(double seconds) const {
    (void)seconds;
    return 0;
  }
  /// The federation behind the process, whose rounds `shoal plan` can plan without training; null if there is none.
  virtual const Federation* federation() const { return nullptr; }

  /// Makes the state before the first step. Called once, before any of the functions below.
  virtual void start(const Communicator& comm) = 0;
  /// Number of completed steps.
  virtual std::int64_t round() const = 0;
  /// Runs one step. Collective; returns the same record on every rank.
  virtual RoundRecord step(Communicator& comm, ThreadPool& pool) = 0;
  /// Evaluates on `set` and adds the results to the measures and tables of the last step's record. Collective.
  virtual void evaluate(std::string_view set, Communicator& comm, ThreadPool& pool, RoundRecord& record) = 0;
  /// The models learned so far. The first one is compared between ranks, hashed and saved.
  virtual std::vector<NamedModel> models() const = 0;
  /// The clients' memories. Each rank holds, packs and unpacks the records whose home it is.
  virtual std::vector<ClientMemory*> memories() { return {}; }
  /// Everything that changes and is the same on every rank, for checkpoints. `unpack` throws UserError for bytes that
  /// `pack` did not write.
  virtual void pack(Packer& packer) const = 0;
  virtual void unpack(Unpacker& unpacker) = 0;
};

}  // namespace shoal
