#include "sim/pipeline/users.hpp"

namespace shoal::pipeline {

RandomStream turn_stream(RandomKey key, std::int64_t replicate, const TurnKey& turn) {
  constexpr std::int64_t most_users = 1 << 20;
  ensure(turn.user < most_users && turn.turn < 2 * most_turns, "user {}, turn {} has no random stream of its own",
         turn.user, turn.turn);
  return {key, replicate * most_users + turn.user, turn.session * 2 * most_turns + turn.turn};
}

Users::Users(const UserPool& pool, const ClientSettings& settings, std::uint64_t seed, std::int64_t replicate)
    : pool_(pool),
      settings_(settings),
      key_(random_key(seed, "agents/users")),
      replicate_(replicate),
      states_(pool.users.size()) {}

Ticks Users::first_wait(std::int64_t user, Ticks now) { return *next_session(user, now, false).wait; }

std::optional<FollowUp> Users::take_next_state(std::int64_t user) { return std::exchange(state(user).next_state, {}); }

Request Users::side_request(std::int64_t user) {
  UserState& u = state(user);
  Request side = u.request;
  side.type = TurnType::side;
  side.prompt = talk::side_turn(pool_.users[user], *u.random).prompt;
  return side;
}

// Everything about a turn but its tokens is drawn here, in this order, even what cannot happen in this turn.
void Users::open_turn(std::int64_t user, TurnType type) {
  UserState& u = state(user);
  const talk::User& who = pool_.users[user];
  u.random = turn_stream(key_, replicate_, {user, u.session, u.turn});
  RandomStream& random = *u.random;
  const auto happens = [&](double rate) { return random.uniform() < rate; };
  u.faults = {.side = happens(settings_.side) && type == TurnType::main,
              .malformed = happens(settings_.malformed),
              .cut = happens(settings_.malformed),
              .late = happens(settings_.late),
              .duplicate = happens(settings_.duplicate),
              .leaves = happens(settings_.abandon) || user >= size() - settings_.silent};
  if (u.turn == 0) u.conversation.emplace(who, pool_.behaviour, random);
  u.request = {.user = user,
               .session = u.session,
               .type = type,
               .turn = u.turn,
               .prompt = type == TurnType::tool ? talk::tool_prompt(who, random) : u.conversation->prompt(),
               .temperature = pool_.temperature,
               .cut = u.faults.cut};
}

NextStep Users::react(std::int64_t user, const Reply& reply, Ticks now) {
  UserState& u = state(user);
  RandomStream& random = *u.random;
  const bool main = u.request.type == TurnType::main;
  FollowUp next{.of = {user, u.session, u.turn}};
  if (main) {
    const talk::Reaction reaction = u.conversation->react(reply.tokens, random);
    if (u.turn == 0) count_first_reply(u, reaction.satisfied);
    next.evidence = talk::evidence_of(reaction, u.conversation->done());
    if (next.evidence.directive) next.said = reaction.said;
  } else {
    next.evidence = talk::evidence_of_tool(random.uniform() < pool_.behaviour.tool_success);
    --u.tools_left;
  }
  if (u.faults.leaves) return next_session(user, now, false);
  if (main && u.conversation->done()) u.tools_left = pool_.behaviour.tool_turns;
  const bool tool = !main || u.conversation->done();
  if (tool && u.tools_left == 0) return next_session(user, now, true);  // nothing follows the last turn
  u.next_state = next;
  ++u.turn;
  const Ticks wait = tool ? Ticks{} : settings_.think.draw(random);  // tools answer at once
  open_turn(user, tool ? TurnType::tool : TurnType::main);
  return {.wait = wait};
}

NextStep Users::give_up(std::int64_t user, Ticks now) {
  UserState& u = state(user);
  if (u.turn == 0) count_first_reply(u, false);
  return next_session(user, now, false);
}

NextStep Users::next_session(std::int64_t user, Ticks now, bool done) {
  UserState& u = state(user);
  u.next_state.reset();
  if (u.session == pool_.sessions) {
    ++over_;
    return {.done = done};
  }
  ++u.session;
  u.turn = 0;
  open_turn(user, TurnType::main);
  Ticks wait = settings_.gap.draw(*u.random);
  if (u.random->uniform() < settings_.bursts) {
    const std::int64_t period = value(ticks(settings_.burst_seconds)), begin = value(now + wait);
    wait = Ticks{(begin + period - 1) / period * period} - now;
  }
  return {.wait = wait, .done = done};
}

void Users::count_first_reply(UserState& u, bool satisfied) {
  u.streak = satisfied ? u.streak + 1 : 0;
  if (u.streak < in_a_row || u.content_at > 0) return;
  u.content_at = u.session;
  ++content_;
}

}  // namespace shoal::pipeline
