#pragma once
// A block is the K clients that a strategy trains at once.

#include <span>
#include <vector>

#include "sim/clients/memory.hpp"
#include "sim/participation.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// One block of clients and the operations that a strategy may use on it. The engine makes it. Tensors have one row per
/// client.
class ClientBlock {
 public:
  /// `records` holds each client's memory at the start, in `slots`. Opens the trainer on the block, and the memory of
  /// the part with this section.
  ClientBlock(std::span<const Participation> block, const LocalSettings& local, const Task& task, Trainer& trainer,
              std::span<const MemorySlot> slots, std::vector<ClientRecord> records, std::string_view section);

  std::int64_t count() const { return std::ssize(block_); }  // K
  /// Names and places of the parameters.
  const ParameterLayout& layout() const { return task_.layout(block_.front().variant); }
  std::span<const Participation> participations() const { return block_; }
  const LocalSettings& local() const { return local_; }
  /// Number of training examples of client k; after `train` or `gradient`, of those that it used.
  std::int64_t examples(std::int64_t k) const;
  /// Number of training examples of each client with each label, int64 [K, classes] on the host. UserError in a task
  /// without labels.
  at::Tensor label_counts() const;

  /// Trains all clients of the block from `start` ([d] or [K, d]) with the correction. `own` takes the place of the
  /// settings of [local]. A strategy that trains several times numbers the passes: each draws other batches.
  LocalResult train(const at::Tensor& start, const Correction& correction = {}, const LocalSettings* own = nullptr,
                    int pass = 0);
  /// The gradient of each client's mean loss over all its examples, as `delta`.
  LocalResult gradient(const at::Tensor& params);

  /// Opens the memory of the part whose turn it is; the engine calls this.
  void open_memory(std::string_view section) { section_ = section; }
  /// The clients' memory in the part's own `slot`, [K, size]. A client that has written nothing yet gets `otherwise`
  /// ([size] or [K, size]), or zeros if that is undefined.
  at::Tensor recall(std::string_view slot, const at::Tensor& otherwise = {}) const;
  /// The row of the strategy that the server keeps for each client (Strategy::rows), [K, size], as the clients have
  /// downloaded it; `otherwise` for clients for whom it has kept nothing yet.
  at::Tensor received(std::string_view row, const at::Tensor& otherwise = {}) const;
  /// Sets the clients' memory in the part's own `slot` to `values` [K, size]. Takes effect once the update is committed
  /// and accepted.
  void remember(std::string_view slot, const at::Tensor& values);

  // Each client's own examples of a set, seen by itself alone: a client's results have the same bits in any block.
  // `params` are [d] or [K, d]. The last two need a task with outputs (UserError).
  std::vector<Evaluation> evaluate(const at::Tensor& params, std::string_view set);
  /// Scores and features [K, largest count, ...]; targets -1 behind a client's last example.
  ExampleOutputs outputs(const at::Tensor& params, std::string_view set);
  /// The loss of each training example, [K, largest count] in float64 on the host; NaN behind a client's last.
  at::Tensor losses(const at::Tensor& params) { return outputs(params, "train").losses(); }

  /// The result of the last `train` or `gradient`; its figures go to the records.
  const LocalResult& last() const { return last_; }
  /// The memory that each client has written; a slot that it has not written is an undefined tensor.
  std::vector<ClientRecord> take_written() { return std::move(written_); }

 private:
  // Opens the trainer with these settings if it was opened with others.
  void open(const LocalSettings* own, int pass);
  // Keeps a result as the last one and fills in the number of examples if the trainer has not counted them.
  LocalResult keep(LocalResult result);

  std::span<const Participation> block_;
  const LocalSettings& local_;
  const Task& task_;
  Trainer& trainer_;
  std::span<const MemorySlot> slots_;
  std::vector<ClientRecord> records_, written_;
  std::string_view section_;  // section of the part whose turn it is
  bool as_told_ = true;       // whether the trainer is open with the settings of [local]
  LocalResult last_;
};

}  // namespace shoal
