#pragma once
// The process that runs decentralized learning: nodes on a graph, without a server.

#include <optional>

#include "sim/gossip/gossip.hpp"
#include "sim/round/process.hpp"

namespace shoal {

/// How decentralized learning is run and evaluated.
struct GossipSettings {
  Schedule schedule{};
  std::string data_digest{};  // digest of the data's contents, or of a policy's weights; may be empty
};

/// Each step is a round of gossip. The model is the mean of all nodes' models.
class GossipProcess final : public Process {
 public:
  GossipProcess(Gossip gossip, GossipSettings settings);

  const Gossip& gossip() const { return gossip_; }
  const Schedule& schedule() const override { return settings_.schedule; }
  at::Device device() const override { return gossip_.task->layout().device; }
  std::map<std::string, std::string> provenance() const override;
  std::vector<std::string> notes() const override { return gossip_.notes(); }
  /// Times the training of one block. Mixing and the exchange are not counted.
  double measure(double seconds) const override;

  void start(const Communicator& comm) override { state_.emplace(gossip_, comm.size(), comm.rank()); }
  const GossipState& state() const { return *state_; }
  std::int64_t round() const override { return state_->round; }
  RoundRecord step(Communicator& comm, ThreadPool& pool) override;
  /// Measures "accuracy" and "loss" of the mean model.
  void evaluate(std::string_view set, Communicator& comm, ThreadPool& pool, RoundRecord& record) override;
  std::vector<NamedModel> models() const override;
  std::vector<ClientMemory*> memories() override { return {&state_->memory}; }
  void pack(Packer& packer) const override;
  void unpack(Unpacker& unpacker) override;

 private:
  Trainers& trainers(ThreadPool& pool);

  Gossip gossip_;
  GossipSettings settings_;
  std::optional<GossipState> state_;
  std::optional<Trainers> trainers_;
};

}  // namespace shoal
