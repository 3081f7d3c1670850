#pragma once
// The K clients that a strategy trains at once.

#include <span>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/participation.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// One block of clients and what a strategy may do with it. The engine makes it; tensors have one row per client.
class ClientBlock {
 public:
  /// `records` holds each client's memory on entry. The trainer is opened on the block.
  ClientBlock(std::span<const Participation> block, const LocalSettings& local, const Task& task, Trainer& trainer,
              const ClientMemory& memory, std::vector<ClientRecord> records);

  std::int64_t count() const { return std::ssize(block_); }  // K
  std::span<const Participation> participations() const { return block_; }
  const LocalSettings& local() const { return local_; }
  /// Training examples of client k; after `train` or `gradient` those that it used.
  std::int64_t examples(std::int64_t k) const;

  /// Local training from `start` ([d] or [K, d]), the gradient changed as `correction` says.
  const LocalResult& train(const at::Tensor& start, const Correction& correction = {});
  /// The gradient of each client's mean loss over all its examples, as `delta`.
  const LocalResult& gradient(const at::Tensor& params);

  /// What the clients remember under `slot`, [K, size]. Where nothing was written yet: `otherwise` ([size] or [K,
  /// size]), or zeros where that is undefined.
  at::Tensor recall(std::string_view slot, const at::Tensor& otherwise = {}) const;
  /// Replaces what is remembered under `slot` by `values` [K, size], once the update is committed and accepted.
  void remember(std::string_view slot, const at::Tensor& values);

  /// The last result of train or gradient, whose figures go to the records.
  const LocalResult& last() const { return last_; }
  /// What was written, per client; undefined tensors where nothing was.
  std::vector<ClientRecord> take_written() { return std::move(written_); }

 private:
  // Keeps a result as the last one, with the examples that the trainer has not counted.
  const LocalResult& keep(LocalResult result);

  std::span<const Participation> block_;
  const LocalSettings& local_;
  const Task& task_;
  Trainer& trainer_;
  const ClientMemory& memory_;
  std::vector<ClientRecord> records_, written_;
  LocalResult last_;
};

}  // namespace shoal
