// The combinations of parts that a federation refuses, each with its reason; a part's own reasons are in its `check`.
#include "sim/round/federation.hpp"

#include <set>

#include "sim/round/prelude.hpp"

namespace shoal {
namespace {

// If parts promise differential privacy, every channel that needs it must be protected, neither the choice of clients
// nor their weights may depend on what clients report, and no codec may change rows whose norms have been bounded.
void check_privacy(const Composition& all) {
  std::set<std::string> protected_channels;
  bool promises = false;
  for (const RoundPart* part : all.parts) {
    for (const Mechanism& mechanism : part->mechanisms(all)) {
      promises = true;
      protected_channels.insert(mechanism.channels.begin(), mechanism.channels.end());
    }
  }
  if (!promises) return;
  if (const auto* strategy = all.find<Strategy>(); strategy != nullptr) {
    const std::vector<Channel> first = strategy->prelude(all.task.layout());
    if (strategy->wants_rows() || std::ranges::any_of(first, &Channel::is_private)) {
      user_error(
          "[stages] add noise for differential privacy to sums of updates, and '{}' uses more of them than that. Use "
          "another strategy, or leave out the stage that adds noise.",
          strategy->name());
    }
  }
  for (const Channel& channel : all.channels) {
    if (!channel.is_private || protected_channels.contains(channel.name)) continue;
    user_error(
        "[stages] add noise for differential privacy, but not to the channel '{}'. Put the stage that adds noise last; "
        "if the channel holds counts, which no stage protects, leave out the strategy or stage that declares it.",
        channel.name);
  }
  for (const Codec* codec : all.all<Codec>()) {
    if (codec->changes_nothing()) continue;
    user_error(
        "the codec '{}' changes updates after a stage has bounded their norms for differential privacy, so the noise "
        "may be too small. Use the codec plain, or leave out the stage that adds noise.",
        codec->name());
  }
  for (const RoundPart* part : all.parts) {
    if (!part->uses_feedback()) continue;
    user_error(
        "'{}' chooses or weighs clients by what they report, which no stage of differential privacy accounts for. Use "
        "another one, or leave out the stage that adds noise.",
        part->name());
  }
}

void refuse_missing_means(const Federation& federation) {
  for (const Channel& channel : federation.channels()) {
    if (!channel.needs_mean || federation.aggregator->gives_means()) continue;
    user_error(
        "[aggregator] gives no mean, and the channel '{}' needs one. Use another aggregator, or leave out the strategy "
        "or stage that declares this channel.",
        channel.name);
  }
}

void refuse_missing_rows(const Federation& federation) {
  // Rules are content with rows that belong to no client.
  const bool wants_clients =
      federation.strategy->wants_rows() || (federation.attack != nullptr && federation.attack->wants_rows());
  const Aggregator& aggregator = *federation.aggregator;
  if (!federation.wants_rows() || (aggregator.gives_rows() && (aggregator.needs_rows() || !wants_clients))) return;
  const RoundPart* compares = federation.strategy.get();
  if (federation.attack != nullptr && federation.attack->wants_rows()) compares = federation.attack.get();
  if (!federation.rules.empty() && !aggregator.gives_rows()) compares = federation.rules.front().get();
  const RoundPart& part = *compares;
  user_error(
      "'{}' compares the clients' updates, and the aggregator '{}' does not give them. Leave out the name in "
      "[aggregator], which is then \"kept_rows\", or leave out '{}'.",
      part.name(), federation.aggregator->name(), part.name());
}

// The update that the server makes itself, for rules that want one.
void refuse_missing_reference(const Federation& federation) {
  for (const auto& rule : federation.rules) {
    if (!rule->wants_reference()) continue;
    if (!federation.task->server_trains()) {
      user_error(
          "the rule '{}' compares updates with one that the server makes on examples of its own, and it has none. Set "
          "'server' in [data], or use another rule.",
          rule->name());
    }
    if (federation.groups() > 1) {
      user_error(
          "the rule '{}' compares updates with the one that the server makes, and '{}' has {} groups of clients. Use "
          "another rule or strategy.",
          rule->name(), federation.strategy->name(), federation.groups());
    }
  }
}

// The rows of others change while a client is in flight.
void refuse_sending_rows(const Federation& federation) {
  if (!federation.strategy->sends_others() || federation.planner->waits_for_all()) return;
  user_error(
      "'{}' sends clients the models of others, and '{}' does not wait for all of its clients. Use a planner that "
      "waits for its whole cohort.",
      federation.strategy->name(), federation.planner->name());
}

// If clients wait for each other, the fates of all must be known when they start.
void refuse_waiting(const Federation& federation, const Composition& all) {
  const double expected = federation.planner->sampling(all).expected;
  std::vector<ProtocolPhase> phases = federation.aggregator->phases(all.wires, expected);
  const std::size_t of_aggregator = phases.size();
  add_prelude(phases, federation, expected);
  const RoundPart& part = phases.size() == of_aggregator ? static_cast<const RoundPart&>(*federation.aggregator)
                                                         : static_cast<const RoundPart&>(*federation.strategy);
  for (const ProtocolPhase& phase : phases) {
    if (!phase.waits) continue;
    if (!federation.planner->waits_for_all()) {
      user_error(
          "in the phase '{}' of '{}' clients wait for each other, and '{}' does not wait for all of them. Use a "
          "planner that waits for its whole cohort.",
          phase.name, part.name(), federation.planner->name());
    }
    if (federation.population->offline() == Offline::pause) {
      user_error(
          "in the phase '{}' of '{}' clients wait for each other, and clients that are offline pause. Change 'offline' "
          "in [population].",
          phase.name, part.name());
    }
  }
}

// Rules would take away the updates of single clients that the strategy looks at.
void refuse_rules_beside_rows(const Federation& federation) {
  if (!federation.strategy->wants_rows() || federation.rules.empty()) return;
  user_error(
      "'{}' works on the updates of single clients, which [[rules]] combine before. Leave out the rules, or use "
      "another strategy.",
      federation.strategy->name());
}

void refuse_prelude(const Federation& federation) {
  if (federation.strategy->prelude(federation.task->layout()).empty() || federation.aggregator->gives_means()) return;
  user_error(
      "'{}' needs means of a first exchange, and the aggregator '{}' gives none. Use another aggregator or strategy.",
      federation.strategy->name(), federation.aggregator->name());
}

// Clients that train smaller variants send shorter updates.
void refuse_variants(const Federation& federation) {
  const std::int32_t variants = federation.task->variants();
  if (variants == 1) return;
  std::set<std::int32_t> trained;
  for (std::int32_t g = 0; g < federation.groups(); ++g) trained.insert(federation.strategy->variant_of(g));
  ensure(*trained.rbegin() < variants, "a group trains variant {} of {}", *trained.rbegin(), variants);
  if (std::ssize(trained) < variants) {
    user_error(
        "the task has {} variants of its model and the strategy '{}' trains {}. Leave out 'shrink' of [model], or use "
        "a strategy for models of different sizes, such as hetero_fl.",
        variants, federation.strategy->name(), trained.size());
  }
  if (federation.aggregator->needs_rows()) {
    user_error(
        "[aggregator] compares the clients' updates, and clients train models of different sizes. Leave out 'shrink' "
        "of [model], or use another aggregator and no rules.");
  }
  if (!federation.memory().empty()) {
    user_error(
        "'{}' is kept by the clients, who train models of different sizes. Leave out 'shrink' of [model], or the part "
        "that keeps it.",
        federation.memory().front().name);
  }
}

void refuse_mixed_groups(const Federation& federation) {
  ensure(federation.groups() >= 1, "a strategy has {} groups", federation.groups());
  if (federation.groups() == 1 || federation.aggregator->keeps_groups()) return;
  user_error(
      "'{}' has {} groups of clients, and the aggregator '{}' does not keep their updates apart. Leave out the name in "
      "[aggregator], or use another strategy.",
      federation.strategy->name(), federation.groups(), federation.aggregator->name());
}

}  // namespace

void Federation::check() const {
  refuse_variants(*this);
  with_composition([&](const Composition& all) {
    for (const RoundPart* part : all.parts) part->check(all);
    check_privacy(all);
    refuse_waiting(*this, all);
  });
  refuse_missing_means(*this);
  refuse_missing_rows(*this);
  refuse_sending_rows(*this);
  refuse_mixed_groups(*this);
  refuse_rules_beside_rows(*this);
  refuse_missing_reference(*this);
  refuse_prelude(*this);
  for (const auto& codec : codecs) {
    if (!(aggregator->needs_rows() || aggregator->gives_rows()) || codec->decodes_rows()) continue;
    user_error(
        "[aggregator] compares the clients' updates, and the codec '{}' can only decode their sum. Use an aggregator "
        "that adds updates or a codec that decodes each of them.",
        codec->name());
  }
}

}  // namespace shoal
