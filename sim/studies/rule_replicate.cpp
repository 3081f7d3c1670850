#include "sim/studies/rule_replicate.hpp"

#include "sim/nn/adam.hpp"

namespace shoal {
namespace {

using namespace rule_world;

constexpr int most_turns = 8, tool_turns = 2, in_a_row = 3;
constexpr double tool_success = 0.95;

// Offsets in theta: those of users 0, 1, 2 come first, then the shared parameters and those of turns with tools.
constexpr int shared_at = users * vocabulary, tool_at = shared_at + vocabulary, size = tool_at + vocabulary;
constexpr int tools = -1;  // stands for turns with tools in place of a user

int offset_of(int user) { return user == tools ? tool_at : user * vocabulary; }

struct Policy {
  std::array<double, size> theta{};

  Logits logits(int user, double shared) const {
    Logits z = base();
    for (int v = 0; v < vocabulary; ++v) {
      z[v] += theta[offset_of(user) + v];
      if (user != tools) z[v] += shared * theta[shared_at + v];
    }
    return z;
  }
};

// A served reply on its way to the trainer.
struct Turn {
  int user = tools;
  Reply reply;
  Logits context{};  // added to the logits: the rule in the context
  Logits hint{};     // added to the teacher's logits
  Signals signals;
  Logits rolled;  // log-probabilities of the policy that served
};

void add(Logits& z, const Logits& other) {
  for (std::size_t v = 0; v < z.size(); ++v) z[v] += other[v];
}

Reply draw_reply(const Logits& log_p, RandomStream& random) {
  std::array<double, vocabulary> bound;
  double sum = 0;
  for (std::size_t v = 0; v < vocabulary; ++v) {
    sum += std::exp(log_p[v]);
    bound[v] = sum;
  }
  Reply reply;
  for (int i = 0; i < longest_reply; ++i) {
    const double at = random.bits() * 0x1p-32 * sum;
    std::size_t token = 0;
    while (token + 1 < vocabulary && at >= bound[token]) ++token;
    ++reply.counts[token];
    if (token == end_token) break;
  }
  return reply;
}

class Replicate {
 public:
  Replicate(const RuleStudySettings& settings, const Objective& objective, const Judge& judge, std::uint64_t seed,
            std::int64_t replicate)
      : settings_(settings),
        objective_(objective),
        judge_(judge),
        world_(random_key(seed, "agents/world"), replicate),
        judging_(random_key(seed, "agents/judge"), replicate) {}

  RuleStudyOutcome run() {
    measure(0);
    outcome_.sessions.fill(settings_.sessions);
    outcome_.censored.fill(1);
    const std::int64_t longest = settings_.joint ? run_joint() : run_separate();
    outcome_.updates_per_session = 1.0 * updates_ / longest;
    for (double* count : {&outcome_.judged, &outcome_.voted, &outcome_.hinted, &outcome_.taken, &outcome_.dropped})
      *count /= sessions_;
    return outcome_;
  }

 private:
  // Interleaves the users, in a new order for every session. Returns the number of sessions of each.
  std::int64_t run_joint() {
    std::array<int, users> order{0, 1, 2};
    std::int64_t index = 1;
    for (; index <= settings_.sessions && !done(); ++index) {
      shuffle(std::span<int>(order), world_);
      for (const int user : order) session(user, index);
    }
    return index - 1;
  }

  // Takes one user after the other, each until content. Returns the largest number of sessions of any user.
  std::int64_t run_separate() {
    std::array<int, users> order{0, 1, 2};
    shuffle(std::span<int>(order), world_);
    std::int64_t longest = 0;
    for (const int user : order) {
      if (settings_.fresh) start_afresh();
      std::int64_t index = 1;
      for (; index <= settings_.sessions && outcome_.censored[user] > 0; ++index) session(user, index);
      longest = std::max(longest, index - 1);
    }
    return longest;
  }

  bool done() const {
    if (settings_.updates > 0) return updates_ >= settings_.updates;
    return outcome_.censored[0] + outcome_.censored[1] + outcome_.censored[2] == 0;
  }

