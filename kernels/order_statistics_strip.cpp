#include "kernels/order_statistics_strip.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace shoal::order {
namespace {

constexpr std::size_t sample_size = 24;

// Knuth, volume 3, 5.2.2, algorithm M; calls exchange(i, j) for each comparator.
template <class Exchange>
constexpr void merge_exchange(std::size_t n, const Exchange& exchange) {
  const std::size_t top = std::bit_ceil(n) / 2;
  for (std::size_t p = top; p > 0; p /= 2) {
    std::size_t q = top, r = 0, d = p;
    while (true) {
      for (std::size_t i = 0; i + d < n; ++i) {
        if ((i & p) == r) exchange(i, i + d);
      }
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
  }
}

struct SampleNetwork {
  std::array<std::uint8_t, 128> low{}, high{};
  std::size_t size = 0;
  constexpr SampleNetwork() {
    merge_exchange(sample_size, [&](std::size_t i, std::size_t j) {
      low[size] = i;
      high[size++] = j;
    });
  }
};

template <class T, std::size_t... comparator>
void sort_sample(Keys<T>* sample, std::index_sequence<comparator...>) {
  static constexpr SampleNetwork network;
  const auto exchange = [sample](std::size_t i, std::size_t j) {
    const Keys<T> a = sample[i], b = sample[j];
    sample[i] = smaller(a, b);
    sample[j] = larger(a, b);
  };
  (exchange(network.low[comparator], network.high[comparator]), ...);
}

template <class T>
using Distances = typename Lanes<T>::Distances;

template <class T>
bool any(Keys<T> mask) {
  typename Lanes<T>::Bits found = 0;
  for (int lane = 0; lane < Lanes<T>::count; ++lane) found |= mask[lane];
  return found != 0;
}

// The key of `rank` lies in (low, high]; `below` keys are at most low, `upto` are at most high.
template <class T>
struct Bracket {
  Keys<T> rank, low, high, below, upto;

  // Lanes in which the smallest and the largest key of the bracket cannot give the answer yet.
  Keys<T> open() const { return (rank != below) & (rank != upto - 1) & (high != low + 1); }

  void narrow(Keys<T> pivot, Keys<T> count) {
    const Keys<T> inside = (pivot >= low) & (pivot <= high), up = inside & (count > rank), down = inside & ~up;
    high = up ? pivot : high;
    upto = up ? count : upto;
    low = down ? pivot : low;
    below = down ? count : below;
  }

  // The key at the wanted rank, moved by `margin` ranks, if the values of the bracket were evenly spread.
  Keys<T> interpolate(T margin) const {
    const Values<T> from = values_of<T>(low), width = values_of<T>(high) - from;
    const Values<T> ranks = __builtin_convertvector(rank - below, Values<T>) + (T(0.5) + margin);
    const Values<T> share = ranks / __builtin_convertvector(upto - below, Values<T>);
    const Keys<T> guess = keys_of<T>(from + width * share);
    return larger(low, smaller(guess, high - 1));
  }

  Keys<T> middle() const { return (low & high) + ((low ^ high) >> 1); }
};

// Keys at or below each pivot.
template <class T, std::size_t pivots>
std::array<Keys<T>, pivots> count(std::span<const Keys<T>> strip, const std::array<Keys<T>, pivots>& pivot) {
  std::array<Keys<T>, pivots> above{};
  for (const Keys<T> key : strip)
    for (std::size_t p = 0; p < pivots; ++p) above[p] += key > pivot[p];  // a true lane is -1
  for (std::size_t p = 0; p < pivots; ++p) above[p] += all_lanes<T>(strip.size());
  return above;
}

template <class T, std::size_t targets>
class Selection {
 public:
  using Bits = typename Lanes<T>::Bits;

  Selection(std::span<const Keys<T>> strip, const std::array<Keys<T>, targets>& ranks) : strip_(strip) {
    for (std::size_t t = 0; t < targets; ++t)
      bracket_[t] = {ranks[t], all_lanes<T>(std::numeric_limits<Bits>::min()),
                     all_lanes<T>(std::numeric_limits<Bits>::max()), Keys<T>{}, all_lanes<T>(strip.size())};
  }

  std::array<Keys<T>, targets> run() {
    start_from_sample();
    const T rows = strip_.size();
    T margin = T(0.5) * std::sqrt(rows / 3);
    for (int round = 0;; ++round) {
      for (int pass = 0; pass < 3 && open(); ++pass) {
        pass_over([&](const Bracket<T>& b, std::size_t side) {
          // From the second round on, one pivot halves the bracket's keys: at most 64 rounds, whatever the values are.
          if (round > 0 && side == 1) return b.middle();
          return b.interpolate(side == 0 ? -margin : margin);
        });
        margin = std::max(T(0.4), std::sqrt(margin / 2));
      }
      tighten();
      if (!open()) return answers();
    }
  }

 private:
  bool open() const {
    Keys<T> mask{};
    for (const auto& b : bracket_) mask |= b.open();
    return any<T>(mask);
  }

  template <class Pivot>
  void pass_over(const Pivot& pivot_for) {
    std::array<Keys<T>, 2 * targets> pivot;
    for (std::size_t p = 0; p < pivot.size(); ++p) pivot[p] = pivot_for(bracket_[p / 2], p % 2);
    const auto counts = count<T>(strip_, pivot);
    for (std::size_t p = 0; p < pivot.size(); ++p) bracket_[p / 2].narrow(pivot[p], counts[p]);
  }

  // Quantiles of two dozen evenly spread rows: outliers, however large, cannot spoil them as they would spoil an
  // interpolation between the extremes. Beyond the sample's ends the extremes are used.
  void start_from_sample() {
    Keys<T> sample[sample_size], smallest = strip_[0], largest = strip_[0];
    for (std::size_t i = 0; i < sample_size; ++i) sample[i] = strip_[i * strip_.size() / sample_size];
    sort_sample<T>(sample, std::make_index_sequence<SampleNetwork{}.size>());
    pass_over([&](const Bracket<T>& b, std::size_t side) {
      Keys<T> pivot = quantile(sample, b.rank[0], side);
      if (any<T>(b.rank != all_lanes<T>(b.rank[0]))) {
        for (int lane = 1; lane < Lanes<T>::count; ++lane) pivot[lane] = quantile(sample, b.rank[lane], side)[lane];
      }
      return pivot;
    });
    for (const Keys<T> key : strip_) {
      smallest = smaller(smallest, key);
      largest = larger(largest, key);
    }
    for (auto& b : bracket_) {
      b.low = larger(b.low, smallest - 1);
      b.high = smaller(b.high, largest);
    }
  }

  // A key that is probably just below (side 0) or above (side 1) the key of `rank`.
  Keys<T> quantile(const Keys<T>* sample, Bits rank, std::size_t side) const {
    const double share = (rank + 0.5) / strip_.size();
    const double spread = 1.3 * std::sqrt(sample_size * share * (1 - share));
    const double place = share * sample_size - 0.5 + (side == 0 ? -spread : spread);
    const int index = side == 0 ? std::floor(place) : std::ceil(place);
    if (index < 0) return all_lanes<T>(std::numeric_limits<Bits>::min());
    if (std::cmp_greater_equal(index, sample_size)) return all_lanes<T>(std::numeric_limits<Bits>::max());
    return sample[index];
  }

  // Moves the ends of each bracket to keys that occur; ties then become a bracket of one key. Distances from the ends
  // are unsigned, so that keys outside the bracket count as very distant.
  void tighten() {
    std::array<Distances<T>, targets> from_low, from_high;
    for (std::size_t t = 0; t < targets; ++t) from_low[t] = from_high[t] = ~Distances<T>{};
    for (const Keys<T> key : strip_) {
      const auto place = reinterpret_cast<Distances<T>>(key);
      for (std::size_t t = 0; t < targets; ++t) {
        from_low[t] = smaller(from_low[t], place - reinterpret_cast<Distances<T>>(bracket_[t].low + 1));
        from_high[t] = smaller(from_high[t], reinterpret_cast<Distances<T>>(bracket_[t].high) - place);
      }
    }
    for (std::size_t t = 0; t < targets; ++t) {
      Bracket<T>& b = bracket_[t];
      const Keys<T> smallest = b.low + 1 + reinterpret_cast<Keys<T>>(from_low[t]);
      const Keys<T> largest = b.high - reinterpret_cast<Keys<T>>(from_high[t]);
      // In lanes whose rank is the first or the last, that end is the answer and the bracket closes around it.
      const Keys<T> first = b.rank == b.below, last = b.rank == b.upto - 1;
      b.high = first ? smallest : largest;
      b.low = (last ? largest : smallest) - 1;
    }
  }

  std::array<Keys<T>, targets> answers() const {
    std::array<Keys<T>, targets> found;
    for (std::size_t t = 0; t < targets; ++t) found[t] = bracket_[t].high;
    return found;
  }

  std::span<const Keys<T>> strip_;
  std::array<Bracket<T>, targets> bracket_;
};

}  // namespace

Network sorting_network(std::size_t n, std::size_t first, std::size_t last) {
  Network all, kept;
  merge_exchange(n, [&](std::size_t i, std::size_t j) { all.emplace_back(i, j); });
  std::vector<bool> needed(n, false);
  std::fill(needed.begin() + first, needed.begin() + last + 1, true);
  for (auto c = all.rbegin(); c != all.rend(); ++c) {
    if (!needed[c->first] && !needed[c->second]) continue;
    needed[c->first] = needed[c->second] = true;
    kept.push_back(*c);
  }
  std::ranges::reverse(kept);
  return kept;
}

template <class T>
std::pair<Keys<T>, Keys<T>> select(std::span<const Keys<T>> strip, Keys<T> first_rank, Keys<T> second_rank) {
  if (!any<T>(first_rank != second_rank)) {
    const auto found = Selection<T, 1>(strip, {first_rank}).run();
    return {found[0], found[0]};
  }
  const auto found = Selection<T, 2>(strip, {first_rank, second_rank}).run();
  return {found[0], found[1]};
}

template std::pair<Keys<float>, Keys<float>> select<float>(std::span<const Keys<float>>, Keys<float>, Keys<float>);
template std::pair<Keys<double>, Keys<double>> select<double>(std::span<const Keys<double>>, Keys<double>,
                                                              Keys<double>);

}  // namespace shoal::order
