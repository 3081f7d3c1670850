#include "strategies/aggregators/shared/masked_sums.hpp"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/ring.hpp"
#include "sim/round/codec.hpp"
#include "sim/round/stage.hpp"
#include "sim/round/strategy.hpp"
#include "sim/round/thread_pool.hpp"
#include "sim/task/task.hpp"

namespace shoal {
namespace {

enum Phase : std::size_t { advertise, share, unmask };  // in the order of `phases`

std::int64_t words_of(std::span<const Wire> wires) {
  // Beside its values, each channel has the client's term of the divisor: the total weight is the server's to know, not
  // the single one.
  std::int64_t words = 0;
  for (const Wire& wire : wires) words += wire.channel.size + 1;
  return words;
}

// How far a participation gets. Those who contribute have sent their words, whatever happens to them later.
Reached reached_by(const Participation& p, bool contributes) {
  if (contributes) return p.outcome == dropout_in(own_phases + unmask) ? Reached::sent : Reached::answered;
  if (p.outcome == dropout_in(own_phases + advertise)) return Reached::nothing;
  if (p.outcome == dropout_in(own_phases + share)) return Reached::advertised;
  return Reached::shared;
}

std::vector<Reached> reached_in(const AggregationPlan& plan) {
  std::vector<Reached> reached;
  for (std::size_t i = 0; i < plan.cohort.size(); ++i) {
    reached.push_back(reached_by(plan.cohort[i], std::ranges::binary_search(plan.contributing, i)));
  }
  return reached;
}

// Everything that the parties of a session must agree on, the version of the model among it.
Key256 context_of(const AggregationPlan& plan) {
  Transcript all("masked sum");
  all.add(plan.key.word0).add(plan.key.word1).add(plan.round);
  for (const Participation& p : plan.cohort) all.add(value(p.client)).add(value(p.id)).add(value(p.version));
  return all.hash();
}

// The words of a ring of `bits` bits, in memory words that are as wide or wider: what is above is cut off in the end.
template <class Word>
class MaskedSums final : public Collector {
 public:
  MaskedSums(const AggregationPlan& plan, std::shared_ptr<OpenMasking> session, int bits)
      : plan_(plan),
        session_(std::move(session)),
        spare_bits_(std::numeric_limits<Word>::digits - bits),
        sum_(words_of(plan.wires), 0),
        own_(sum_.size()),
        sent_(plan.cohort.size(), 0) {
    constexpr int width = std::numeric_limits<Word>::digits;
    for (std::size_t c = 0; c < plan.wires.size(); ++c) {
      // A round that is refused opens its session too, whatever its weights.
      const double total =
          std::clamp(plan.total_weight[c] / plan.scales[c].weight_unit, 1.0, std::ldexp(1.0, width - 2));
      exponents_.push_back(ring_exponent<Word>(total, *plan.wires[c].channel.bound) - spare_bits_);
    }
  }

  void add(const Contribution& contribution) override {
    std::vector<at::Tensor> rows;
    for (const Rows& channel : contribution.channels) rows.push_back(channel.to(at::kCPU).dense().contiguous());
    for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
      if (!contribution.accepted[k]) continue;
      const auto found = std::ranges::lower_bound(plan_.cohort, contribution.block[k].id, {}, &Participation::id);
      const auto party = static_cast<Party>(found - plan_.cohort.begin());
      std::size_t at = 0;
      for (std::size_t c = 0; c < rows.size(); ++c) {
        const std::size_t size = plan_.wires[c].channel.size;
        encode(std::span(own_).subspan(at, size), rows[c], k, contribution.weights[c][k], exponents_[c]);
        own_[at + size] = static_cast<Word>(contribution.shares[c][k]);
        at += size + 1;
      }
      if (session_->executed) add_masks<Word>(own_, session_->session.masks(party, session_->reached));
      ring_add<Word>(sum_, own_);
      sent_[party] = 1;
    }
  }

  void merge(Collector& other) override {
    const auto& theirs = static_cast<MaskedSums&>(other);
    ring_add<Word>(sum_, theirs.sum_);
    for (std::size_t i = 0; i < sent_.size(); ++i) sent_[i] += theirs.sent_[i];
  }

