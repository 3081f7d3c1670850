#include "sim/round/federated_process.hpp"

#include "sim/round/pack_state.hpp"
#include "sim/round/personal.hpp"
#include "sim/round/run_round.hpp"

namespace shoal {
namespace {

std::string description(const Mechanism& mechanism) {
  std::string text = fmt::format("{}, sensitivity {}, noise multiplier {}, channels", name(mechanism.law),
                                 mechanism.sensitivity, mechanism.noise_multiplier);
  for (const std::string& channel : mechanism.channels) text += " " + channel;
  return text;
}

}  // namespace

FederatedProcess::FederatedProcess(Federation federation, FederatedSettings settings)
    : federation_(std::move(federation)), settings_(std::move(settings)) {}

std::map<std::string, std::string> FederatedProcess::provenance() const {
  const LocalSettings local = federation_.local->at(1);
  std::map<std::string, std::string> facts = {{"data", settings_.data_digest},
                                              {"clients", std::to_string(federation_.task->clients())},
                                              {"block", std::to_string(local.block)},
                                              {"block form", name(local.form)}};
  federation_.with_composition([&](const Composition& all) {
    for (const auto& [section, part] : federation_.sections()) {
      for (const Mechanism& mechanism : part->mechanisms(all)) {
        facts[fmt::format("mechanism {}", section)] = description(mechanism);
      }
    }
  });
  return facts;
}

void FederatedProcess::start(const Communicator& comm) { state_.emplace(federation_, comm.size(), comm.rank()); }

Trainers& FederatedProcess::trainers(ThreadPool& pool) {
  if (!trainers_) trainers_.emplace(*federation_.task, pool);
  return *trainers_;
}

RoundRecord FederatedProcess::step(Communicator& comm, ThreadPool& pool) {
  return run_round(federation_, *state_, comm, trainers(pool));
}

void FederatedProcess::evaluate(std::string_view set, Communicator& comm, ThreadPool& pool, RoundRecord& record) {
  const Evaluation seen = shoal::evaluate(state_->strategy().params(), set, *federation_.task, comm, trainers(pool));
  record.measures["accuracy"] = seen.accuracy();
  record.measures["loss"] = seen.mean_loss();
  if (settings_.personal_clients == 0) return;
  const PersonalEvaluation own =
      evaluate_personal(federation_, *state_, set, settings_.personal_clients, comm, trainers(pool));
  record.measures["personal_accuracy"] = own.accuracy;
  record.measures["personal_accuracy_p10"] = own.accuracy_p10;
  record.measures["personal_loss"] = own.loss;
  record.tables["personal"] = personal_table(own, record.round);
}

std::vector<NamedModel> FederatedProcess::models() const {
  return {{"model", state_->strategy().params(), &federation_.task->layout()}};
}

std::vector<ClientMemory*> FederatedProcess::memories() {
  if (state_->memory.empty()) return {};
  return {&state_->memory};
}

void FederatedProcess::pack(Packer& packer) const { shoal::pack(packer, *state_); }

void FederatedProcess::unpack(Unpacker& unpacker) { shoal::unpack(unpacker, *state_); }

}  // namespace shoal
