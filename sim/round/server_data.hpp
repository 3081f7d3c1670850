#pragma once
// Examples that the server keeps for itself, for strategies whose server computes on data.

#include <optional>
#include <span>
#include <string_view>

#include "sim/comm/communicator.hpp"
#include "sim/round/trainers.hpp"

namespace shoal {

/// The server's examples, and what a step of the server may ask of a model on them. All ranks share the work in chunks
/// of `chunk_size` examples, which threads compute; `evaluate` uses the task's own chunks. Sums are exact, so results
/// have the same bits on any number of ranks and threads.
///
/// All functions but `count` are collective, and are called outside of the thread pool. Examples are numbered from 0,
/// and an example may be named several times. `params` are [d].
class ServerData {
 public:
  static constexpr std::int64_t chunk_size = 64;

  /// All arguments must outlive the object.
  ServerData(const Task& task, Communicator& comm, Trainers& trainers)
      : task_(task), comm_(comm), trainers_(trainers) {}

  std::int64_t count() const { return task_.evaluated_examples("server"); }
  /// Loss and accuracy on a whole set of the task's, by default the server's.
  Evaluation evaluate(const at::Tensor& params, std::string_view set = "server") const;
  /// Scores and features of the server's examples, [1, n, ...], on every rank. Each rank sends those that it computed.
  ExampleOutputs outputs(const at::Tensor& params, std::span<const std::int32_t> positions) const;
  /// The gradient [d] of the mean loss over examples (or tokens) of the server. Sums one integer per parameter over the
  /// ranks, and keeps one gradient per chunk until then. NaN where a value is not finite.
  at::Tensor gradient(const at::Tensor& params, std::span<const std::int32_t> positions) const;

 private:
  /// Number of chunks for n examples, and those of them that this rank computes.
  std::int64_t chunks(std::int64_t n) const { return (n + chunk_size - 1) / chunk_size; }
  std::int64_t own_chunks(std::int64_t n) const;
  /// Calls work(i, trainer, positions) for the chunks of this rank, i counting these, on all threads.
  void for_each_own(std::span<const std::int32_t> positions, const auto& work) const;

  const Task& task_;
  Communicator& comm_;
  Trainers& trainers_;
};

/// The server's data, if the task has some that a model can be applied to.
std::optional<ServerData> server_data(const Task& task, Communicator& comm, Trainers& trainers);

}  // namespace shoal