  Intake finish(Communicator& comm, ThreadPool& pool, State& state) override {
    comm.sum(sent_);
    std::vector<Reached> reached = session_->reached;
    for (std::size_t i = 0; i < reached.size(); ++i) {
      if (sent_[i] == 0) reached[i] = std::min(reached[i], Reached::shared);  // rejected
    }
    if (std::string failure = session_->failure(reached); !failure.empty()) return {.aborted = std::move(failure)};
    if (session_->executed) remove_masks(reached, comm, pool);
    comm.sum(std::span<Word>(sum_));
    for (Word& word : sum_) word <<= spare_bits_;
    ++state.integer("sessions");
    state.integer("recovered") += std::ranges::count(reached, Reached::shared);

    Aggregate total{.clients = std::accumulate(sent_.begin(), sent_.end(), std::int64_t{0})};
    std::size_t at = 0;
    for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
      const std::size_t size = plan_.wires[c].channel.size;
      const double weight = static_cast<double>(sum_[at + size] >> spare_bits_);
      const double unit = plan_.scales[c].weight_unit;
      total.means.push_back(mean_of(std::span<const Word>(sum_).subspan(at, size), weight, exponents_[c]));
      total.weights.push_back(weight * unit);
      at += size + 1;
    }
    return {.sums = {std::move(total)}};
  }

 private:
  static void encode(std::span<Word> words, const at::Tensor& rows, std::size_t k, std::int64_t weight, int exponent) {
    if (rows.scalar_type() == at::kDouble) {
      const double* row = rows.const_data_ptr<double>() + k * words.size();
      ring_encode<Word, double>(words, {row, words.size()}, weight, exponent);
    } else {
      const float* row = rows.const_data_ptr<float>() + k * words.size();
      ring_encode<Word, float>(words, {row, words.size()}, weight, exponent);
    }
  }

  // The server's part, shared by the ranks: each rebuilds the secrets of some clients and removes their masks from its
  // own part of the sum.
  void remove_masks(std::span<const Reached> reached, Communicator& comm, ThreadPool& pool) {
    std::vector<std::vector<Mask>> of_party(reached.size());
    pool.for_each(reached.size(), [&](int, std::size_t i) {
      if (static_cast<int>(i) % comm.size() != comm.rank()) return;
      of_party[i] = session_->session.removal(static_cast<Party>(i), reached);
    });
    std::vector<Mask> all;
    for (const std::vector<Mask>& masks : of_party) all.insert(all.end(), masks.begin(), masks.end());
    constexpr std::size_t piece = 4096;
    pool.for_each((sum_.size() + piece - 1) / piece, [&](int, std::size_t i) {
      const std::size_t first = i * piece;
      add_masks<Word>(std::span(sum_).subspan(first, std::min(piece, sum_.size() - first)), all, first);
    });
  }

  at::Tensor mean_of(std::span<const Word> words, double weight, int exponent) const {
    at::Tensor mean = at::empty({std::ssize(words)}, at::TensorOptions(plan_.type));
    if (weight == 0) return mean.zero_().to(plan_.device);
    const int shifted = exponent + spare_bits_;
    if (plan_.type == at::kDouble) {
      ring_decode<Word, double>({mean.mutable_data_ptr<double>(), words.size()}, words, shifted, weight);
    } else {
      ring_decode<Word, float>({mean.mutable_data_ptr<float>(), words.size()}, words, shifted, weight);
    }
    return mean.to(plan_.device);
  }

  const AggregationPlan& plan_;
  std::shared_ptr<OpenMasking> session_;
  int spare_bits_;
  std::vector<int> exponents_;      // per channel
  std::vector<Word> sum_, own_;     // all channels one after the other, each followed by its divisor
  std::vector<std::int64_t> sent_;  // per participation of the cohort: 1 if its words are in the sum
};

// The largest weight that a client of the channel can have, in the units in which weights are counted.
double largest_weight(const Channel& channel, const Composition& all) {
  if (channel.weighting == Weighting::real) return channel.largest_weight * (1 << 24);
  if (channel.weighting == Weighting::uniform) return 1;
  double most = 1;
  for (std::int64_t c = 0; c < all.task.clients(); ++c) {
    most = std::max<double>(most, all.task.work(ClientId{c}).examples);
  }
  return most;
}

// The exponent of a ring's words: total * bound * 2^exponent < 2^(bits - 2).
int exponent_of(int bits, double total, double bound) {
  return static_cast<int>(std::ceil(bits - 2 - std::log2(total) - std::log2(bound))) - 1;
}

std::int64_t expected_cohort(const Composition& all) {
  const auto* planner = all.find<Planner>();
  return planner == nullptr ? 0 : std::llround(planner->sampling(all).expected);
}

}  // namespace

