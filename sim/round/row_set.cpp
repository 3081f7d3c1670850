#include "sim/round/row_set.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <compare>
#include <cstring>
#include <numeric>
#include <tuple>

#include "kernels/gram.hpp"
#include "sim/error.hpp"
#include "sim/round/row_arithmetic.hpp"

namespace shoal {
using namespace row_arithmetic;

namespace {

constexpr std::int64_t exchanged_values = 1 << 22;  // sent by a rank at once, and as many received

struct Place {
  ClientId client;
  ParticipationId id;
  int rank;
  std::int64_t index;  // among the rows that the rank has kept
  auto operator<=>(const Place&) const = default;
};

// The facts about a row that every rank must know.
Bytes describe(const KeptRow& row) {
  Bytes bytes;
  const std::array<std::int64_t, 3> numbers = {value(row.client), value(row.id), row.group};
  append<std::int64_t>(bytes, numbers);
  append<double>(bytes, row.weights);
  return bytes;
}

}  // namespace

RowSet::RowSet(std::vector<KeptRow> kept, std::vector<std::int64_t> widths, at::ScalarType type, Communicator& comm,
               ThreadPool& pool)
    : comm_(&comm),
      pool_(&pool),
      widths_(std::move(widths)),
      width_(std::accumulate(widths_.begin(), widths_.end(), std::int64_t{0})),
      weights_(widths_.size()) {
  begin_ = range_of(comm.rank()).begin;
  for (const KeptRow& row : kept) {
    ensure(row.values.is_contiguous() && row.values.numel() == width_ && row.values.scalar_type() == type &&
               row.values.is_cpu() && row.weights.size() == widths_.size(),
           "a kept row has {} values and {} weights, expected {} and {}", row.values.numel(), row.weights.size(),
           width_, widths_.size());
  }
  const Places places = agree_on_order(kept);
  columns_ = at::empty({rows_, own_count()}, at::TensorOptions(type));
  exchange_columns(kept, places);
}

RowSet::RowSet(std::span<const SharedRow> rows, std::vector<std::int64_t> widths, at::ScalarType type,
               Communicator& comm, ThreadPool& pool)
    : comm_(&comm),
      pool_(&pool),
      widths_(std::move(widths)),
      width_(std::accumulate(widths_.begin(), widths_.end(), std::int64_t{0})),
      rows_(std::ssize(rows)),
      weights_(widths_.size()) {
  begin_ = range_of(comm.rank()).begin;
  columns_ = at::empty({rows_, own_count()}, at::TensorOptions(type));
  for (std::int64_t i = 0; i < rows_; ++i) {
    ensure(rows[i].values.numel() == width_ && rows[i].values.scalar_type() == type &&
               rows[i].weights.size() == widths_.size(),
           "a row has {} values and {} weights, expected {} and {}", rows[i].values.numel(), rows[i].weights.size(),
           width_, widths_.size());
    columns_[i].copy_(rows[i].values.narrow(0, begin_, own_count()));
    groups_.push_back(rows[i].group);
    for (std::size_t c = 0; c < widths_.size(); ++c) weights_[c].push_back(rows[i].weights[c]);
  }
}

RowSet::Range RowSet::range_of(int rank) const {
  const std::int64_t chunks = (width_ + gram_chunk - 1) / gram_chunk, ranks = comm_->size();
  return {std::min(width_, chunks * rank / ranks * gram_chunk),
          std::min(width_, chunks * (rank + 1) / ranks * gram_chunk)};
}

// Sorts the rows of all ranks, whose descriptions travel to every rank.
RowSet::Places RowSet::agree_on_order(std::span<const KeptRow> kept) {
  const std::size_t size = 3 * sizeof(std::int64_t) + widths_.size() * sizeof(double);
  Bytes mine;
  for (const KeptRow& row : kept) {
    const Bytes bytes = describe(row);
    mine.insert(mine.end(), bytes.begin(), bytes.end());
  }
  const std::vector<Bytes> all = comm_->gather_all(mine);
  std::vector<Place> order;
  Places places(all.size());
  for (std::size_t r = 0; r < all.size(); ++r) {
    ensure(all[r].size() % size == 0, "a rank describes its rows in {} bytes", all[r].size());
    places[r].resize(all[r].size() / size);
    for (std::size_t i = 0; i < places[r].size(); ++i) {
      std::array<std::int64_t, 2> numbers{};
      std::memcpy(numbers.data(), &all[r][i * size], sizeof numbers);
      order.push_back(
          {ClientId{numbers[0]}, ParticipationId{numbers[1]}, static_cast<int>(r), static_cast<std::int64_t>(i)});
    }
  }
  std::ranges::sort(order);
  rows_ = std::ssize(order);
  for (const Place& place : order) {
    const std::byte* bytes = &all[place.rank][place.index * size];
    std::int64_t group = 0;
    std::memcpy(&group, bytes + 2 * sizeof(std::int64_t), sizeof group);
    places[place.rank][place.index] = std::ssize(clients_);
    clients_.push_back(place.client);
    ids_.push_back(place.id);
    groups_.push_back(static_cast<std::int32_t>(group));
    for (std::size_t c = 0; c < widths_.size(); ++c) {
      double weight = 0;
      std::memcpy(&weight, bytes + 3 * sizeof(std::int64_t) + c * sizeof(double), sizeof weight);
      weights_[c].push_back(weight);
    }
  }
  return places;
}

// Every rank sends each other rank its columns of a few rows at a time, then frees them.
void RowSet::exchange_columns(std::vector<KeptRow>& kept, const Places& places) {
  const int ranks = comm_->size(), me = comm_->rank();
  const std::int64_t widest = range_of(ranks - 1).count() + gram_chunk;  // at least the columns of any rank
  const std::int64_t wide = std::clamp<std::int64_t>(exchanged_values / ranks, 1, std::max<std::int64_t>(widest, 1));
  const std::int64_t high = std::max<std::int64_t>(exchanged_values / (wide * ranks), 1);
  std::size_t most = 0;
  for (const auto& rows : places) most = std::max(most, rows.size());
  // The columns of a rank from `skipped` after its first on, at most `wide`.
  const auto piece_of = [&](int rank, std::int64_t skipped) {
    const Range all = range_of(rank);
    const std::int64_t begin = std::min(all.begin + skipped, all.end);
    return Range{begin, std::min(begin + wide, all.end)};
  };
  with_type(type(), [&]<class T>(T) {
    T* to = columns_.mutable_data_ptr<T>();
    const auto rows_from = [&](std::size_t first, int rank) {
      return std::span(places[rank])
          .subspan(std::min(first, places[rank].size()))
          .first(std::min<std::size_t>(high, places[rank].size() - std::min(first, places[rank].size())));
    };
    for (std::size_t first = 0; first < most; first += high) {
      for (std::int64_t skipped = 0; skipped < widest; skipped += wide) {
        const Range mine = piece_of(me, skipped);
        const auto place_row = [&](std::int64_t row, const T* from) {
          std::copy_n(from, mine.count(), to + row * own_count() + (mine.begin - begin_));
        };
        const std::size_t own_rows = rows_from(first, me).size();
        std::vector<Bytes> to_each(ranks);
        for (int r = 0; r < ranks; ++r) {
          const Range theirs = piece_of(r, skipped);
          if (r != me) to_each[r].reserve(own_rows * theirs.count() * sizeof(T));
          for (std::size_t i = first; i < first + own_rows; ++i) {
            const T* row = kept[i].values.template const_data_ptr<T>();
            if (r == me) {
              place_row(places[me][i], row + mine.begin);
            } else {
              append<T>(to_each[r], std::span(row + theirs.begin, theirs.count()));
            }
          }
        }
        const std::vector<Bytes> from_each = comm_->exchange(to_each);
        for (int r = 0; r < ranks; ++r) {
          if (r == me) continue;
          const auto rows = rows_from(first, r);
          ensure(from_each[r].size() == rows.size() * mine.count() * sizeof(T), "rank {} has sent {} bytes of rows", r,
                 from_each[r].size());
          const T* from = reinterpret_cast<const T*>(from_each[r].data());
          for (std::size_t i = 0; i < rows.size(); ++i) place_row(rows[i], from + i * mine.count());
        }
      }
      for (std::size_t i = first; i < std::min(first + high, kept.size()); ++i) kept[i].values.reset();
    }
  });
}

void RowSet::forget_clients(std::int64_t count) {
  rows_ = count;
  clients_.clear();
  ids_.clear();
  groups_.clear();
  for (std::vector<double>& weights : weights_) weights.assign(count, 1.0);
}

RowSet RowSet::of_group(std::int32_t group) const {
  ensure(std::ssize(groups_) == rows_, "rows that a rule has made have no group");
  RowSet chosen = *this;
  std::vector<std::int64_t> which;
  for (std::int64_t i = 0; i < rows_; ++i) {
    if (groups_[i] == group) which.push_back(i);
  }
  if (std::ssize(which) == rows_) return chosen;
  chosen.forget_clients(std::ssize(which));
  for (std::size_t c = 0; c < weights_.size(); ++c) {
    for (std::size_t i = 0; i < which.size(); ++i) chosen.weights_[c][i] = weights_[c][which[i]];
  }
  for (const std::int64_t i : which) {
    chosen.groups_.push_back(group);
    if (clients_.empty()) continue;
    chosen.clients_.push_back(clients_[i]);
    chosen.ids_.push_back(ids_[i]);
  }
  const at::Tensor index = at::tensor(which, at::kLong);
  if (map_.defined()) {
    chosen.map_ = map_.index_select(0, index);
  } else {
    chosen.columns_ = columns_.index_select(0, index);
    chosen.base_gram_.reset();
  }
  chosen.gram_.reset();
  return chosen;
}

// Calls `work` for ranges of whole chunks of this rank's columns, on all threads.
void RowSet::for_each_range(const std::function<void(Range)>& work) const {
  const std::int64_t columns = own_count(), chunks = (columns + gram_chunk - 1) / gram_chunk;
  const std::int64_t pieces = std::min<std::int64_t>(chunks, 4 * pool_->size());
  pool_->for_each(pieces, [&](int, std::size_t p) {
    const auto piece = static_cast<std::int64_t>(p);
    work({chunks * piece / pieces * gram_chunk, std::min(columns, chunks * (piece + 1) / pieces * gram_chunk)});
  });
}

template <class T>
void RowSet::transform_as(std::int64_t m, const RangeWork<T>& work) {
  const at::Tensor from = columns();
  at::Tensor to = at::empty({m, from.size(1)}, from.options());
  for_each_range([&](Range own) {
    work(view<T>(from, own.begin, own.count()), mutable_view<T>(to, own.begin, own.count()), begin_ + own.begin);
  });
  assign(std::move(to));
}
template void RowSet::transform_as<float>(std::int64_t, const RangeWork<float>&);
template void RowSet::transform_as<double>(std::int64_t, const RangeWork<double>&);

// w times the base rows, in a range of this rank's columns.
at::Tensor RowSet::combined(const at::Tensor& w, Range own) const {
  at::Tensor out = at::empty({w.size(0), own.count()}, columns_.options());
  with_type(type(), [&]<class T>(T) {
    for_each_range([&](Range range) {
      const std::int64_t begin = std::max(range.begin, own.begin), end = std::min(range.end, own.end);
      if (begin >= end) return;
      combine(values_of(w), view<T>(columns_, begin, end - begin),
              mutable_view<T>(out, begin - own.begin, end - begin));
    });
  });
  return out;
}

// The d values of which each rank has its columns.
at::Tensor RowSet::whole(const at::Tensor& own) const {
  if (comm_->size() == 1) return own;
  const auto* bytes = static_cast<const std::byte*>(own.const_data_ptr());
  const std::vector<Bytes> all = comm_->gather_all({bytes, bytes + own.nbytes()});
  at::Tensor out = at::empty({width_}, own.options());
  auto* to = static_cast<std::byte*>(out.mutable_data_ptr());
  std::size_t filled = 0;
  for (const Bytes& part : all) {
    ensure(filled + part.size() <= out.nbytes(), "the ranks' columns are more than {}", width_);
    if (!part.empty()) std::memcpy(to + filled, part.data(), part.size());
    filled += part.size();
  }
  ensure(filled == out.nbytes(), "the ranks' columns are fewer than {}", width_);
  return out;
}

const at::Tensor& RowSet::columns() {
  if (map_.defined()) {
    const at::Tensor gram = gram_.defined() || !base_gram_.defined() ? gram_ : mapped(map_, base_gram_);
    columns_ = combined(map_, {0, own_count()});
    map_.reset();
    base_gram_ = gram;
  }
  return columns_;
}

void RowSet::assign(at::Tensor columns) {
  ensure(columns.dim() == 2 && columns.size(1) == own_count() && columns.scalar_type() == type(),
         "rows were replaced by a tensor of another width or type");
  if (columns.size(0) != rows_) forget_clients(columns.size(0));
  columns_ = columns.contiguous();
  map_.reset();
  base_gram_.reset();
  gram_.reset();
}

void RowSet::mix(const at::Tensor& w) {
  ensure(w.dim() == 2 && w.size(1) == rows_ && w.scalar_type() == at::kDouble,
         "{} rows were mixed by weights for {} rows", rows_, w.size(w.dim() - 1));
  map_ = map_.defined() ? times(w.contiguous(), map_) : w.contiguous();
  gram_.reset();
  forget_clients(w.size(0));
}

void RowSet::scale(std::span<const double> factors) {
  ensure(std::ssize(factors) == rows_, "{} rows were scaled by {} factors", rows_, factors.size());
  if (std::ranges::all_of(factors, [](double factor) { return factor == 1; })) return;
  const at::Tensor column = at::tensor(factors, doubles()).unsqueeze(1);
  if (map_.defined()) {
    map_ = map_.mul(column);
    gram_.reset();
    return;
  }
  const at::Tensor gram = base_gram_.defined() ? base_gram_.mul(column.mul(column.t())) : at::Tensor();
  transform(rows_, [&](auto from, auto to, std::int64_t) {
    for (std::int64_t i = 0; i < from.rows(); ++i) {
      for (std::int64_t j = 0; j < from.columns(); ++j) to.at(i)[j] = from.at(i)[j] * factors[i];
    }
  });
  base_gram_ = gram;
}

std::vector<at::Tensor> RowSet::rows_at(std::span<const int> owners) {
  ensure(std::ssize(owners) == rows_, "{} rows have {} owners", rows_, owners.size());
  const at::Tensor own = columns();
  const int ranks = comm_->size(), me = comm_->rank();
  std::vector<at::Tensor> found(rows_);
  const std::int64_t high = std::max<std::int64_t>(1, exchanged_values / std::max<std::int64_t>(width_, 1));
  with_type(type(), [&]<class T>(T) {
    for (std::int64_t first = 0; first < rows_; first += high) {
      const std::int64_t last = std::min(rows_, first + high);
      std::vector<Bytes> to_each(ranks);
      for (std::int64_t i = first; i < last; ++i) {
        append<T>(to_each[owners[i]], std::span(own.const_data_ptr<T>() + i * own_count(), own_count()));
      }
      const std::vector<Bytes> from_each = comm_->exchange(to_each);
      for (int r = 0; r < ranks; ++r) {
        const Range theirs = range_of(r);
        const auto* from = reinterpret_cast<const T*>(from_each[r].data());
        for (std::int64_t i = first; i < last; ++i) {
          if (owners[i] != me) continue;
          if (!found[i].defined()) found[i] = at::empty({width_}, own.options());
          std::copy_n(from, theirs.count(), found[i].template mutable_data_ptr<T>() + theirs.begin);
          from += theirs.count();
        }
      }
    }
  });
  return found;
}

at::Tensor RowSet::row(std::int64_t i) {
  ensure(i >= 0 && i < rows_, "there is no row {} among {}", i, rows_);
  if (!map_.defined()) return whole(columns_[i].contiguous());
  return whole(combined(map_.narrow(0, i, 1).contiguous(), {0, own_count()})[0]);
}

at::Tensor RowSet::channel(std::size_t c) {
  const std::int64_t begin = std::accumulate(widths_.begin(), widths_.begin() + c, std::int64_t{0});
  const at::Tensor mine = columns();
  const auto part_of = [&](int rank) {  // the columns of the channel that a rank has
    const Range all = range_of(rank);
    return Range{std::clamp(begin, all.begin, all.end), std::clamp(begin + widths_[c], all.begin, all.end)};
  };
  const Range own = part_of(comm_->rank());
  const at::Tensor sent = mine.narrow(1, own.begin - begin_, own.count()).contiguous();
  const auto* bytes = static_cast<const std::byte*>(sent.const_data_ptr());
  const std::vector<Bytes> all = comm_->gather_all({bytes, bytes + sent.nbytes()});
  at::Tensor found = at::empty({rows_, widths_[c]}, mine.options());
  for (int r = 0; r < comm_->size(); ++r) {
    const Range theirs = part_of(r);
    if (theirs.count() == 0 || rows_ == 0) continue;
    at::Tensor part = at::empty({rows_, theirs.count()}, mine.options());
    ensure(all[r].size() == part.nbytes(), "rank {} has sent {} bytes of a channel", r, all[r].size());
    std::memcpy(part.mutable_data_ptr(), all[r].data(), part.nbytes());
    found.narrow(1, theirs.begin - begin, theirs.count()).copy_(part);
  }
  return found;
}

at::Tensor RowSet::mean() {
  const auto counts = [](const std::vector<double>& weights) { return weights[0] > 0; };
  if (rows_ == 1 && std::ranges::all_of(weights_, counts)) return row(0);
  at::Tensor own = at::zeros({own_count()}, columns_.options());
  std::int64_t begin = 0;
  for (std::size_t c = 0; c < widths_.size(); begin += widths_[c], ++c) {
    const double total = std::accumulate(weights_[c].begin(), weights_[c].end(), 0.0);
    const std::int64_t first = std::clamp<std::int64_t>(begin - begin_, 0, own_count());
    const std::int64_t last = std::clamp<std::int64_t>(begin + widths_[c] - begin_, 0, own_count());
    if (first == last || !(total > 0)) continue;
    at::Tensor shares = at::empty({1, rows_}, doubles());
    std::ranges::transform(weights_[c], shares.mutable_data_ptr<double>(), [&](double w) { return w / total; });
    if (map_.defined()) shares = times(shares, map_);
    own.narrow(0, first, last - first).copy_(combined(shares, {first, last})[0]);
  }
  return whole(own);
}

}  // namespace shoal
