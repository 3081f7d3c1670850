#pragma once
// The process that runs a federation with a server.

#include <memory>
#include <optional>

#include "sim/round/process.hpp"

namespace shoal {

/// How a federation is run and evaluated.
struct FederatedSettings {
  Schedule schedule{};
  std::int64_t personal_clients = 0;  // number of clients whose own models are evaluated on their own examples
  std::string data_digest{};          // digest of the data's contents, or of a policy's weights; may be empty
};

class FederatedProcess final : public Process {
 public:
  FederatedProcess(Federation federation, FederatedSettings settings);

  const FederatedSettings& settings() const { return settings_; }
  const Schedule& schedule() const override { return settings_.schedule; }
  at::Device device() const override { return federation_.task->layout().device; }
  std::map<std::string, std::string> provenance() const override;
  std::vector<std::string> notes() const override { return federation_.notes(); }
  bool reproducible() const override { return federation_.aggregator->reproducible(); }
  const Federation* federation() const override { return &federation_; }

  void start(const Communicator& comm) override;
  const FederationState& state() const { return *state_; }
  std::int64_t round() const override { return state_->round; }
  RoundRecord step(Communicator& comm, ThreadPool& pool) override;
  /// Measures "accuracy" and "loss" of the server's model and, with `personal_clients`, "personal_accuracy",
  /// "personal_accuracy_p10" and "personal_loss".
  void evaluate(std::string_view set, Communicator& comm, ThreadPool& pool, RoundRecord& record) override;
  std::vector<NamedModel> models() const override;
  std::vector<ClientMemory*> memories() override;
  void pack(Packer& packer) const override;
  void unpack(Unpacker& unpacker) override;

 private:
  Trainers& trainers(ThreadPool& pool);

  Federation federation_;
  FederatedSettings settings_;
  std::optional<FederationState> state_;
  std::optional<Trainers> trainers_;
};

}  // namespace shoal
