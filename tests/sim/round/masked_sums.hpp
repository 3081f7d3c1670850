#pragma once
// A masked sum without cryptography: every pair of clients of a session shares a key stream, which one adds to its
// words and the other subtracts (Bonawitz et al., CCS 2017, section 4). Anyone who knows the round's key can make all
// streams, so nothing is hidden; what an aggregator with real keys needs of the engine is all here.

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>

#include "kernels/mask.hpp"
#include "kernels/ring.hpp"
#include "sim/round/aggregator.hpp"

namespace shoal::test {

/// Keys are exchanged before the download, and masks of those who are missing recovered after the upload: who drops out
/// then has contributed.
inline std::vector<ProtocolPhase> masked_phases(std::span<const Wire>, double expected_cohort) {
  const auto cohort = static_cast<std::int64_t>(expected_cohort);
  return {{.name = "keys", .place = ProtocolPhase::Place::before_download, .bytes_down = 32 * cohort, .bytes_up = 32},
          {.name = "unmask", .bytes_up = 16 * cohort, .waits = true, .binding = false}};
}

/// Counts what sessions did, over all of them and all ranks.
struct MaskingLog {
  std::atomic<std::int64_t> missing{0};  // masks of clients that sent nothing, which were recovered
};

/// The bytes of words of 32 bits for every value of these channels.
inline std::int64_t word_bytes(std::span<const Wire> wires) {
  std::int64_t bytes = 0;
  for (const Wire& wire : wires) bytes += 4 * wire.channel.size;
  return bytes;
}

/// Words of Z_{2^32} with an exponent of their own. All participations of the cohort have exchanged keys with the
/// others of their bucket. With one bucket the outcome is the sum; with several it is a row for each, but for channels
/// that need a mean.
class MaskedSums final : public Collector {
 public:
  using Word = std::uint32_t;

  MaskedSums(const AggregationPlan& plan, std::int64_t minimum, MaskingLog& log)
      : plan_(plan),
        minimum_(minimum),
        log_(log),
        sent_(plan.cohort.size(), 0),
        shares_(plan.buckets * plan.wires.size(), 0) {
    for (std::int64_t b = 0; b < plan.buckets; ++b) {
      for (const Wire& wire : plan.wires) sums_.emplace_back(wire.channel.size, 0);
    }
  }

  int exponent(std::size_t c) const {
    return ring_exponent<Word>(plan_.total_weight[c], *plan_.wires[c].channel.bound);
  }

  const std::vector<Word>& words(std::size_t c) const { return sums_[c]; }

