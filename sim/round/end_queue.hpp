#pragma once
// A queue of the ends of participations on the virtual clock, in one total order that is the same on every rank.

#include <algorithm>
#include <compare>
#include <limits>
#include <utility>
#include <vector>

#include "sim/error.hpp"
#include "sim/participation.hpp"

namespace shoal {

/// If two participations end at the same time, an arrival comes before a dropout.
enum class EndKind : std::int64_t { arrival = 0, dropout = 1 };

/// The end of one participation. Ordered by (time, kind, client, participation).
struct ParticipationEnd {
  Ticks time{};
  EndKind kind = EndKind::arrival;
  ClientId client{};
  ParticipationId id{};

  friend auto operator<=>(const ParticipationEnd&, const ParticipationEnd&) = default;  // NOLINT(modernize-use-nullptr)
};

/// The end of `p`; `contributes`: whether its update can be committed.
inline ParticipationEnd end_of(const Participation& p, bool contributes) {
  return {p.finish, contributes ? EndKind::arrival : EndKind::dropout, p.client, p.id};
}

/// A queue of future ends. The near future is a heap. The far future is cut into buckets of equal time, which stay
/// unsorted until their time comes. Everything beyond the buckets is a list, from which the next buckets are made. An
/// end thus moves through memory a few times in sequence, where a heap would make twenty jumps, and a million pending
/// ends cost little more than a thousand (ladder queue: Tang, Goh and Thng, ACM TOMACS 15(3), 2005). In the worst case,
/// nearly equal times, it is a binary heap. Construction from n ends takes O(n) time.
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
  /// Removes and returns the earliest end.
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
  // Unsigned, so that the distance between two times cannot overflow.
  static std::uint64_t distance(Ticks from, Ticks to) {
    const std::uint64_t begin = value(from), end = value(to);
    return end - begin;
  }
  void push_near(const ParticipationEnd& end) {
    if (near_.empty()) near_until_ = std::max(near_until_, end.time);  // then it is the only end in the queue
    near_.push_back(end);
    std::ranges::push_heap(near_, later);
  }
  void refill();
  void spread();

  std::int64_t size_ = 0;
  // Invariant: near_ holds all ends up to near_until_ and is not empty while the queue has ends. Buckets before
  // next_bucket_ are empty.
  std::vector<ParticipationEnd> near_;  // heap, earliest first
  Ticks near_until_{std::numeric_limits<std::int64_t>::min()};
  // Bucket i covers the 2^shift_ microseconds that begin at buckets_from_ + i 2^shift_.
  std::vector<std::vector<ParticipationEnd>> buckets_;
  std::size_t next_bucket_ = 0;
  Ticks buckets_from_{}, buckets_until_{std::numeric_limits<std::int64_t>::min()};
  int shift_ = 0;
  std::vector<ParticipationEnd> beyond_;  // ends after buckets_until_
};

}  // namespace shoal
