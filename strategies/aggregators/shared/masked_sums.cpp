#include "strategies/aggregators/shared/masked_sums.hpp"

#include <ATen/ops/cat.h>
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
#include "strategies/aggregators/shared/ring_words.hpp"

namespace shoal {
namespace {

enum Phase : std::size_t { advertise, share, unmask };  // in the order of `phases`

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

// Everything that the parties of a group must agree on, the version of the model among it.
Key256 context_of(const AggregationPlan& plan, const std::vector<std::size_t>& places) {
  Transcript all("masked sum");
  all.add(plan.key.word0).add(plan.key.word1).add(plan.round);
  for (const std::size_t place : places) {
    const Participation& p = plan.cohort[place];
    all.add(value(p.client)).add(value(p.id)).add(value(p.version));
  }
  return all.hash();
}

template <class Word>
class MaskedSums final : public Collector {
 public:
  MaskedSums(const AggregationPlan& plan, std::shared_ptr<OpenMasking> session, int bits, bool executed)
      : plan_(plan),
        session_(std::move(session)),
        executed_(executed),
        ring_(plan, bits),
        own_(ring_words(plan.wires)),
        sums_(session_->groups() * own_.size(), 0),
        sent_(plan.cohort.size(), 0) {}

  void add(const Contribution& contribution) override {
    const std::vector<at::Tensor> rows = RingWords<Word>::rows_of(contribution);
    for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
      if (!contribution.accepted[k]) continue;
      const auto found = std::ranges::lower_bound(plan_.cohort, contribution.block[k].id, {}, &Participation::id);
      const std::size_t place = found - plan_.cohort.begin();
      ring_.encode(own_, rows, contribution, k);
      if (executed_) add_masks<Word>(own_, session_->masks(place));
      ring_add<Word>(sum_of(session_->group_of(place)), own_);
      sent_[place] = 1;
    }
  }

  void merge(Collector& other) override {
    const auto& theirs = static_cast<MaskedSums&>(other);
    ring_add<Word>(sums_, theirs.sums_);
    for (std::size_t i = 0; i < sent_.size(); ++i) sent_[i] += theirs.sent_[i];
  }

  Intake finish(Communicator& comm, ThreadPool& pool, State& state) override {
    comm.sum(sent_);
    std::vector<Reached> reached = session_->reached();
    for (std::size_t i = 0; i < reached.size(); ++i) {
      if (sent_[i] == 0) reached[i] = std::min(reached[i], Reached::shared);  // rejected
    }
    if (std::string failure = session_->failure(reached); !failure.empty()) return {.aborted = std::move(failure)};
    if (executed_) remove_masks(reached, comm, pool);
    comm.sum(std::span<Word>(sums_));
    ++state.integer("sessions");
    state.integer("recovered") += std::ranges::count(reached, Reached::shared);

    std::vector<Word> all = sums_;
    all.resize(own_.size());
    for (std::int64_t g = 1; g < session_->groups(); ++g) ring_add<Word>(all, sum_of(g));
    Intake intake{.sums = {Aggregate{.clients = std::accumulate(sent_.begin(), sent_.end(), std::int64_t{0})}}};
    for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
      const bool in_rows = session_->groups() > 1 && !plan_.wires[c].channel.needs_mean;
      intake.sums[0].means.push_back(in_rows ? at::Tensor() : ring_.mean(all, c).to(plan_.device));
      intake.sums[0].weights.push_back(ring_.weight(all, c));
    }
    if (session_->groups() > 1) intake.rows = rows(comm, pool);
    return intake;
  }

 private:
  // The server's part, shared by the ranks: each rebuilds the secrets of some clients and removes their masks from its
  // own part of the sum.
  void remove_masks(std::span<const Reached> reached, Communicator& comm, ThreadPool& pool) {
    const std::vector<std::vector<Reached>> by_group = session_->by_group(reached);
    std::vector<std::vector<Mask>> of_place(reached.size());
    pool.for_each(reached.size(), [&](int, std::size_t i) {
      if (static_cast<int>(i) % comm.size() == comm.rank()) of_place[i] = session_->removal(i, by_group);
    });
    std::vector<std::vector<Mask>> of_group(session_->groups());
    for (std::size_t i = 0; i < of_place.size(); ++i) {
      std::vector<Mask>& all = of_group[session_->group_of(i)];
      all.insert(all.end(), of_place[i].begin(), of_place[i].end());
    }
    constexpr std::size_t piece = 4096;
    const std::size_t pieces = (own_.size() + piece - 1) / piece;
    pool.for_each(pieces * of_group.size(), [&](int, std::size_t i) {
      const std::size_t first = i % pieces * piece;
      const std::span<Word> sum = sum_of(i / pieces);
      add_masks<Word>(sum.subspan(first, std::min(piece, sum.size() - first)), of_group[i / pieces], first);
    });
  }

