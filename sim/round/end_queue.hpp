#pragma once
// The ends of participations on the virtual clock, in one total order that is the same on every rank.

#include <algorithm>
#include <compare>
#include <limits>
#include <utility>
#include <vector>

#include "sim/error.hpp"
#include "sim/participation.hpp"

namespace shoal {

/// Of two that end at the same time, an arrival comes before a loss.
enum class EndKind : std::int64_t { arrival = 0, dropout = 1 };

/// A participation ends. Ordered by (time, kind, client, participation).
struct ParticipationEnd {
  Ticks time{};
  EndKind kind = EndKind::arrival;
  ClientId client{};
  ParticipationId id{};

  friend auto operator<=>(const ParticipationEnd&, const ParticipationEnd&) = default;  // NOLINT(modernize-use-nullptr)
};

inline ParticipationEnd end_of(const Participation& p) {
  return {p.finish, p.outcome == Outcome::completes ? EndKind::arrival : EndKind::dropout, p.client, p.id};
}

/// A queue of ends that are still to come. Those of the near future are a heap; the far future is cut into buckets of
/// equal time, unsorted until their time comes; what lies beyond the buckets is a list, from which the next buckets are
/// made. So an end moves through memory a few times in order instead of a heap's twenty jumps, and a million pending
/// ones cost little more than a thousand (ladder queue: Tang, Goh and Thng, ACM TOMACS 15(3), 2005). At worst, where
/// nearly all times are equal, it is a binary heap. Making one of n ends costs n.
class EndQueue {
 public:
  explicit EndQueue(std::vector<ParticipationEnd> ends = {});

  bool empty() const { return size_ == 0; }
  std::int64_t size() const { return size_; }
  /// The earliest end; there must be one.
  const ParticipationEnd& next() const { return near_.front(); }

  void push(const ParticipationEnd& end) {
    ++size_;
    if (end.time <= near_until_ || near_.empty()) {
      push_near(end);
    } else if (end.time <= buckets_until_) {
      buckets_[bucket_of(end)].push_back(end);
    } else {
      beyond_.push_back(end);
    }
  }
  /// Takes out the earliest end.
  ParticipationEnd pop() {
    ensure(size_ > 0, "the queue of ends is empty");
    std::ranges::pop_heap(near_, later);
    const ParticipationEnd end = near_.back();
    near_.pop_back();
    if (--size_ > 0 && near_.empty()) refill();
    return end;
  }

 private:
  static bool later(const ParticipationEnd& a, const ParticipationEnd& b) {
    return a.time != b.time ? a.time > b.time : a > b;
  }
  std::size_t bucket_of(const ParticipationEnd& end) const { return distance(buckets_from_, end.time) >> shift_; }
  // Unsigned, so that no distance of two times overflows.
  static std::uint64_t distance(Ticks from, Ticks to) { return std::uint64_t(value(to)) - std::uint64_t(value(from)); }
  void push_near(const ParticipationEnd& end) {
    if (near_.empty()) near_until_ = std::max(near_until_, end.time);  // the only one
    near_.push_back(end);
    std::ranges::push_heap(near_, later);
  }
  void refill();
  void spread();

  std::int64_t size_ = 0;
  // Invariant: while there are ends, near_ has some, and all up to near_until_. Buckets before next_bucket_ are
  // empty.
  std::vector<ParticipationEnd> near_;  // heap, earliest first
  Ticks near_until_{std::numeric_limits<std::int64_t>::min()};
  std::vector<std::vector<ParticipationEnd>>
      buckets_;  // bucket i: 2^shift_ microseconds from buckets_from_ + i 2^shift_ on
  std::size_t next_bucket_ = 0;
  Ticks buckets_from_{}, buckets_until_{std::numeric_limits<std::int64_t>::min()};
  int shift_ = 0;
  std::vector<ParticipationEnd> beyond_;  // after buckets_until_
};

}  // namespace shoal
