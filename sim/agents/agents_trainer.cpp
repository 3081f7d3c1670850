#include "sim/agents/agents_trainer.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "sim/task/local_update.hpp"

namespace shoal {

AgentsTrainer::AgentsTrainer(const AgentsTask& task)
    : task_(task), worker_(task.policy().rollout_worker()), learner_(task.policy(), task.objective()) {}

void AgentsTrainer::open(std::span<const Participation> block, const LocalSettings& local, int pass) {
  block_ = block;
  pass_ = pass;
  local_ = local;
  reserve();
  if (local.momentum > 0) momentum_ = at::zeros({std::ssize(block), task_.layout().size}, task_.layout().options());
}

void AgentsTrainer::reserve() {
  const std::int64_t clients = std::ssize(block_), d = task_.layout().size;
  for (at::Tensor* buffer : {&params_, &gradients_}) {
    if (!is_free(*buffer) || buffer->size(0) != clients) *buffer = at::zeros({clients, d}, task_.layout().options());
  }
}

AgentsTrainer::Batch AgentsTrainer::usable(std::span<SessionLog> logs) const {
  Batch batch;
  for (SessionLog& log : logs) {
    batch.rejected += log.rejected;
    for (JudgedReply& reply : log.replies) {
      if (task_.compares() && reply.signals.advantage == 0) continue;
      if (task_.objective().takes(reply.signals)) batch.replies.push_back(std::move(reply));
    }
  }
  return batch;
}

std::vector<AgentsTrainer::Batch> AgentsTrainer::roll_out(std::span<const std::int64_t> clients, std::int64_t step,
                                                          const at::Tensor& params) {
  const std::int64_t number = step + (pass_ << 32);
  const AgentsSettings& settings = task_.settings();
  const auto hold = [&](std::vector<Session>& sessions, const at::Tensor& weights) {
    worker_->load(weights);
    return hold_sessions(*worker_, sessions, settings.behaviour, task_.judge(), settings.temperature);
  };
  std::vector<Batch> batches;
  if (local_.form != BlockForm::in_turn && params.dim() == 1) {
    std::vector<Session> sessions;
    for (const std::int64_t k : clients) {
      for (Session& session : task_.sessions(block_[k], number)) sessions.push_back(std::move(session));
    }
    std::vector<SessionLog> logs = hold(sessions, params);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      batches.push_back(usable(std::span(logs).subspan(i * settings.sessions, settings.sessions)));
    }
    return batches;
  }
  for (const std::int64_t k : clients) {
    std::vector<Session> sessions = task_.sessions(block_[k], number);
    std::vector<SessionLog> logs = hold(sessions, row_or_shared(params, k));
    batches.push_back(usable(logs));
  }
  return batches;
}

void AgentsTrainer::finish_figures(LocalResult& result) const {
  for (std::size_t k = 0; k < result.figures.size(); ++k) {
    const double mean = entropies_[k] / tokens_[k];
    // One NaN, whatever the arithmetic made of a policy that is not finite.
    result.figures[k].figures = {std::isfinite(mean) ? mean : std::numeric_limits<double>::quiet_NaN()};
  }
}

void AgentsTrainer::differentiate(std::int64_t k, const Batch& batch, const at::Tensor& params, LocalResult& result) {
  at::Tensor gradient = gradients_.select(0, k);
  gradient.zero_();
  result.figures[k].rejected_examples += batch.rejected;
  if (batch.replies.empty()) return;
  const Weights weights{.current = params,
                        .old = {},
                        .teacher = task_.settings().live_teacher ? params : task_.initial(),
                        .kl_to_teacher = task_.settings().kl_to_teacher};
  const BatchMeasures found = learner_.gradient(weights, batch.replies, gradient);
  tokens_[k] += found.tokens;
  entropies_[k] += found.entropy * found.tokens;
  const auto count = std::ssize(batch.replies), kept = count - found.rejected;
  result.figures[k].rejected_examples += found.rejected;
  result.figures[k].examples += kept;
  if (kept == 0) return;
  // The learner's mean is over all replies; those that it rejected must not dilute it.
  const double scale = 1.0 * count / kept;
  if (kept < count) gradient.mul_(scale);
  result.figures[k].loss += scale * found.loss;
}

LocalResult AgentsTrainer::fit(const at::Tensor& start, const Correction& correction) {
  if (correction.loss) {
    user_error(
        "[strategy] changes the loss by a term of a model's outputs, and agents have an [objective] instead. Use "
        "[data] "
        "and [model], or another strategy.");
  }
  reserve();
  params_.copy_(start.expand_as(params_));
  const LocalUpdate<float> update({params_, gradients_, local_.momentum > 0 ? momentum_ : at::Tensor()}, local_,
                                  correction, trained_ranges(task_.layout(), correction.trainable));
  LocalResult result{.figures = planned_figures(task_, block_, local_), .counts_examples = true};
  entropies_.assign(block_.size(), 0);
  tokens_.assign(block_.size(), 0);
  for (std::int64_t k = 0; correction.program && k < std::ssize(block_); ++k) {
    run_program(k, correction, update, result);
  }
  for (std::int64_t step = 0; !correction.program; ++step) {
    const std::vector<std::int64_t> active = active_clients(result.figures, step);
    if (active.empty()) break;
    const std::vector<Batch> batches = roll_out(active, step, step == 0 && start.dim() == 1 ? start : params_);
    for (std::size_t i = 0; i < active.size(); ++i) {
      differentiate(active[i], batches[i], row_or_shared(params_, active[i]), result);
    }
    update.run(active);
  }
  for (ClientFigures& client : result.figures) {
    const double steps = client.steps;
    client.loss /= steps;
    // A client that used any reply has a weight of at least 1.
    const std::int64_t mean = std::llround(client.examples / steps);
    client.examples = std::max(mean, std::min<std::int64_t>(client.examples, 1));
  }
  finish_figures(result);
  result.delta = Rows(params_.sub_(start));
  return result;
}

