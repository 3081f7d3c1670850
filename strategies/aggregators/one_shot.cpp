// One-shot secure aggregation: every client speaks once, and the cohort need not be known before. A client encrypts its
// update under a fresh key that adds up, and shares the key with a committee of decryptors, who together open the
// sum of the keys and with it the sum of the updates. The idea is that of OPA (arXiv 2410.22303) and Willow (Bell-Clark
// et al., CRYPTO 2025). Works with asynchronous planners whose staleness weights are 1. Bytes are those of the clients;
// time and traffic of the committee are not on the clock.
// Try: planner.cohort = 10, aggregator.minimum = 2, aggregator.enrolled = 20
// Refused with cfl, fed_amp, fed_fomo, fed_law, alie, every rule: does not give them
// Refused with ifca: does not keep their updates apart
// Refused with afl, reputation, oort, power_of_choice, tifl: by what they report
// Refused with top_k: chooses from a client's data

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <numeric>

#include "sim/round/thread_pool.hpp"
#include "sim/secure/one_shot.hpp"
#include "strategies/aggregators/shared/ring_words.hpp"

namespace shoal::aggregators {
namespace {

using Word = std::uint32_t;

Key256 model_of(Version version) { return Transcript("model").add(value(version)).hash(); }

// A committee in office, and the sizes of what it opens.
struct Term {
  OneShotTerms terms;
  std::vector<Coefficient> polynomials;
  PackedShares shares;
  std::vector<Key256> seeds;  // secrets of the decryptors

  Term(const Committee& committee, std::int64_t blocks, int bits, std::int64_t minimum)
      : terms{.session = Transcript("one-shot term").hash(),
              .committee = committee,
              .blocks = blocks,
              .bits = bits,
              .minimum = minimum},
        shares(committee) {
    for (std::int32_t member = 0; member < committee.members; ++member) {
      seeds.push_back(Transcript("seed of a decryptor").add(member).hash());
      const Decryptor decryptor(member, seeds.back());
      terms.decryptors.push_back(decryptor.key());
      terms.identities.push_back(decryptor.identity_key());
    }
    polynomials = public_polynomials(terms);
  }
};

// The members that answer in a round, in their order.
std::vector<std::int32_t> answering(const AggregationPlan& plan, const Committee& committee, double lost) {
  std::vector<std::int32_t> members;
  for (std::int32_t member = 0; member < committee.members; ++member) {
    if (RandomStream(plan.key, member).uniform() >= lost) members.push_back(member);
  }
  return members;
}

// The facts of a message that all decryptors see, in the order of `Announced`.
struct Heading {
  OneShotLeaf leaf;
  Key256 open;
};

class OneShotSums final : public Collector {
 public:
  OneShotSums(const AggregationPlan& plan, std::shared_ptr<const Term> term, std::vector<std::int32_t> answering)
      : plan_(plan),
        term_(std::move(term)),
        answering_(std::move(answering)),
        ring_(plan, term_->terms.bits),
        own_(ring_words(plan.wires)),
        sum_(term_->terms.blocks * lattice_degree, 0) {
    opening_ = answering_;
    opening_.resize(std::min<std::size_t>(opening_.size(), term_->shares.members_needed()));
  }

  void add(const Contribution& contribution) override {
    const std::vector<at::Tensor> rows = RingWords<Word>::rows_of(contribution);
    for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
      if (!contribution.accepted[k]) continue;
      const Participation& p = contribution.block[k];
      ring_.encode(own_, rows, contribution, k);
      Transcript seed("secrets of a message");
      seed.add(plan_.key.word0).add(plan_.key.word1).add(value(p.client)).add(value(p.id));
      const OneShotMessage message = one_shot_message(
          term_->terms, term_->polynomials, term_->shares,
          {.client = static_cast<Party>(value(p.client)), .counter = value(p.id), .model = model_of(p.version)},
          seed.hash(), own_);
      add_ciphertext(sum_, message);
      headings_.push_back({message.leaf, message.open});
      // All decryptors get their shares; here only those keep them whose answers open the sum.
      for (const std::int32_t member : opening_) sealed_.push_back(message.sealed[member]);
    }
  }

  void merge(Collector& other) override {
    auto& theirs = static_cast<OneShotSums&>(other);
    for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] = add_mod(sum_[i], theirs.sum_[i]);
    headings_.insert(headings_.end(), theirs.headings_.begin(), theirs.headings_.end());
    std::ranges::move(theirs.sealed_, std::back_inserter(sealed_));
  }

