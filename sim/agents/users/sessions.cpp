#include "sim/agents/users/sessions.hpp"

#include <algorithm>
#include <cmath>

#include "sim/agents/all_finite.hpp"
#include "sim/agents/group_advantage.hpp"

namespace shoal {
namespace {

bool is_well_formed(const Judgement& judgement, const Reply& reply) {
  if (!(std::abs(judgement.reward) <= 1)) return false;  // NaN fails the comparison too
  return reply.tokens.size() == reply.log_probs.size() && all_finite(reply.log_probs);
}

// A session in progress.
class RunningSession {
 public:
  RunningSession(Session& session, const talk::UserBehaviour& behaviour, const Judge& judge, SessionLog& log)
      : session_(session),
        behaviour_(behaviour),
        judge_(judge),
        log_(log),
        conversation_(session.user, behaviour, session.world) {
    next();
  }

  bool over() const { return over_; }
  const std::vector<Token>& prompt() const { return prompt_; }
  std::size_t group() const { return 1 + session_.others.size(); }
  RandomStream& draws(std::size_t reply) { return reply == 0 ? session_.replies : session_.others[reply - 1]; }

  // The first reply is the one that the user sees.
  void receive(std::span<Reply> replies, double temperature) {
    std::vector<FollowUp> followed;
    for (std::size_t i = 1; i < replies.size(); ++i) {
      talk::Conversation other = conversation_;
      RandomStream world = session_.world;
      followed.push_back(react(other, world, replies[i]));
    }
    followed.insert(followed.begin(), react(conversation_, session_.world, replies[0]));
    if (in_tools_) ++tool_turns_;
    const std::vector<Token> prompt = prompt_;
    next();
    const std::size_t first = log_.replies.size();
    for (std::size_t i = 0; i < replies.size(); ++i) {
      judge({.prompt = prompt, .reply = std::move(replies[i]), .temperature = temperature}, followed[i]);
    }
    if (replies.size() > 1) compare(std::span(log_.replies).subspan(first));
  }

 private:
  struct FollowUp {
    Evidence evidence;
    std::optional<talk::Rule> said;
  };

  FollowUp react(talk::Conversation& conversation, RandomStream& world, const Reply& reply) const {
    if (in_tools_) return {talk::evidence_of_tool(world.uniform() < behaviour_.tool_success), {}};
    const talk::Reaction reaction = conversation.react(reply.tokens, world);
    return {talk::evidence_of(reaction, conversation.done()), reaction.said};
  }

  void judge(JudgedReply turn, const FollowUp& followed) {
    Judgement judgement{.valid = 0};  // neither vote nor hint where no state follows
    if (!over_) judgement = judge_.judge(followed.evidence, session_.judging);
    turn.draw = session_.judging.uniform();
    if (!is_well_formed(judgement, turn.reply)) {
      ++log_.rejected;
      return;
    }
    turn.signals.reward = judgement.reward;
    turn.signals.judged = judgement.valid > 0;
    if (judgement.hint != Hint::none && followed.said) {
      const std::vector<Token> hint = talk::hint_tokens(judgement.hint, *followed.said, session_.judging);
      turn.signals.hints = 1;
      turn.hinted.push_back(talk::Conversation::hinted(turn.prompt, hint));
    }
    log_.replies.push_back(std::move(turn));
  }

  // Replies without a verdict are not part of the group.
  static void compare(std::span<JudgedReply> group) {
    std::vector<JudgedReply*> judged;
    std::vector<double> rewards;
    for (JudgedReply& reply : group) {
      if (!reply.signals.judged) continue;
      judged.push_back(&reply);
      rewards.push_back(reply.signals.reward);
    }
    const std::vector<double> advantages = group_advantages(rewards);
    for (std::size_t i = 0; i < advantages.size(); ++i) judged[i]->signals.advantage = advantages[i];
  }

  void next() {
    in_tools_ = conversation_.done();
    over_ = in_tools_ && tool_turns_ >= behaviour_.tool_turns;
    if (over_) return;
    prompt_ = in_tools_ ? talk::tool_prompt(session_.user, session_.world) : conversation_.prompt();
  }

  Session& session_;
  const talk::UserBehaviour& behaviour_;
  const Judge& judge_;
  SessionLog& log_;
  talk::Conversation conversation_;
  std::vector<Token> prompt_;
  int tool_turns_ = 0;
  bool in_tools_ = false, over_ = false;
};

}  // namespace

std::vector<SessionLog> hold_sessions(RolloutWorker& worker, std::span<Session> sessions,
                                      const talk::UserBehaviour& behaviour, const Judge& judge, double temperature) {
  std::vector<SessionLog> logs(sessions.size());
  std::vector<RunningSession> running;
  running.reserve(sessions.size());
  for (std::size_t i = 0; i < sessions.size(); ++i) running.emplace_back(sessions[i], behaviour, judge, logs[i]);

  std::vector<RunningSession*> active;
  std::vector<std::span<const Token>> prompts;
  std::vector<RandomStream> random;
  std::vector<Reply> replies;
  while (true) {
    active.clear();
    prompts.clear();
    random.clear();
    for (RunningSession& session : running) {
      if (session.over()) continue;
      active.push_back(&session);
      for (std::size_t i = 0; i < session.group(); ++i) {
        prompts.emplace_back(session.prompt());
        random.push_back(session.draws(i));
      }
    }
    if (active.empty()) return logs;
    replies.assign(prompts.size(), {});
    worker.reply(prompts, temperature, random, replies);
    std::size_t at = 0;
    for (RunningSession* session : active) {
      const std::size_t group = session->group();
      for (std::size_t i = 0; i < group; ++i) session->draws(i) = random[at + i];
      session->receive(std::span(replies).subspan(at, group), temperature);
      at += group;
    }
  }
}

}  // namespace shoal