  void start_afresh() {
    trained_ = Policy{};
    serving_ = trained_;
    adam_ = SpanAdam(size);
    batch_.clear();
    places_ = 0;
  }

  void session(int user, std::int64_t index) {
    ++sessions_;
    const bool first = main_turns(user);
    for (int i = 0; i < tool_turns; ++i) tool_turn();
    streak_[user] = first ? streak_[user] + 1 : 0;
    if (streak_[user] == in_a_row && outcome_.censored[user] > 0 && index <= settings_.sessions) {
      outcome_.sessions[user] = index;
      outcome_.censored[user] = 0;
    }
  }

  // Holds main turns until a reply complies. Returns whether the first one did.
  bool main_turns(int user) {
    const Rule rule{user};
    Turn turn{.user = user};
    if (settings_.memory && named_[user]) turn.context = rule_vector(rule);
    bool satisfied = false, first = false;
    for (int i = 0; i < most_turns && !satisfied; ++i) {
      Logits z = serving_.logits(user, settings_.shared);
      add(z, turn.context);
      turn.rolled = log_softmax(z);
      turn.reply = draw_reply(turn.rolled, world_);
      satisfied = satisfies(rule, turn.reply);
      if (i == 0) first = satisfied;
      collect(turn, judge_.judge(evidence_of(user, satisfied), judging_));
      if (!satisfied) turn.context = rule_vector(rule);  // the policy follows a correction from the next reply on
    }
    return first;
  }

  Evidence evidence_of(int user, bool satisfied) {
    if (satisfied) return {.reward = 1, .shows = NextState::moved_on};
    const bool directive = world_.uniform() < settings_.directive;
    if (directive) named_[user] = true;
    return {.reward = -1, .directive = directive, .shows = directive ? NextState::corrected : NextState::repeated};
  }

  void tool_turn() {
    Turn turn;
    turn.rolled = log_softmax(serving_.logits(tools, settings_.shared));
    turn.reply = draw_reply(turn.rolled, world_);
    const bool success = world_.uniform() < tool_success;
    const NextState shows = success ? NextState::tool_ok : NextState::tool_error;
    collect(turn, judge_.judge({.reward = success ? 1.0 : -1.0, .tool = true, .shows = shows}, judging_));
  }

  Logits hint_vector(int user, Hint hint) {
    Logits z{};
    if (hint == Hint::right) return rule_vector(Rule{user});
    if (hint == Hint::another_rule) return rule_vector(static_cast<Rule>((user + 1 + world_.below(2)) % users));
    if (hint == Hint::irrelevant) z[content_token + world_.below(vocabulary - content_token)] = 3;
    if (hint == Hint::opposite) {
      z = rule_vector(Rule{user});
      for (double& x : z) x = -x;
    }
    return z;
  }

  void collect(Turn turn, const Judgement& judgement) {
    turn.signals = {
        .reward = judgement.reward, .hints = judgement.hint == Hint::none ? 0 : 1, .judged = judgement.valid > 0};
    ++outcome_.judged;
    if (turn.signals.reward != 0) ++outcome_.voted;
    if (turn.signals.hints > 0) ++outcome_.hinted;
    const bool taken = objective_.takes(turn.signals);
    if (taken) {
      ++outcome_.taken;
      turn.hint = hint_vector(turn.user, judgement.hint);
      const bool in_context = std::ranges::any_of(turn.context, [](double x) { return x != 0; });
      if (in_context && !settings_.stack_hints) turn.hint = {};
      batch_.push_back(turn);
    } else {
      ++outcome_.dropped;
    }
    if (taken || settings_.count_turns) ++places_;
    if (places_ < settings_.batch) return;
    serving_ = trained_;
    update();
    batch_.clear();
    places_ = 0;
  }

  void update() {
    std::array<double, size> gradient{};
    for (const Turn& turn : batch_) add_gradient(turn, gradient);
    for (double& g : gradient) g /= places_;
    adam_.apply(trained_.theta, gradient, settings_.rate);
    ++updates_;
    measure(updates_);
  }