  Intake finish(Communicator& comm, ThreadPool& pool, State& /*state*/) override {
    const std::vector<Heading> all = share_headings(comm);
    if (std::string reason = failure(std::ssize(all)); !reason.empty()) return {.aborted = std::move(reason)};
    const std::vector<std::vector<Coefficient>> answers = ask_decryptors(all, comm, pool);
    comm.sum(std::span<Coefficient>(sum_));  // at most 1,024 ranks: values have 54 bits
    for (Coefficient& value : sum_) value %= lattice_modulus;
    std::vector<Word> words =
        open_sum(term_->terms, term_->polynomials, sum_, term_->shares.rebuild(opening_, answers));
    Intake intake{.sums = {Aggregate{.clients = std::ssize(all)}}};
    for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
      intake.sums[0].means.push_back(ring_.mean(words, c).to(plan_.device));
      intake.sums[0].weights.push_back(ring_.weight(words, c));
    }
    return intake;
  }

  std::string failure(std::int64_t messages) const {
    const OneShotTerms& terms = term_->terms;
    if (messages < terms.minimum) {
      return fmt::format("a sum of {} clients is not released ({} are the minimum)", messages, terms.minimum);
    }
    if (std::ssize(answering_) < terms.committee.needed) {
      return fmt::format("{} of {} decryptors answer ({} are needed)", answering_.size(), terms.committee.members,
                         terms.committee.needed);
    }
    return {};
  }

 private:
  // The headings of all messages in one order, and with them the order of this rank's own.
  std::vector<Heading> share_headings(Communicator& comm) const {
    const auto bytes = std::as_bytes(std::span(headings_));
    std::vector<Heading> all;
    for (const Bytes& theirs : comm.gather_all(Bytes(bytes.begin(), bytes.end()))) {
      const std::size_t before = all.size();
      all.resize(before + theirs.size() / sizeof(Heading));
      ensure(theirs.size() % sizeof(Heading) == 0, "headings of {} bytes", theirs.size());
      if (!theirs.empty()) std::memcpy(all.data() + before, theirs.data(), theirs.size());
    }
    return all;
  }

  // Every decryptor's work is done by one rank, which gets the shares for it from all others.
  std::vector<std::vector<Coefficient>> ask_decryptors(const std::vector<Heading>& headings, Communicator& comm,
                                                       ThreadPool& pool) {
    const std::size_t size = share_words * 7 + tag_size;
    std::vector<Bytes> to_each(comm.size());
    for (std::size_t m = 0; m < opening_.size(); ++m) {
      for (std::size_t i = 0; i < headings_.size(); ++i) {
        const Bytes& sealed = sealed_[i * opening_.size() + m];
        ensure(sealed.size() == size, "a sealed message of {} bytes", sealed.size());
        Bytes& to = to_each[m % comm.size()];
        to.insert(to.end(), sealed.begin(), sealed.end());
      }
    }
    const std::vector<Bytes> from_each = comm.exchange(to_each);

    std::vector<OneShotLeaf> leaves;
    std::set<Key256> models;
    for (const Heading& heading : headings) leaves.push_back(heading.leaf);
    for (const Participation& p : plan_.cohort) models.insert(model_of(p.version));
    const Key256 root = root_of(leaves);
    std::vector<std::unique_ptr<Decryptor>> decryptors;
    std::map<std::int32_t, Signature> signatures;
    for (const std::int32_t member : answering_) {
      // Made anew each round: in a run no decryptor remembers what it has signed or served in earlier ones.
      decryptors.push_back(std::make_unique<Decryptor>(member, term_->seeds[member]));
      decryptors.back()->begin(term_->terms, models);
      signatures[member] = decryptors.back()->sign(plan_.round, root);
    }
    std::vector<Coefficient> answers(opening_.size() * share_words, 0);
    pool.for_each(opening_.size(), [&](int, std::size_t m) {
      if (static_cast<int>(m % comm.size()) != comm.rank()) return;
      const std::size_t earlier = m / comm.size();  // members of this rank that come before
      std::vector<Announced> messages;
      for (const Bytes& theirs : from_each) {
        const std::size_t members = (opening_.size() + comm.size() - 1 - comm.rank()) / comm.size();
        const std::size_t count = theirs.size() / (size * members);
        for (std::size_t i = 0; i < count; ++i) {
          const Heading& heading = headings[messages.size()];
          const auto begin = theirs.begin() + static_cast<std::ptrdiff_t>((earlier * count + i) * size);
          messages.push_back({heading.leaf, heading.open, Bytes(begin, begin + static_cast<std::ptrdiff_t>(size))});
        }
      }
      const std::vector<Coefficient> own = decryptors[m]->answer(plan_.round, messages, signatures);
      std::ranges::copy(own, answers.begin() + static_cast<std::ptrdiff_t>(m * share_words));
    });
    comm.sum(std::span<Coefficient>(answers));
    std::vector<std::vector<Coefficient>> by_member;
    for (std::size_t m = 0; m < opening_.size(); ++m) {
      const auto begin = answers.begin() + static_cast<std::ptrdiff_t>(m * share_words);
      by_member.emplace_back(begin, begin + share_words);
    }
    return by_member;
  }

  const AggregationPlan& plan_;
  std::shared_ptr<const Term> term_;
  std::vector<std::int32_t> answering_, opening_;  // the first of those who answer open the sum
  RingWords<Word> ring_;
  std::vector<Word> own_;
  std::vector<Coefficient> sum_;  // the sum of the ciphertexts
  std::vector<Heading> headings_;
  std::vector<Bytes> sealed_;  // [messages][opening members]
};

