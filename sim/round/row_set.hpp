#pragma once
// The updates of a round as rows, one per accepted client, for rules that compare rows and for attacks.

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <vector>

#include "kernels/view.hpp"
#include "sim/comm/communicator.hpp"
#include "sim/ids.hpp"
#include "sim/round/thread_pool.hpp"

namespace shoal {

/// One accepted client's update, as a collector keeps it.
struct KeptRow {
  ClientId client{};
  ParticipationId id{};
  std::int32_t group = 0;
  std::vector<double> weights;  // per channel, at least 0
  at::Tensor values;            // the values of all channels, one after the other, on the host, contiguous
};

/// A row that belongs to no single client, such as the mean of a bucket of clients under masks; the same on every rank.
struct SharedRow {
  std::int32_t group = 0;
  std::vector<double> weights;  // per channel, at least 0
  at::Tensor values;            // as in KeptRow
};

/// n rows of d values, sorted by client and participation. Each rank holds all rows of a range of whole chunks of
/// `gram_chunk` columns: n d / R values on R ranks. Whatever concerns single columns is computed there without
/// messages; products of rows are exact sums over chunks (`add_products`). So all results have the same bits on any
/// number of ranks and threads, and whichever rank has kept a row.
///
/// Functions marked as collective are called by every rank, in the same order. Copies share their values and cost
/// nothing; no function changes values in place, and a caller must not either.
class RowSet {
 public:
  /// The rows that all ranks have kept; collective. `widths` are the numbers of values of the channels, whose sum is d.
  /// A row leaves `kept` when it has been sent, so a rank needs n d / R values and buffers of about 2^23 (more only if
  /// a row per rank does not fit). The communicator and the threads must outlive the row set.
  RowSet(std::vector<KeptRow> kept, std::vector<std::int64_t> widths, at::ScalarType type, Communicator& comm,
         ThreadPool& pool);

  /// Rows that every rank has, in their order; sends no messages.
  RowSet(std::span<const SharedRow> rows, std::vector<std::int64_t> widths, at::ScalarType type, Communicator& comm,
         ThreadPool& pool);

  std::int64_t count() const { return rows_; }   // n
  std::int64_t width() const { return width_; }  // d
  std::size_t channels() const { return widths_.size(); }
  std::int64_t first_column() const { return begin_; }  // the first of this rank
  at::ScalarType type() const { return columns_.scalar_type(); }
  /// The client of each row; empty for rows that belong to no single client, such as means of several rows.
  std::span<const ClientId> clients() const { return clients_; }
  /// The participation of each row, or empty like the clients.
  std::span<const ParticipationId> ids() const { return ids_; }
  /// The weight of each row in the mean of a channel.
  std::span<const double> weights(std::size_t channel = 0) const { return weights_[channel]; }
  /// The rows of one group, as long as no rule has made others of them.
  RowSet of_group(std::int32_t group) const;

  /// Inner products of the rows, then of the vectors `extra` (d values each, the same on every rank): [n + extra]^2,
  /// symmetric. About as exact as sums in double. Collective; computed once and kept until the rows change. The values
  /// are those of the last call.
  std::span<const double> gram(std::span<const at::Tensor> extra = {});
  /// Euclidean norm of each row; cheaper than `gram` unless that is known. Collective.
  std::vector<double> norms();

  /// Rows := w times rows, w [m, n] in double. The new rows belong to no client and have weight 1. Their products
  /// follow from the old ones, and their values are not computed before they are needed: a rule after a rule costs
  /// matrices of [n, n] only.
  void mix(const at::Tensor& w);
  /// Multiplies each row by a factor. Rows keep their clients and weights.
  void scale(std::span<const double> factors);

  /// [n, columns of this rank]. What is computed from it must not depend on where columns are cut: sums over the rows
  /// of a tensor may, `transform` does not.
  const at::Tensor& columns();
  /// Replaces all rows by [m, columns of this rank]. If m = n they keep their clients and weights; otherwise they
  /// belong to no client and have weight 1.
  void assign(at::Tensor columns);
  /// Assigns the m rows that `work(from, to, first)` makes from ranges of columns, on all threads: from
  /// RowView<const T> [n, w], to RowView<T> [m, w], for T = float or double; `first` is the number of the first column
  /// of the range among the d.
  template <class Work>
  void transform(std::int64_t m, const Work& work) {
    type() == at::kDouble ? transform_as<double>(m, work) : transform_as<float>(m, work);
  }

  /// The rows i with owners[i] = this rank, [d] each, in their order; undefined in place of the others. Collective.
  std::vector<at::Tensor> rows_at(std::span<const int> owners);
  /// Row i [d], on every rank; collective.
  at::Tensor row(std::int64_t i);
  /// The values of one channel of all rows [n, size], on every rank, which sends its columns of them: for channels of a
  /// few values. Collective.
  at::Tensor channel(std::size_t c);
  /// The weighted mean of the rows [d], channel by channel; 0 where all weights are. On every rank; collective.
  at::Tensor mean();

 private:
  template <class T>
  using RangeWork = std::function<void(RowView<const T>, RowView<T>, std::int64_t)>;

  // The columns of a rank.
  struct Range {
    std::int64_t begin, end;
    std::int64_t count() const { return end - begin; }
  };
  Range range_of(int rank) const;
  std::int64_t own_count() const { return range_of(comm_->rank()).count(); }

  // The final places of the rows that each rank has kept, in the order of its rows.
  using Places = std::vector<std::vector<std::int64_t>>;
  Places agree_on_order(std::span<const KeptRow> kept);
  void exchange_columns(std::vector<KeptRow>& kept, const Places& places);
  void forget_clients(std::int64_t count);

  void for_each_range(const std::function<void(Range own)>& work) const;
  template <class T>
  void transform_as(std::int64_t m, const RangeWork<T>& work);
  at::Tensor combined(const at::Tensor& w, Range own) const;
  at::Tensor whole(const at::Tensor& own) const;
  std::vector<double> base_factors() const;
  const at::Tensor& base_gram();
  const at::Tensor& known_gram();
  at::Tensor products_of(std::span<const at::Tensor> extra);

  Communicator* comm_;
  ThreadPool* pool_;
  std::vector<std::int64_t> widths_;
  std::int64_t width_ = 0, rows_ = 0, begin_ = 0;
  std::vector<ClientId> clients_;
  std::vector<ParticipationId> ids_;
  std::vector<std::int32_t> groups_;
  std::vector<std::vector<double>> weights_;  // [channel][n]
  // The rows are map_ times columns_, or columns_ where map_ is undefined.
  at::Tensor columns_;            // [base rows, columns of this rank]
  at::Tensor map_;                // [n, base rows], double
  at::Tensor base_gram_, gram_;   // products of columns_ and of the rows; undefined until needed
  std::vector<double> extended_;  // the last result of `gram` with extra vectors
};

}  // namespace shoal
