#include "sim/agents/pipeline/users.hpp"

namespace shoal::pipeline {

RandomStream turn_stream(RandomKey key, std::int64_t replicate, const TurnKey& turn) {
  constexpr std::int64_t most_users = 1 << 20;
  ensure(turn.user < most_users && turn.turn < 2 * most_turns, "user {}, turn {} have no draws of their own", turn.user,
         turn.turn);
  return {key, replicate * most_users + turn.user, turn.session * 2 * most_turns + turn.turn};
}

Users::Users(const Company& company, const ClientSettings& settings, std::uint64_t seed, std::int64_t replicate)
    : company_(company),
      settings_(settings),
      key_(random_key(seed, "agents/users")),
      replicate_(replicate),
      people_(company.users.size()) {}

Ticks Users::first_wait(std::int64_t user, Ticks now) { return *next_session(user, now, false).wait; }

std::optional<FollowUp> Users::take_next_state(std::int64_t user) { return std::exchange(person(user).next_state, {}); }

Request Users::side_request(std::int64_t user) {
  Person& p = person(user);
  Request side = p.request;
  side.type = TurnType::side;
  side.prompt = talk::side_prompt(company_.users[static_cast<std::size_t>(user)], *p.random).prompt;
  return side;
}

// Everything about the turn that is not said in words is drawn here, in this order, whether it can happen or not.
void Users::open_turn(std::int64_t user, TurnType type) {
  Person& p = person(user);
  const talk::User& who = company_.users[static_cast<std::size_t>(user)];
  p.random = turn_stream(key_, replicate_, {user, p.session, p.turn});
  RandomStream& random = *p.random;
  const auto happens = [&](double rate) { return random.uniform() < rate; };
  p.mishaps = {.side = happens(settings_.side) && type == TurnType::main,
               .malformed = happens(settings_.malformed),
               .cut = happens(settings_.malformed),
               .late = happens(settings_.late),
               .duplicate = happens(settings_.duplicate),
               .leaves = happens(settings_.abandon) || user >= size() - settings_.silent};
  if (p.turn == 0) p.conversation.emplace(who, company_.manners, random);
  p.request = {.user = user,
               .session = p.session,
               .type = type,
               .turn = p.turn,
               .prompt = type == TurnType::tool ? talk::tool_prompt(who, random) : p.conversation->prompt(),
               .temperature = company_.temperature};
}

Heard Users::hear(std::int64_t user, const Reply& reply, Ticks now) {
  Person& p = person(user);
  RandomStream& random = *p.random;
  const bool main = p.request.type == TurnType::main;
  FollowUp next{.of = {user, p.session, p.turn}};
  if (main) {
    const talk::Reaction reaction = p.conversation->hear(reply.tokens, random);
    if (p.turn == 0) count_first_reply(p, reaction.satisfied);
    next.evidence = talk::evidence_of(reaction, p.conversation->done());
    if (next.evidence.directive) next.said = reaction.said;
  } else {
    next.evidence = talk::evidence_of_tool(random.uniform() < company_.manners.tool_success);
    --p.tools_left;
  }
  if (p.mishaps.leaves) return next_session(user, now, false);
  if (main && p.conversation->done()) p.tools_left = company_.manners.tool_turns;
  const bool tool = !main || p.conversation->done();
  if (tool && p.tools_left == 0) return next_session(user, now, true);  // nothing follows the last turn
  p.next_state = next;
  ++p.turn;
  const Ticks wait = tool ? Ticks{} : settings_.think.draw(random);  // tools answer at once
  open_turn(user, tool ? TurnType::tool : TurnType::main);
  return {.wait = wait};
}

Heard Users::give_up(std::int64_t user, Ticks now) {
  Person& p = person(user);
  if (p.turn == 0) count_first_reply(p, false);
  return next_session(user, now, false);
}

Heard Users::next_session(std::int64_t user, Ticks now, bool done) {
  Person& p = person(user);
  p.next_state.reset();
  if (p.session == company_.sessions) {
    ++over_;
    return {.done = done};
  }
  ++p.session;
  p.turn = 0;
  open_turn(user, TurnType::main);
  Ticks wait = settings_.gap.draw(*p.random);
  if (p.random->uniform() < settings_.bursts) {
    const std::int64_t period = value(ticks(settings_.burst_seconds)), begin = value(now + wait);
    wait = Ticks{(begin + period - 1) / period * period} - now;
  }
  return {.wait = wait, .done = done};
}

void Users::count_first_reply(Person& p, bool satisfied) {
  p.streak = satisfied ? p.streak + 1 : 0;
  if (p.streak < in_a_row || p.content_at > 0) return;
  p.content_at = p.session;
  ++content_;
}

}  // namespace shoal::pipeline