  std::span<Word> sum_of(std::size_t group) { return std::span(sums_).subspan(group * own_.size(), own_.size()); }

  // The mean of each group.
  RowSet rows(Communicator& comm, ThreadPool& pool) {
    std::vector<std::int64_t> widths;
    for (const Wire& wire : plan_.wires) {
      if (!wire.channel.needs_mean) widths.push_back(wire.channel.size);
    }
    std::vector<SharedRow> all;
    for (std::int64_t g = 0; g < session_->groups(); ++g) {
      SharedRow row;
      std::vector<at::Tensor> means;
      for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
        if (plan_.wires[c].channel.needs_mean) continue;
        row.weights.push_back(ring_.weight(sum_of(g), c));
        means.push_back(ring_.mean(sum_of(g), c));
      }
      row.values = at::cat(means);
      all.push_back(std::move(row));
    }
    return {all, std::move(widths), plan_.type, comm, pool};
  }

  const AggregationPlan& plan_;
  std::shared_ptr<OpenMasking> session_;
  bool executed_;
  RingWords<Word> ring_;
  std::vector<Word> own_;           // the words of one client
  std::vector<Word> sums_;          // the sum of each group
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

OpenMasking::OpenMasking(const AggregationPlan& plan, const Rule& rule, bool everyone, std::int64_t minimum)
    : key_(plan.key), minimum_(minimum), reached_(reached_in(plan)) {
  std::vector<std::vector<std::size_t>> places(plan.buckets);
  for (std::size_t i = 0; i < plan.cohort.size(); ++i) {
    const std::size_t group = plan.bucket.empty() ? 0 : plan.bucket[i];
    seats_.push_back({group, static_cast<Party>(places[group].size())});
    places[group].push_back(i);
  }
  for (std::uint32_t g = 0; g < places.size(); ++g) {
    std::vector<Key256> seeds;
    for (const std::size_t place : places[g]) {
      const Participation& p = plan.cohort[place];
      Transcript seed("secrets of a client");
      seeds.push_back(seed.add(key_.word0).add(key_.word1).add(value(p.client)).add(value(p.id)).hash());
    }
    const GraphRule graph = rule(std::ssize(places[g]));
    sessions_.push_back(std::make_unique<MaskingSession>(
        MaskingTerms{.threshold = graph.threshold, .context = context_of(plan, places[g])},
        NeighbourGraph(std::ssize(places[g]), graph.degree, {key_.word0, key_.word1 + g}), everyone,
        [all = std::move(seeds)](Party party) { return all[party]; }));
  }
  reached_by_group_ = by_group(reached_);
}

std::vector<std::vector<Reached>> OpenMasking::by_group(std::span<const Reached> reached) const {
  std::vector<std::vector<Reached>> all(sessions_.size());
  for (std::size_t i = 0; i < reached.size(); ++i) all[seats_[i].group].push_back(reached[i]);
  return all;
}

std::string OpenMasking::failure(std::span<const Reached> reached) const {
  const std::vector<std::vector<Reached>> all = by_group(reached);
  for (std::size_t g = 0; g < all.size(); ++g) {
    const auto sent = std::ranges::count_if(all[g], [](Reached r) { return r >= Reached::sent; });
    if (sent < minimum_) return fmt::format("a sum of {} clients is not released ({} are the minimum)", sent, minimum_);
    if (std::string reason = sessions_[g]->failure(all[g]); !reason.empty()) return reason;
  }
  return {};
}

std::vector<Mask> OpenMasking::masks(std::size_t place) {
  const Seat seat = seats_[place];
  return sessions_[seat.group]->masks(seat.party, reached_by_group_[seat.group]);
}

std::vector<Mask> OpenMasking::removal(std::size_t place, const std::vector<std::vector<Reached>>& by_group) {
  const Seat seat = seats_[place];
  return sessions_[seat.group]->removal(seat.party, by_group[seat.group]);
}

MaskedAggregator::MaskedAggregator(const Settings& settings, bool everyone)
    : everyone_(everyone),
      bits_(static_cast<int>(settings.integer("bits", 32, "width of the words that clients send", between(8, 64)))),
      minimum_(settings.integer("minimum", 10, "fewest clients whose sum is released", at_least(2))),
      groups_(settings.integer(
          "groups", 1, "random groups of clients whose sums are kept apart, as rows for robust rules", at_least(1))),
      executed_(settings.choice("work", true, {{"real", true}, {"counted", false}},
                                "whether the cryptography runs, or only its costs and failures are counted")),
      where_(settings.where()) {}