void AgentsTrainer::run_program(std::int64_t k, const Correction& correction, const LocalUpdate<float>& update,
                                LocalResult& result) {
  std::optional<Batch> batches[2];  // this one, the next one
  bool is_first = true;
  LocalResult not_recorded{.figures = std::vector<ClientFigures>(block_.size())};
  Step step(
      params_.narrow(0, k, 1), local_, std::span(&k, 1),
      [&](const at::Tensor& at, Which which) {
        const bool ahead = which == Which::next_batch;
        std::optional<Batch>& batch = batches[ahead ? 1 : 0];
        if (!batch) batch = std::move(roll_out({&k, 1}, step.number() + (ahead ? 1 : 0), params_).front());
        differentiate(k, *batch, row_or_shared(at, 0).contiguous(), is_first ? result : not_recorded);
        is_first = false;
        return gradients_.narrow(0, k, 1).clone();
      },
      [&](const at::Tensor& gradient) {
        gradients_.select(0, k).copy_(row_or_shared(gradient, 0));
        update.change(k);
      });
  for (std::int64_t s = 0; s < result.figures[k].steps; ++s) {
    for (std::optional<Batch>& batch : batches) batch.reset();
    step.begin(s, 1);
    is_first = true;
    correction.program(step);
  }
  step.give_kept(std::ssize(block_), result.kept);
}

LocalResult AgentsTrainer::gradient(const at::Tensor& params) {
  reserve();
  std::vector<std::int64_t> all(block_.size());
  std::iota(all.begin(), all.end(), 0);
  LocalResult result{.figures = std::vector<ClientFigures>(block_.size(), {.steps = 1}), .counts_examples = true};
  entropies_.assign(block_.size(), 0);
  tokens_.assign(block_.size(), 0);
  const std::vector<Batch> batches = roll_out(all, 0, params);
  for (const std::int64_t k : all) differentiate(k, batches[k], row_or_shared(params, k), result);
  finish_figures(result);
  result.delta = Rows(gradients_);
  return result;
}

Evaluation AgentsTrainer::evaluate(const at::Tensor& params, const ExampleChunk& chunk) {
  ensure(chunk.index >= 0 && chunk.index < task_.chunks(chunk.set), "evaluation chunk {} of {}", chunk.index,
         task_.chunks(chunk.set));
  const AgentsSettings& settings = task_.settings();
  const bool test = chunk.set == "test";
  const std::int64_t first = chunk.index * AgentsTask::users_per_chunk;
  const std::int64_t count =
      std::min(AgentsTask::users_per_chunk, (test ? settings.test_users : settings.users) - first);
  std::vector<std::int64_t> users(count);
  std::iota(users.begin(), users.end(), first + (test ? settings.users : 0));
  return first_turns(params, users, 1, chunk.set);
}

Evaluation AgentsTrainer::evaluate_own(const at::Tensor& params, ClientId client, std::string_view set) {
  if (task_.chunks(set) == 0) return {};  // there is no such set
  const std::int64_t user = value(client);
  return first_turns(params, {&user, 1}, task_.settings().own_turns, set);
}

Evaluation AgentsTrainer::first_turns(const at::Tensor& params, std::span<const std::int64_t> users,
                                      std::int64_t questions, std::string_view set) {
  const RandomKey key = random_key(task_.seed(), "agents/evaluation");
  // The questions of the two sets have different random draws.
  const std::int64_t offset = set == "test" ? std::int64_t{2} << 28 : 0;
  std::vector<talk::User> talkers;
  talkers.reserve(users.size());  // conversations keep pointers to them
  std::vector<talk::Conversation> conversations;
  std::vector<RandomStream> random;
  std::vector<std::vector<Token>> prompts;
  for (const std::int64_t user : users) {
    talkers.push_back(task_.user(user));
    for (std::int64_t q = 0; q < questions; ++q) {
      random.emplace_back(key, user, offset + q);
      conversations.emplace_back(talkers.back(), task_.settings().behaviour, random.back());
      prompts.push_back(conversations.back().prompt());
    }
  }
  std::vector<Reply> replies(prompts.size());
  worker_->load(params);
  worker_->reply(std::vector<std::span<const Token>>(prompts.begin(), prompts.end()), task_.settings().temperature,
                 random, replies);
  Evaluation result{.examples = std::ssize(replies)};
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const talk::Reaction reaction = conversations[i].react(replies[i].tokens, random[i]);
    result.correct += reaction.follows ? 1 : 0;
    wrong += reaction.correct ? 0 : 1;
  }
  result.loss = Evaluation::to_units(wrong);
  return result;
}

}  // namespace shoal