class OneShot final : public Aggregator {
 public:
  explicit OneShot(const Settings& s)
      : bits_(static_cast<int>(s.integer("bits", 32, "width of the words that are encrypted", between(8, 32)))),
        minimum_(s.integer("minimum", 10, "fewest clients whose sum is released", at_least(2))),
        lost_(s.number("lost", 0.05, "probability with which each decryptor is lost in a round", between(0, 1))),
        where_(s.where()) {
    const std::int64_t enrolled =
        s.integer("enrolled", 1000, "parties from which the committee of decryptors is drawn", at_least(1));
    const double corrupt = s.number("corrupt", 0.05, "share of them that collude with the server", between(0, 0.9));
    const double dropout = s.number("dropout", 0.05, "share of them that may be lost", between(0, 0.9));
    const std::optional<Committee> committee = committee_rule(enrolled, corrupt, dropout);
    if (!committee) {
      user_error(
          "{}: no committee of {} enrolled parties is secure and correct ({} corrupt, {} lost). Enrol more, or make "
          "these smaller.",
          where_, enrolled, corrupt, dropout);
    }
    committee_ = *committee;
  }

  void check(const Composition& all) const override {
    for (const Wire& wire : all.wires) {
      if (wire.support != Support::data_dependent) continue;
      user_error(
          "{}: a codec chooses from a client's data which values of the channel '{}' are sent, and here all are. Leave "
          "out the codec, or use one whose choice is the same for all clients.",
          where_, wire.channel.name);
    }
    for (const RoundPart* part : all.parts) {
      if (!part->uses_feedback()) continue;
      user_error("{}: '{}' chooses or weighs clients by what they report, which encryption hides. Use another one.",
                 where_, part->name());
    }
  }
  std::vector<std::string> notes(const Composition& all) const override {
    return {fmt::format("one-shot sums: a committee of {}, of which {} may be corrupt and {} are needed",
                        committee_.members, committee_.corrupt, committee_.needed),
            fmt::format("upload of {} bytes a client; words of {} bits, of a total weight up to {}",
                        one_shot_bytes(committee_, blocks(all.wires)), bits_, most_weight(bits_))};
  }
  std::optional<std::int64_t> bytes_up(std::span<const Wire> wires, double) const override {
    return one_shot_bytes(committee_, blocks(wires));
  }
  std::string refuses(const AggregationPlan& plan) const override {
    for (std::size_t c = 0; c < plan.wires.size(); ++c) {
      // The demand of masked sums: rounding errors stay below a thousandth of the bound.
      const double values = plan.wires[c].channel.size;
      const double fine = std::min(1.0, 1e-3 * std::sqrt(plan.contributing.size() / values));
      if (plan.total_weight[c] / plan.scales[c].weight_unit <= std::ldexp(fine, bits_ - 2)) continue;
      return fmt::format("a total weight of {} in steps of {} does not fit words of {} bits", plan.total_weight[c],
                         plan.scales[c].weight_unit, bits_);
    }
    if (std::ssize(plan.contributing) > most_weight(bits_)) {
      return fmt::format("{} messages ({} at most)", plan.contributing.size(), most_weight(bits_));
    }
    return sums(plan)->failure(std::ssize(plan.contributing));
  }
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override { return sums(plan); }

 private:
  static std::int64_t blocks(std::span<const Wire> wires) {
    return (ring_words(wires) + lattice_degree - 1) / lattice_degree;
  }
  std::unique_ptr<OneShotSums> sums(const AggregationPlan& plan) const {
    return std::make_unique<OneShotSums>(plan, term_of(blocks(plan.wires)), answering(plan, committee_, lost_));
  }
  // The committee stays in office for the whole run; all threads of a rank use one.
  std::shared_ptr<const Term> term_of(std::int64_t blocks) const {
    const std::lock_guard lock(mutex_);
    if (term_ == nullptr || term_->terms.blocks != blocks) {
      term_ = std::make_shared<const Term>(committee_, blocks, bits_, minimum_);
    }
    return term_;
  }

  int bits_;
  std::int64_t minimum_;
  double lost_;
  std::string where_;
  Committee committee_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Term> term_;
};

}  // namespace

std::unique_ptr<Aggregator> one_shot(Settings& settings) { return std::make_unique<OneShot>(settings); }

}  // namespace shoal::aggregators
