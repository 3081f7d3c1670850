#include "sim/round/end_queue.hpp"

#include <bit>

namespace shoal {
namespace {

constexpr std::size_t few = 1024;            // up to this many ends are kept as one heap
constexpr std::size_t in_bucket = 256;       // desired number of ends per bucket: they fit the level-1 cache
constexpr std::size_t most_buckets = 4'096;  // the last entries of all buckets fit the level-2 cache

// Unsigned, so that the sum cannot overflow.
Ticks after(Ticks time, std::uint64_t distance) { return Ticks{static_cast<std::int64_t>(value(time) + distance)}; }

}  // namespace

EndQueue::EndQueue(std::vector<ParticipationEnd> ends) : size_(std::ssize(ends)), beyond_(std::move(ends)) {
  if (size_ > 0) refill();
}

// Makes the next bucket that is not empty the near future.
void EndQueue::refill() {
  while (true) {
    for (; next_bucket_ < buckets_.size(); ++next_bucket_) {
      if (buckets_[next_bucket_].empty()) continue;
      near_.swap(buckets_[next_bucket_]);
      std::ranges::make_heap(near_, later);
      ++next_bucket_;
      near_until_ =
          next_bucket_ == buckets_.size() ? buckets_until_ : after(buckets_from_, (next_bucket_ << shift_) - 1);
      return;
    }
    spread();
    if (!near_.empty()) return;
  }
}

// Called when all buckets are empty: makes new ones from the ends beyond them. The last eighth stays beyond, so that a
// few ends far in the future do not make the buckets too wide for all others.
void EndQueue::spread() {
  if (beyond_.size() <= few) {
    near_.swap(beyond_);
    std::ranges::make_heap(near_, later);
    near_until_ = std::ranges::max(near_, {}, &ParticipationEnd::time).time;
    return;
  }
  const auto cut = beyond_.begin() + std::ssize(beyond_) / 8 * 7;
  std::ranges::nth_element(beyond_, cut, {}, &ParticipationEnd::time);
  buckets_until_ = cut->time;
  buckets_from_ = std::ranges::min_element(beyond_.begin(), cut + 1, {}, &ParticipationEnd::time)->time;
  const std::uint64_t width = distance(buckets_from_, buckets_until_);
  const std::size_t wanted = std::min(most_buckets, beyond_.size() / in_bucket);
  shift_ = std::bit_width(width / wanted);
  buckets_.resize((width >> shift_) + 1);
  next_bucket_ = 0;
  // Ends at the time of the cut itself may lie on both sides of it.
  const auto rest = std::partition(beyond_.begin(), beyond_.end(),
                                   [&](const ParticipationEnd& end) { return end.time <= buckets_until_; });
  for (auto end = beyond_.begin(); end != rest; ++end) buckets_[bucket_of(*end)].push_back(*end);
  beyond_.erase(beyond_.begin(), rest);
}

}  // namespace shoal