  void add(const Contribution& contribution) override {
    for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
      if (!contribution.accepted[k]) continue;
      const std::size_t sender = place_of(contribution.block[k].id);
      sent_[sender] = 1;
      for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
        ensure(plan_.scales[c].weight_unit == 1, "weights of masked updates are whole numbers");
        const at::Tensor row = contribution.channels[c].dense()[static_cast<std::int64_t>(k)].to(at::kDouble);
        std::vector<Word> words(plan_.wires[c].channel.size);
        ring_encode<Word, double>(words, {row.const_data_ptr<double>(), words.size()}, contribution.weights[c][k],
                                  exponent(c));
        std::vector<Mask> masks;
        for (std::size_t other = 0; other < sent_.size(); ++other) {
          if (other != sender && bucket_of(other) == bucket_of(sender)) masks.push_back(shared(sender, other, c));
        }
        add_masks<Word>(words, masks);
        const std::size_t sum = bucket_of(sender) * plan_.wires.size() + c;
        ring_add<Word>(sums_[sum], words);
        shares_[sum] += contribution.shares[c][k];
      }
    }
  }

  void merge(Collector& other) override {
    const auto& theirs = dynamic_cast<MaskedSums&>(other);
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      ring_add<Word>(sums_[i], theirs.sums_[i]);
      shares_[i] += theirs.shares_[i];
    }
    for (std::size_t i = 0; i < sent_.size(); ++i) sent_[i] += theirs.sent_[i];
  }

  Intake finish(Communicator& comm, ThreadPool& pool, State& state) override {
    comm.sum(sent_);
    comm.sum(shares_);
    for (std::vector<Word>& sum : sums_) comm.sum(std::span<Word>(sum));
    const std::int64_t clients = std::accumulate(sent_.begin(), sent_.end(), std::int64_t{0});
    if (clients < minimum_) return {.aborted = fmt::format("{} of {} clients have sent a share", clients, minimum_)};
    ++state.integer("sessions");
    for (std::int64_t b = 0; b < plan_.buckets; ++b) unmask(b);

    Intake intake{.sums = {Aggregate{.clients = clients}}};
    for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
      at::Tensor mean;
      double weight = 0;
      if (plan_.buckets == 1 || plan_.wires[c].channel.needs_mean) {
        std::vector<Word> all(plan_.wires[c].channel.size, 0);
        for (std::int64_t b = 0; b < plan_.buckets; ++b) {
          ring_add<Word>(all, sums_[b * plan_.wires.size() + c]);
          weight += shares_[b * plan_.wires.size() + c];
        }
        mean = decoded(all, c, weight).to(plan_.options());
      }
      intake.sums[0].means.push_back(mean);
      intake.sums[0].weights.push_back(weight);
    }
    if (plan_.buckets > 1) intake.rows = rows(comm, pool);
    return intake;
  }

 private:
  std::size_t bucket_of(std::size_t place) const { return plan_.bucket.empty() ? 0 : plan_.bucket[place]; }

  // Takes away the masks that pairs of a sender and a client that has sent nothing leave in the sums of a bucket.
  void unmask(std::size_t bucket) {
    for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
      std::vector<Mask> left;
      for (std::size_t i = 0; i < sent_.size(); ++i) {
        for (std::size_t j = 0; j < sent_.size(); ++j) {
          if (bucket_of(i) != bucket || bucket_of(j) != bucket) continue;
          if (sent_[i] == 1 && sent_[j] == 0) left.push_back(shared(j, i, c));
        }
      }
      log_.missing += std::ssize(left);
      add_masks<Word>(sums_[bucket * plan_.wires.size() + c], left);
    }
  }

  at::Tensor decoded(const std::vector<Word>& sum, std::size_t c, double weight) const {
    std::vector<double> mean(sum.size(), 0.0);
    if (weight > 0) ring_decode<Word, double>(mean, sum, exponent(c), weight);
    return at::tensor(mean, at::kDouble);
  }

  // The mean of each bucket in which someone has sent.
  RowSet rows(Communicator& comm, ThreadPool& pool) const {
    std::vector<std::int64_t> widths;
    std::vector<SharedRow> means;
    for (std::size_t b = 0; b < static_cast<std::size_t>(plan_.buckets); ++b) {
      SharedRow row;
      std::vector<at::Tensor> values;
      widths.clear();
      for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
        if (plan_.wires[c].channel.needs_mean) continue;
        const std::size_t sum = b * plan_.wires.size() + c;
        row.weights.push_back(shares_[sum]);
        values.push_back(decoded(sums_[sum], c, shares_[sum]));
        widths.push_back(plan_.wires[c].channel.size);
      }
      row.values = at::cat(values).to(plan_.type);
      std::int64_t senders = 0;
      for (std::size_t i = 0; i < sent_.size(); ++i) senders += bucket_of(i) == b ? sent_[i] : 0;
      if (senders > 0) means.push_back(std::move(row));
    }
    return {means, std::move(widths), plan_.type, comm, pool};
  }

  std::size_t place_of(ParticipationId id) const {
    return std::ranges::lower_bound(plan_.cohort, id, {}, &Participation::id) - plan_.cohort.begin();
  }

  // The mask that `own` adds for its pair with `other`.
  Mask shared(std::size_t own, std::size_t other, std::size_t channel) const {
    const std::array<std::uint32_t, 3> pair = {static_cast<std::uint32_t>(std::min(own, other)),
                                               static_cast<std::uint32_t>(std::max(own, other)),
                                               static_cast<std::uint32_t>(channel)};
    std::array<std::uint8_t, 32> seed{};
    std::array<std::uint8_t, 12> nonce{};
    std::memcpy(seed.data(), &plan_.key, sizeof plan_.key);
    std::memcpy(nonce.data(), pair.data(), sizeof pair);
    return mask(seed, nonce, own < other ? MaskSign::plus : MaskSign::minus);
  }

  const AggregationPlan& plan_;
  std::int64_t minimum_;
  MaskingLog& log_;
  std::vector<std::vector<Word>> sums_;  // per channel
  std::vector<std::int64_t> sent_;       // per participation of the cohort: 1 if its words are in the sums
  std::vector<std::int64_t> shares_;     // per channel: the divisor
};

class MaskedSum final : public Aggregator {
 public:
  explicit MaskedSum(std::int64_t minimum = 1, std::int64_t buckets = 1) : minimum_(minimum), buckets_(buckets) {}

  std::vector<ProtocolPhase> phases(std::span<const Wire> wires, double expected_cohort) const override {
    return masked_phases(wires, expected_cohort);
  }
  std::optional<std::int64_t> bytes_up(std::span<const Wire> wires, double) const override { return word_bytes(wires); }
  std::int64_t buckets(double) const override { return buckets_; }
  bool gives_rows() const override { return buckets_ > 1; }
  std::string refuses(const AggregationPlan& plan) const override {
    if (std::ssize(plan.contributing) >= minimum_) return {};
    return fmt::format("{} of {} clients are there", plan.contributing.size(), minimum_);
  }
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override {
    return std::make_unique<MaskedSums>(plan, minimum_, *log);
  }

  const std::shared_ptr<MaskingLog> log = std::make_shared<MaskingLog>();

 private:
  std::int64_t minimum_, buckets_;
};

}  // namespace shoal::test
