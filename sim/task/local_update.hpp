#pragma once
// Local SGD of the K clients of a block, with the settings of [local] and the correction of a strategy.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/task/local_settings.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// Row k of [K, d], or [d] itself, which all clients share.
at::Tensor row_or_shared(const at::Tensor& tensor, std::int64_t k);

/// Whether a trainer may overwrite its buffer: it is defined, and no result shares its memory any more.
bool is_free(const at::Tensor& buffer);

/// The values that the optimizer changes: those of the layout that gradients change and, where it is defined, the mask
/// `trainable` [d] does not leave out. At least one range, which may be empty.
std::vector<Range> trained_ranges(const ParameterLayout& layout, const at::Tensor& trainable);

/// Figures of the block's clients before they train: the local steps that follow from the task's work, and zeros.
std::vector<ClientFigures> planned_figures(const Task& task, std::span<const Participation> block,
                                           const LocalSettings& local);

/// Places in the block of the clients that have step `step`, counted from 0, still to do.
std::vector<std::int64_t> active_clients(std::span<const ClientFigures> clients, std::int64_t step);

/// The change of parameters in each step of one call of `fit`, with the declared terms of its correction. Rows are on
/// the host and may be padded: row k begins stride(0) values behind row k - 1.
template <class T>
class LocalUpdate {
 public:
  /// All [K, d]; the constructor sets `momentum` to 0, which is undefined where [local] has none.
  struct Buffers {
    at::Tensor parameters, gradients, momentum;
  };
  /// Only the values in `trained` change; empty: all.
  LocalUpdate(Buffers buffers, const LocalSettings& local, Correction correction, std::vector<Range> trained = {});

  /// Changes the parameters of the clients in `active` by their gradients.
  void run(std::span<const std::int64_t> active) const;
  /// Changes those of client k.
  void change(std::int64_t k) const;

 private:
  Buffers buffers_;
  LocalSettings local_;
  Correction correction_;
  std::vector<Range> trained_;
};

extern template class LocalUpdate<float>;
extern template class LocalUpdate<double>;

}  // namespace shoal
