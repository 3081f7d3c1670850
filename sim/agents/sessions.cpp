#include "sim/agents/sessions.hpp"

#include <algorithm>
#include <cmath>

#include "sim/agents/all_finite.hpp"
#include "sim/agents/group_advantage.hpp"

namespace shoal {
namespace {

bool is_well_formed(const Judgement& judgement, const Reply& reply) {
  if (!(std::abs(judgement.reward) <= 1)) return false;  // nor is it a number
  return reply.tokens.size() == reply.log_probs.size() && all_finite(reply.log_probs);
}

// A session that goes on.
class Talk {
 public:
  Talk(Session& session, const talk::Manners& manners, const Judge& judge, SessionLog& log)
      : session_(session),
        manners_(manners),
        judge_(judge),
        log_(log),
        conversation_(session.user, manners, session.world) {
    next();
  }

  bool over() const { return over_; }
  const std::vector<Token>& prompt() const { return prompt_; }
  std::size_t group() const { return 1 + session_.others.size(); }
  RandomStream& draws(std::size_t reply) { return reply == 0 ? session_.replies : session_.others[reply - 1]; }

  // The first reply is the one that the user gets.
  void hear(std::span<Reply> replies, double temperature) {
    std::vector<Heard> heard;
    for (std::size_t i = 1; i < replies.size(); ++i) {
      talk::Conversation other = conversation_;
      RandomStream world = session_.world;
      heard.push_back(react(other, world, replies[i]));
    }
    heard.insert(heard.begin(), react(conversation_, session_.world, replies[0]));
    tool_turns_ += in_tools_ ? 1 : 0;
    const std::vector<Token> prompt = prompt_;
    next();
    const std::size_t first = log_.replies.size();
    for (std::size_t i = 0; i < replies.size(); ++i) {
      judge({.prompt = prompt, .reply = std::move(replies[i]), .temperature = temperature}, heard[i]);
    }
    if (replies.size() > 1) compare(std::span(log_.replies).subspan(first));
  }

 private:
  struct Heard {
    Evidence evidence;
    std::optional<talk::Rule> said;
  };

  Heard react(talk::Conversation& conversation, RandomStream& world, const Reply& reply) const {
    if (in_tools_) return {talk::evidence_of_tool(world.uniform() < manners_.tool_success), {}};
    const talk::Reaction reaction = conversation.hear(reply.tokens, world);
    return {talk::evidence_of(reaction, conversation.done()), reaction.said};
  }

  void judge(JudgedReply turn, const Heard& heard) {
    Judgement judgement;  // nothing, where no state follows
    if (!over_) judgement = judge_.judge(heard.evidence, session_.judging);
    turn.draw = session_.judging.uniform();
    if (!is_well_formed(judgement, turn.reply)) {
      ++log_.rejected;
      return;
    }
    turn.signals.reward = judgement.reward;
    if (judgement.hint != Hint::none && heard.said) {
      const std::vector<Token> hint = talk::hint_tokens(judgement.hint, *heard.said, session_.judging);
      turn.signals.hints = 1;
      turn.hinted.push_back(talk::Conversation::hinted(turn.prompt, hint));
    }
    log_.replies.push_back(std::move(turn));
  }

  static void compare(std::span<JudgedReply> group) {
    std::vector<double> rewards;
    for (const JudgedReply& reply : group) rewards.push_back(reply.signals.reward);
    const std::vector<double> advantages = group_advantages(rewards);
    for (std::size_t i = 0; i < advantages.size(); ++i) group[i].signals.advantage = advantages[i];
  }

  void next() {
    in_tools_ = conversation_.done();
    over_ = in_tools_ && tool_turns_ >= manners_.tool_turns;
    if (over_) return;
    prompt_ = in_tools_ ? talk::tool_prompt(session_.user, session_.world) : conversation_.prompt();
  }

  Session& session_;
  const talk::Manners& manners_;
  const Judge& judge_;
  SessionLog& log_;
  talk::Conversation conversation_;
  std::vector<Token> prompt_;
  int tool_turns_ = 0;
  bool in_tools_ = false, over_ = false;
};

}  // namespace

std::vector<SessionLog> hold_sessions(RolloutWorker& worker, std::span<Session> sessions, const talk::Manners& manners,
                                      const Judge& judge, double temperature) {
  std::vector<SessionLog> logs(sessions.size());
  std::vector<Talk> talks;
  talks.reserve(sessions.size());
  for (std::size_t i = 0; i < sessions.size(); ++i) talks.emplace_back(sessions[i], manners, judge, logs[i]);

  std::vector<Talk*> active;
  std::vector<std::span<const Token>> prompts;
  std::vector<RandomStream> random;
  std::vector<Reply> replies;
  while (true) {
    active.clear(), prompts.clear(), random.clear();
    for (Talk& talk : talks) {
      if (talk.over()) continue;
      active.push_back(&talk);
      for (std::size_t i = 0; i < talk.group(); ++i) {
        prompts.emplace_back(talk.prompt());
        random.push_back(talk.draws(i));
      }
    }
    if (active.empty()) return logs;
    replies.assign(prompts.size(), {});
    worker.reply(prompts, temperature, random, replies);
    std::size_t at = 0;
    for (Talk* talk : active) {
      const std::size_t group = talk->group();
      for (std::size_t i = 0; i < group; ++i) talk->draws(i) = random[at + i];
      talk->hear(std::span(replies).subspan(at, group), temperature);
      at += group;
    }
  }
}

}  // namespace shoal
