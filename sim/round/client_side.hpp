#pragma once
// The client's side of a federation: everything that happens between a download and the sum.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/round/aggregator.hpp"
#include "sim/round/ahead.hpp"
#include "sim/round/codec.hpp"

namespace shoal {

struct Federation;

/// The section of a part and its random key on the client's side.
struct PartKey {
  std::string section;
  RandomKey key;
};

/// Trains blocks of clients and makes their contributions to the sum. It knows the composed parts, and of a round only
/// its arguments, never the server's state: a block may be trained ahead of its commit, or in another process that got
/// the message, the participations and the clients' memory as bytes (pack_exchange.hpp). Constant, so that threads can
/// share it.
class ClientSide {
 public:
  /// `federation` must outlive the object.
  explicit ClientSide(const Federation& federation);

  const std::vector<Channel>& channels(std::int32_t group = 0) const { return form(group).channels; }
  /// The form in which each channel is summed.
  const std::vector<Wire>& wires(std::int32_t group = 0) const { return form(group).wires.back(); }
  const std::vector<MemorySlot>& memory() const { return memory_; }
  /// The section of stage `s`, counted from 0.
  const std::string& stage_section(std::size_t s) const { return stages_[s].section; }
  double expected_cohort() const { return expected_cohort_; }
  /// Bytes that one client of the group is expected to send.
  std::int64_t expected_bytes_up(std::int32_t group = 0) const { return form(group).expected_bytes_up; }

  /// Takes a block from its message through local training, stages, attack and codecs. `memory` holds each client's
  /// memory. Clients whose update is not finite or exceeds its channel's bound are marked as rejected. The result
  /// shares memory of the trainer until its next block.
  TrainedBlock train(const Message& message, std::span<const Participation> block, std::vector<ClientRecord> memory,
                     Trainer& trainer) const;
  /// The update that the server makes on its own examples, as a participation of its own (Task::server_client): local
  /// training and stages, in the layout of a row. On the host.
  at::Tensor train_reference(const Message& message, const Participation& server, Trainer& trainer) const;
  /// The block's contribution to the sums of `plan`; `done.channels` are moved there. `factors` are the commits'
  /// weights. Rejects clients whose weight is not finite or outside its channel's limits.
  Contribution contribute(const AggregationPlan& plan, TrainedBlock& done, std::span<const Participation> block,
                          std::span<const double> factors) const;
  /// Recovers the means of a group's channels from those of the words. `section_of(name)` is the State of a part's
  /// section. Where a codec settles, `settle(work)` is called with what has to be done for each client of the group:
  /// work(record).
  template <class SectionOf, class Settle>
  void decode(Aggregate& sums, std::int32_t group, const SectionOf& section_of, const Settle& settle) const {
    const Form& own = form(group);
    for (std::size_t c = 0; c < own.channels.size(); ++c) {
      if (own.channels[c].needs_mean) continue;
      for (std::size_t i = codecs_.size(); i-- > 0;) {
        const std::string& section = codecs_[i].section;
        State& state = section_of(section);
        sums.means[c] = codec(i).decode_sum(std::move(sums.means[c]), state, own.wires[i][c]);
        if (!codec(i).settles()) continue;
        settle([&](ClientRecord& record) {
          WrittenMemory written(memory_, record, section);
          codec(i).settle(written, sums.means[c], state, own.wires[i][c]);
        });
      }
    }
  }

 private:
  // The traffic of groups that train the same variant of the model.
  struct Form {
    std::vector<Channel> channels;
    std::vector<std::vector<Wire>> wires;  // before each codec and after the last, per channel
    std::optional<std::int64_t> bytes_up;  // the bytes of every client, if the aggregator says them
    std::int64_t expected_bytes_up = 0;
  };
  // A part that works on single channels: its place among its kind, its section and its keys, one per channel.
  struct ChannelKeys {
    std::size_t place;
    std::string section;
    std::vector<RandomKey> keys;
  };

  const Codec& codec(std::size_t i) const;
  const Form& form(std::int32_t group) const { return forms_[variant_of_[group]]; }
  ChannelKeys keys_of(std::size_t place, const std::string& section) const;
  PartContext context(const std::string& section, RandomKey key, std::span<const Participation> block) const;
  UpdateBlock update_of(const Message& message, ClientBlock& clients) const;
  void encode(const Message& message, ClientBlock& clients, UpdateBlock& update, TrainedBlock& done) const;
  void add_in_ring(const AggregationPlan& plan, Contribution& contribution, std::span<const Participation> block) const;

  const Federation& federation_;
  std::vector<std::int32_t> variant_of_;  // the variant that each group trains
  std::vector<Form> forms_;               // per variant
  std::size_t strategy_channels_;         // number of the strategy's channels, which come first
  std::vector<MemorySlot> memory_;
  double expected_cohort_;
  std::string strategy_section_;
  std::vector<PartKey> stages_;
  PartKey attack_;
  std::vector<ChannelKeys> codecs_, ring_;  // all codecs; the stages that work in the ring
  bool changes_words_ = false;
};

/// How a block is trained: usually by `ClientSide::train` here, but it may be sent to another process.
using TrainClients = std::function<TrainedBlock(const ClientSide&, const Message&, std::span<const Participation>,
                                                std::vector<ClientRecord> memory, Trainer&)>;

}  // namespace shoal