  void add_gradient(const Turn& turn, std::array<double, size>& gradient) const {
    Logits z = trained_.logits(turn.user, settings_.shared);
    add(z, turn.context);
    const Logits current = log_softmax(z), teacher = teacher_of(turn, z);
    Logits slopes = slopes_of(turn, current, teacher);
    softmax_backward(current, slopes);
    for (int v = 0; v < vocabulary; ++v) {
      gradient[offset_of(turn.user) + v] += slopes[v];
      if (turn.user != tools) gradient[shared_at + v] += settings_.shared * slopes[v];
    }
  }

  // Log-probabilities of the teacher; `current`: logits of the trained policy.
  Logits teacher_of(const Turn& turn, const Logits& current) const {
    Logits z = current;
    if (!settings_.live_teacher) {
      z = base();
      add(z, turn.context);
    }
    add(z, turn.hint);
    return log_softmax(z);
  }

  // Derivatives of the objective's loss with respect to log-probabilities. All positions have the same logits, so
  // positions with the same token count as one, and the derivatives of all positions add up.
  Logits slopes_of(const Turn& turn, const Logits& current, const Logits& teacher) const {
    std::array<Position, vocabulary> positions;
    std::array<const double*, vocabulary> teachers;
    std::size_t n = 0;
    for (int v = 0; v < vocabulary; ++v) {
      const double count = turn.reply.counts[v];
      if (count == 0) continue;
      positions[n] = {.token = v,
                      .count = count,
                      .current = current.data(),
                      .old = settings_.rolled_old ? turn.rolled.data() : current.data(),
                      .rolled = turn.rolled[v]};
      teachers[n] = teacher.data();
      ++n;
    }
    const std::span<const double* const> rows(teachers.data(), n);
    Sample sample{.signals = turn.signals, .vocabulary = vocabulary, .positions = std::span(positions.data(), n)};
    if (turn.signals.hints > 0) {
      sample.teachers = rows;
    } else if (settings_.kl_to_teacher) {
      sample.teacher_without_hint = rows;
    }
    std::array<double, std::size_t{vocabulary} * vocabulary> by_position{};
    objective_.loss(sample, RowView<double>(by_position.data(), n, vocabulary));
    Logits slopes{};
    for (std::size_t i = 0; i < n * vocabulary; ++i) slopes[i % vocabulary] += by_position[i];
    return slopes;
  }

  // Measures the trained policy after this number of updates. Later entries get the same values until they are
  // measured.
  void measure(std::int64_t updates) {
    if (updates >= std::ssize(outcome_.rule_rate)) return;
    double rate = 0, kl = 0;
    for (int user = 0; user < users; ++user) {
      const Logits log_p = log_softmax(trained_.logits(user, settings_.shared));
      rate += compliance(Rule{user}, log_p);
      for (std::size_t v = 0; v < vocabulary; ++v) kl += std::exp(log_p[v]) * (log_p[v] - base()[v]);
    }
    std::fill(outcome_.rule_rate.begin() + updates, outcome_.rule_rate.end(), rate / users);
    std::fill(outcome_.kl.begin() + updates, outcome_.kl.end(), kl / users);
  }

  const RuleStudySettings& settings_;
  const Objective& objective_;
  const Judge& judge_;
  RandomStream world_, judging_;
  Policy serving_, trained_;
  SpanAdam adam_{size};
  std::vector<Turn> batch_;
  std::int64_t places_ = 0;  // turns that count towards the batch
  std::array<int, users> streak_{};
  std::array<bool, users> named_{};  // whether each user has named their rule
  std::int64_t updates_ = 0, sessions_ = 0;
  RuleStudyOutcome outcome_;
};

}  // namespace

RuleStudyOutcome rule_replicate(const RuleStudySettings& settings, const Objective& objective, const Judge& judge,
                                std::uint64_t seed, std::int64_t replicate) {
  return Replicate(settings, objective, judge, seed, replicate).run();
}

}  // namespace shoal