MaskingSize MaskedAggregator::size(std::span<const Wire> wires, const GraphRule& rule) const {
  return {.neighbours = rule.degree,
          .holders = rule.degree + (everyone_ ? 1 : 0),
          .threshold = rule.threshold,
          .words = ring_words(wires),
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
  const std::int64_t grouped = group_size(clients);
  if (grouped < minimum_) {
    user_error(
        "{}: groups of {} clients and sums of at least {}. Make the cohort larger, or 'groups' or 'minimum' smaller.",
        where_, grouped, minimum_);
  }
  if (!rule(grouped, clients)) {
    user_error("{}: no graph of {} clients is secure and correct {}. Make the cohort larger, or these smaller.", where_,
               grouped, demand());
  }
  for (const Wire& wire : all.wires) {
    const double total = clients * largest_weight(wire.channel, all), bound = *wire.channel.bound;
    // Each client's rounding, up to half a step, is independent of the others'.
    // The error is measured against the bound, so another bound would not change how many bits suffice.
    const double most = 1e-3 * bound / std::sqrt(wire.channel.size);
    const int bits = [&] {
      int least = 8;
      while (std::ldexp(0.5, -exponent_of(least, total, bound)) / std::sqrt(clients) > most) ++least;
      return least;
    }();
    if (bits <= bits_) continue;
    user_error(
        "{}: words of {} bits are too short for the channel '{}' with a total weight of up to {} ({} bits suffice). "
        "Set "
        "'bits = {}'.",
        where_, bits_, wire.channel.name, total, bits, bits <= 32 ? 32 : 64);
  }
}

std::vector<std::string> MaskedAggregator::notes(const Composition& all) const {
  const std::int64_t clients = expected_cohort(all);
  const GraphRule graph = rule(group_size(clients), clients).value();
  const MaskingSize own = size(all.wires, graph);
  const MaskingCosts keys = key_costs(own), shares = share_costs(own), answers = answer_costs(own);
  std::vector<std::string> lines = {
      fmt::format("masks: {} clients with {} neighbours each, {} of {} shares rebuild a secret {}", group_size(clients),
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
  if (groups_ > 1) lines.push_back(fmt::format("{} such groups, the mean of each a row for rules", groups_));
  if (!executed_) lines.emplace_back("the cryptography is counted, not executed");
  return lines;
}

void MaskedAggregator::report(const State& state, Measures& measures, Tables&) const {
  if (state.integer("sessions") == 0) return;
  measures["sessions"] = state.integer("sessions");
  measures["recovered"] = state.integer("recovered");
}

std::vector<ProtocolPhase> MaskedAggregator::phases(std::span<const Wire> wires, double expected) const {
  const std::int64_t cohort = std::llround(expected);
  const std::optional<GraphRule> graph = rule(std::max<std::int64_t>(1, group_size(cohort)), cohort);
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

std::optional<std::int64_t> MaskedAggregator::bytes_up(std::span<const Wire> wires, double) const {
  return words_bytes({.words = ring_words(wires), .bits = bits_});
}

std::shared_ptr<OpenMasking> MaskedAggregator::session_of(const AggregationPlan& plan) const {
  const std::lock_guard lock(mutex_);
  if (std::shared_ptr<OpenMasking> newest = newest_.lock();
      newest != nullptr && newest->key().word0 == plan.key.word0 && newest->key().word1 == plan.key.word1 &&
      newest->reached() == reached_in(plan)) {
    return newest;
  }
  const auto graph = [&](std::int64_t clients) {
    // A round that is refused opens its session too.
    return rule(clients, std::ssize(plan.cohort)).value_or(GraphRule{.degree = 0, .threshold = 2});
  };
  auto made = std::make_shared<OpenMasking>(plan, graph, everyone_, minimum_);
  newest_ = made;
  return made;
}

std::string MaskedAggregator::refuses(const AggregationPlan& plan) const {
  const std::int64_t cohort = std::ssize(plan.cohort), clients = group_size(cohort);
  if (clients < 1 || !rule(clients, cohort))
    return fmt::format("no graph of {} clients is secure and correct {}", clients, demand());
  for (std::size_t c = 0; c < plan.wires.size(); ++c) {
    if (plan.total_weight[c] / plan.scales[c].weight_unit < std::ldexp(1.0, bits_ - 2)) continue;
    return fmt::format("a total weight of {} does not fit words of {} bits", plan.total_weight[c], bits_);
  }
  const std::shared_ptr<OpenMasking> session = session_of(plan);
  return session->failure(session->reached());
}

std::unique_ptr<Collector> MaskedAggregator::open(const AggregationPlan& plan) const {
  if (bits_ <= 32) return std::make_unique<MaskedSums<std::uint32_t>>(plan, session_of(plan), bits_, executed_);
  return std::make_unique<MaskedSums<std::uint64_t>>(plan, session_of(plan), bits_, executed_);
}

}  // namespace shoal