OpenMasking::OpenMasking(const AggregationPlan& plan, const GraphRule& rule, bool everyone, std::int64_t least,
                         bool is_executed)
    : session({.threshold = rule.threshold, .context = context_of(plan)},
              NeighbourGraph(std::ssize(plan.cohort), rule.degree, plan.key), everyone,
              [key = plan.key, cohort = plan.cohort](Party party) {
                const Participation& p = cohort[party];
                Transcript seed("secrets of a client");
                return seed.add(key.word0).add(key.word1).add(value(p.client)).add(value(p.id)).hash();
              }),
      reached(reached_in(plan)),
      key(plan.key),
      minimum(least),
      executed(is_executed) {}

std::string OpenMasking::failure(std::span<const Reached> now) const {
  const auto sent = std::ranges::count_if(now, [](Reached r) { return r >= Reached::sent; });
  if (sent < minimum) return fmt::format("a sum of {} clients is not released ({} are the minimum)", sent, minimum);
  return session.failure(now);
}

MaskedAggregator::MaskedAggregator(const Settings& settings, bool everyone)
    : everyone_(everyone),
      bits_(static_cast<int>(settings.integer("bits", 32, "width of the words that clients send", between(8, 64)))),
      minimum_(settings.integer("minimum", 10, "fewest clients whose sum is released", at_least(2))),
      executed_(settings.choice("work", true, {{"real", true}, {"counted", false}},
                                "whether the cryptography runs, or only its costs and failures are counted")),
      where_(settings.where()) {}

MaskingSize MaskedAggregator::size(std::span<const Wire> wires, const GraphRule& rule) const {
  return {.neighbours = rule.degree,
          .holders = rule.degree + (everyone_ ? 1 : 0),
          .threshold = rule.threshold,
          .words = words_of(wires),
          .bits = bits_};
}

void MaskedAggregator::check(const Composition& all) const {
  for (const RoundPart* part : all.parts) {
    if (!part->uses_feedback()) continue;
    user_error("{}: '{}' chooses or weighs clients by what they report, which masks hide. Use another one.", where_,
               part->name());
  }
  const auto* planner = all.find<Planner>();
  if (planner != nullptr && !planner->waits_for_all()) {
    user_error(
        "{}: masks of pairs need the whole cohort before the first upload, and '{}' does not wait for it. Use a "
        "planner "
        "that waits for its whole cohort.",
        where_, planner->name());
  }
  if (const auto* strategy = all.find<Strategy>();
      strategy != nullptr && !strategy->prelude(all.task.layout()).empty()) {
    user_error("{}: '{}' has a first exchange, which would need masks of its own. Use another strategy.", where_,
               strategy->name());
  }
  for (const Stage* stage : all.all<Stage>()) {
    if (!stage->works_in_ring()) continue;
    user_error("{}: '{}' chooses the ring of the words itself. Leave it out, or use another aggregator.", where_,
               stage->name());
  }
  for (const Wire& wire : all.wires) {
    if (wire.support != Support::data_dependent) continue;
    user_error(
        "{}: a codec chooses from a client's data which values of the channel '{}' are sent, and under masks all are. "
        "Leave out the codec, or use one whose choice is the same for all clients.",
        where_, wire.channel.name);
  }
  const std::int64_t clients = expected_cohort(all);
  if (clients == 0) {
    user_error(
        "{}: the planner does not say how many clients it expects, which keys and shares follow from. Use "
        "another planner.",
        where_);
  }
  if (clients < minimum_) {
    user_error("{}: a cohort of {} and sums of at least {} clients. Make the cohort larger, or 'minimum' smaller.",
               where_, clients, minimum_);
  }
  const std::optional<GraphRule> graph = rule(clients);
  if (!graph) {
    user_error("{}: no graph of {} clients is secure and correct {}. Make the cohort larger, or these smaller.", where_,
               clients, demand());
  }
  for (const Wire& wire : all.wires) {
    const double total = clients * largest_weight(wire.channel, all), bound = *wire.channel.bound;
    // Each client's rounding, up to half a step, is independent of the others'.
    // The error is measured against the bound, so another bound would not change how many bits do.
    const double most = 1e-3 * bound / std::sqrt(static_cast<double>(wire.channel.size));
    const int bits = [&] {
      int least = 8;
      while (std::ldexp(0.5, -exponent_of(least, total, bound)) / std::sqrt(static_cast<double>(clients)) > most)
        ++least;
      return least;
    }();
    if (bits <= bits_) continue;
    user_error(
        "{}: words of {} bits are too short for the channel '{}' with a total weight of up to {} ({} bits do). Set "
        "'bits = {}'.",
        where_, bits_, wire.channel.name, total, bits, bits <= 32 ? 32 : 64);
  }
}

