#pragma once
// Training and evaluation of federated agents, for one thread.

#include "sim/agents/agents_task.hpp"
#include "sim/task/local_update.hpp"

namespace shoal {

class AgentsTrainer final : public Trainer {
 public:
  explicit AgentsTrainer(const AgentsTask& task);

  void open(std::span<const Participation> block, const LocalSettings& local, int pass = 0) override;
  /// Clients train one after the other. In the stacked forms they hold the sessions of their first step together, since
  /// they all start with the same weights. In a step program, a batch are the replies of the step's sessions, sampled
  /// by the parameters at the first gradient on it; the next batch is sampled anew by the step that takes it.
  LocalResult fit(const at::Tensor& start, const Correction& correction) override;
  /// The gradient of the mean loss over the replies of the first local step.
  LocalResult gradient(const at::Tensor& params) override;
  Evaluation evaluate(const at::Tensor& params, const ExampleChunk& chunk) override;
  /// Evaluates first turns of the client's user.
  Evaluation evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) override;

 private:
  /// The replies of one local step of a client.
  struct Batch {
    std::vector<JudgedReply> replies;
    std::int64_t rejected = 0;
  };

  Batch usable(std::span<SessionLog> logs) const;
  /// Batches of the given clients of the block, sampled by the policies in their rows of `params` or by the shared one.
  std::vector<Batch> roll_out(std::span<const std::int64_t> clients, std::int64_t step, const at::Tensor& params);
  /// Sets the gradient of client k on its batch in its row; adds loss, examples and rejected to `result`.
  void differentiate(std::int64_t k, const Batch& batch, const at::Tensor& params, LocalResult& result);
  /// Turns the entropies of all tokens into the clients' means.
  void finish_figures(LocalResult& result) const;
  /// Makes buffers for the block that no result shares.
  void reserve();
  void run_program(std::int64_t k, const Correction& correction, const LocalUpdate<float>& update, LocalResult& result);
  /// Evaluates one reply to each of `questions` first turns of each user.
  Evaluation first_turns(const at::Tensor& params, std::span<const std::int64_t> users, std::int64_t questions,
                         std::string_view set);

  const AgentsTask& task_;
  std::unique_ptr<RolloutWorker> worker_;
  Learner learner_;
  std::span<const Participation> block_;
  LocalSettings local_;
  std::int64_t pass_ = 0;
  at::Tensor params_, gradients_, momentum_;  // [K, d]
  std::vector<double> entropies_;             // [K], sums over the tokens of a call's replies
  std::vector<std::int64_t> tokens_;          // [K]
};

}  // namespace shoal
