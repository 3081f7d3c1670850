#include "sim/gossip/gossip_process.hpp"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <ctime>

#include "sim/gossip/run_gossip.hpp"
#include "sim/nn/pack_tensor.hpp"

namespace shoal {

GossipProcess::GossipProcess(Gossip gossip, GossipSettings settings)
    : gossip_(std::move(gossip)), settings_(std::move(settings)) {}

std::map<std::string, std::string> GossipProcess::provenance() const {
  const LocalSettings local = gossip_.local->at(1);
  return {{"data", settings_.data_digest},
          {"clients", std::to_string(gossip_.nodes())},
          {"block", std::to_string(local.block)},
          {"block form", name(local.form)}};
}

double GossipProcess::measure(double seconds) const {
  const at::NoGradGuard no_gradients;
  const LocalSettings local = gossip_.local->at(1);
  const std::int64_t nodes = gossip_.nodes();
  std::vector<Participation> block;
  double all_flops = 0, flops = 0;
  for (std::int64_t i = 0; i < nodes; ++i) {
    const double of_node = local_flops(gossip_.task->work(ClientId{i}), local, 1);
    all_flops += of_node;
    if (std::ssize(block) >= local.block) continue;
    flops += of_node;
    block.push_back({.id = ParticipationId{i}, .client = ClientId{i}});
  }
  // Processor time, which other processes on the machine do not lengthen.
  const auto time_of = [](const auto& work) {
    const auto now = [] { return 1.0 * std::clock() / CLOCKS_PER_SEC; };
    const double begin = now();
    work();
    return now() - begin;
  };
  GossipState state(gossip_, 1, 0);
  Trainers trainers(*gossip_.task, 1);
  double best = 0, passed = 0;
  for (int attempt = 0; attempt < 4 && passed <= seconds; ++attempt) {  // the first one is slow
    trainers.for_each(1, [&](int, std::size_t, Trainer& trainer) {
      const double took = time_of([&] {
        trainer.open(block, local);
        trainer.fit(state.initial.to(device()), {});
      });
      best = attempt == 0 ? took : std::min(best, took);
      passed += took;
    });
  }
  const double share = flops > 0 ? all_flops / flops : 1.0 * nodes / block.size();
  const std::unique_ptr<Communicator> comm = single_rank();
  double round = best * share;
  // A whole round is timed if it is short: nodes also exchange and mix their models.
  for (int attempt = 0; attempt < 2 && round <= seconds; ++attempt) {
    round = time_of([&] { run_gossip(gossip_, state, *comm, trainers); });
  }
  const Schedule& plan = schedule();
  const std::int64_t evaluations = (plan.rounds + plan.evaluate_every - 1) / plan.evaluate_every;
  const std::int64_t chunks = gossip_.task->chunks(plan.evaluate_on);
  double evaluation = 0;
  for (int attempt = 0; attempt < 2 && chunks > 0; ++attempt) {
    trainers.for_each(1, [&](int, std::size_t, Trainer& trainer) {
      evaluation = time_of([&] { trainer.evaluate(state.initial.to(device()), {plan.evaluate_on, 0}); });
    });
  }
  return round * plan.rounds + evaluation * chunks * evaluations;
}

Trainers& GossipProcess::trainers(ThreadPool& pool) {
  if (!trainers_) trainers_.emplace(*gossip_.task, pool);
  return *trainers_;
}

RoundRecord GossipProcess::step(Communicator& comm, ThreadPool& pool) {
  return run_gossip(gossip_, *state_, comm, trainers(pool));
}

void GossipProcess::evaluate(std::string_view set, Communicator& comm, ThreadPool& pool, Measures& measures) {
  const Evaluation seen = shoal::evaluate(state_->mean, set, *gossip_.task, comm, trainers(pool));
  measures["accuracy"] = seen.accuracy();
  measures["loss"] = seen.mean_loss();
}

std::vector<NamedModel> GossipProcess::models() const {
  return {{"mean model", state_->mean, &gossip_.task->layout()}};
}

void GossipProcess::pack(Packer& packer) const {
  packer.number(state_->round).number(value(state_->now)).number(value(state_->next_id));
  pack_tensor(packer, state_->mean);
}

void GossipProcess::unpack(Unpacker& unpacker) {
  state_->round = unpacker.number<std::int64_t>();
  state_->now = Ticks{unpacker.number<std::int64_t>()};
  state_->next_id = ParticipationId{unpacker.number<std::int64_t>()};
  const at::Tensor mean = unpack_tensor(unpacker);
  if (mean.dim() != 1 || mean.numel() != state_->mean.numel() || mean.scalar_type() != state_->mean.scalar_type()) {
    user_error(
        "a checkpoint has a model of another size than the experiment. Resume with the experiment that wrote it.");
  }
  state_->mean = mean.to(device());
}

}  // namespace shoal