std::vector<std::string> MaskedAggregator::notes(const Composition& all) const {
  const std::int64_t clients = expected_cohort(all);
  const GraphRule graph = rule(clients).value();
  const MaskingSize own = size(all.wires, graph);
  const MaskingCosts keys = key_costs(own), shares = share_costs(own), answers = answer_costs(own);
  std::vector<std::string> lines = {
      fmt::format("masks: {} clients with {} neighbours each, {} of {} shares rebuild a secret {}", clients,
                  graph.degree, graph.threshold, own.holders, demand()),
      fmt::format("bytes of the protocol for each client: {} up and {} down before the download, {} up and {} down "
                  "after the upload of {}",
                  keys.bytes_up + shares.bytes_up, keys.bytes_down + shares.bytes_down, answers.bytes_up,
                  answers.bytes_down, words_bytes(own))};
  for (const Wire& wire : all.wires) {
    const double total = clients * largest_weight(wire.channel, all);
    lines.push_back(fmt::format("ring of '{}': {} bits, steps of 2^{} for values up to {} and a total weight up to {}",
                                wire.channel.name, bits_, -exponent_of(bits_, total, *wire.channel.bound),
                                *wire.channel.bound, total));
  }
  if (graph.threshold <= 2) {
    lines.emplace_back(
        "warning: two neighbours together can open a client's update; expect corrupt clients, or use more");
  }
  if (!executed_) lines.emplace_back("the cryptography is counted, not executed");
  return lines;
}

void MaskedAggregator::report(const State& state, Measures& measures, Tables&) const {
  if (state.integer("sessions") == 0) return;
  measures["sessions"] = static_cast<double>(state.integer("sessions"));
  measures["recovered"] = static_cast<double>(state.integer("recovered"));
}

std::vector<ProtocolPhase> MaskedAggregator::phases(std::span<const Wire> wires, double expected) const {
  const std::optional<GraphRule> graph = rule(std::max<std::int64_t>(1, std::llround(expected)));
  if (!graph) return {};  // refused when the parts are composed
  const MaskingSize own = size(wires, *graph);
  const auto phase = [](const char* name, const MaskingCosts& costs) {
    return ProtocolPhase{.name = name,
                         .place = ProtocolPhase::Place::before_download,
                         .bytes_down = costs.bytes_down,
                         .bytes_up = costs.bytes_up,
                         .operations = costs.operations};
  };
  std::vector<ProtocolPhase> all = {phase("keys", key_costs(own)), phase("shares", share_costs(own)),
                                    phase("unmask", answer_costs(own))};
  all[share].waits = true;
  all[unmask].place = ProtocolPhase::Place::after_upload;
  all[unmask].waits = true;
  all[unmask].binding = false;  // the words have arrived
  return all;
}

std::shared_ptr<OpenMasking> MaskedAggregator::session_of(const AggregationPlan& plan) const {
  const std::lock_guard lock(mutex_);
  if (std::shared_ptr<OpenMasking> newest = newest_.lock(); newest != nullptr && newest->key.word0 == plan.key.word0 &&
                                                            newest->key.word1 == plan.key.word1 &&
                                                            newest->reached == reached_in(plan)) {
    return newest;
  }
  // A round that is refused opens its session too.
  const GraphRule graph = rule(std::ssize(plan.cohort)).value_or(GraphRule{.degree = 0, .threshold = 2});
  auto made = std::make_shared<OpenMasking>(plan, graph, everyone_, minimum_, executed_);
  newest_ = made;
  return made;
}

std::string MaskedAggregator::refuses(const AggregationPlan& plan) const {
  const std::int64_t clients = std::ssize(plan.cohort);
  if (!rule(clients)) return fmt::format("no graph of {} clients is secure and correct {}", clients, demand());
  for (std::size_t c = 0; c < plan.wires.size(); ++c) {
    if (plan.total_weight[c] / plan.scales[c].weight_unit < std::ldexp(1.0, bits_ - 2)) continue;
    return fmt::format("a total weight of {} does not fit words of {} bits", plan.total_weight[c], bits_);
  }
  const std::shared_ptr<OpenMasking> session = session_of(plan);
  return session->failure(session->reached);
}

std::unique_ptr<Collector> MaskedAggregator::open(const AggregationPlan& plan) const {
  if (bits_ <= 32) return std::make_unique<MaskedSums<std::uint32_t>>(plan, session_of(plan), bits_);
  return std::make_unique<MaskedSums<std::uint64_t>>(plan, session_of(plan), bits_);
}

}  // namespace shoal
