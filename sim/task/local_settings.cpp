#include "sim/task/local_settings.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "sim/settings/without_effect.hpp"

namespace shoal {

std::int64_t LocalSettings::local_steps(std::int64_t examples, double fraction) const {
  const std::int64_t size = batch == 0 ? examples : std::min(batch, examples);
  const std::int64_t per_epoch = size > 0 ? (examples + size - 1) / size : 0;
  // The product of decimals may lie just above a whole number: 1.1 epochs of 100 batches are 110 steps.
  const double whole = steps > 0 ? steps : std::ceil(epochs * per_epoch * (1 - 1e-12));
  return std::max<std::int64_t>(1, std::llround(whole * fraction));
}

LocalTraining::LocalTraining(const Settings& settings) {
  base_.epochs = settings.number("epochs", 1, "passes over the client's examples in a round",
                                 {.least = 0, .most = 1e6, .least_excluded = true});
  base_.steps = settings.integer("steps", 0, "steps in a round, instead of epochs; 0: use epochs", between(0, 1e9));
  base_.batch = settings.integer("batch", 10, "examples per step; 0 is the full batch", at_least(0));
  base_.rate =
      settings.number("rate", 0.1, "learning rate of local SGD", {.least = 0, .most = 1e30, .least_excluded = true});
  base_.momentum = settings.number("momentum", 0, "momentum of local SGD, reset each round", between(0, 1));
  base_.nesterov = settings.flag("nesterov", false, "Nesterov form of the momentum");
  base_.weight_decay = settings.number("weight_decay", 0, "L2 penalty of local SGD", at_least(0));
  const std::int64_t block =
      settings.integer("block", 0, "clients trained together; 0: as the table of measurements says", between(0, 4096));
  std::vector<std::pair<std::string, std::optional<BlockForm>>> forms{{"table", std::nullopt}};
  for (const std::string& form : block_form_names()) forms.emplace_back(form, block_form(form, settings.where()));
  const std::optional<BlockForm> form =
      settings.choice("form", std::optional<BlockForm>{}, forms,
                      "how they are trained: one after the other, or stacked with a convolution for each "
                      "client or a grouped one; 'table': as the table of measurements says");
  block_open_ = block == 0;
  form_open_ = !form;
  base_.block = block_open_ ? 1 : block;
  if (form) base_.form = *form;
  schedule_ = settings.choice("schedule", Schedule::constant,
                              {{"constant", Schedule::constant},
                               {"exponential", Schedule::exponential},
                               {"step", Schedule::step},
                               {"inverse_sqrt", Schedule::inverse_sqrt}},
                              "how the learning rate changes over rounds");
  decay_ = settings.number("decay", 1, "factor of the rate per period (exponential, step)", between(0, 1));
  period_ = settings.integer(
      "period", 1, "rounds per decay (exponential, step), or time scale in rounds (inverse_sqrt)", at_least(1));
  if (schedule_ == Schedule::constant) {
    refuse_without_effect(settings, {"decay", "period"}, "the learning rate has no schedule");
  } else if (schedule_ == Schedule::inverse_sqrt) {
    refuse_without_effect(settings, {"decay"}, "the schedule \"inverse_sqrt\" has none");
  }
  if ((schedule_ == Schedule::exponential || schedule_ == Schedule::step) && decay_ == 1) {
    user_error("{}: schedule \"{}\" with a decay of 1 changes nothing. Set 'decay' below 1.", settings.where(),
               schedule_ == Schedule::step ? "step" : "exponential");
  }
  if (base_.nesterov && base_.momentum == 0) {
    user_error("{}: nesterov needs momentum (found 0). Set 'momentum'.", settings.where());
  }
}

void LocalTraining::choose(const BlockChoice& choice) {
  if (block_open_) base_.block = choice.clients;
  if (form_open_) base_.form = choice.form;
}

void LocalTraining::take_all(const Settings& settings) {
  if (settings.has("batch") && base_.batch != 0) {
    user_error("{}: a batch of {} (a step of this task takes all there is). Leave out 'batch'.", settings.where(),
               base_.batch);
  }
  base_.batch = 0;
}

LocalSettings LocalTraining::at(std::int64_t round) const {
  LocalSettings now = base_;
  const double rounds_before = round - 1, periods = rounds_before / period_;
  if (schedule_ == Schedule::exponential) now.rate *= std::pow(decay_, periods);
  if (schedule_ == Schedule::step) now.rate *= std::pow(decay_, std::floor(periods));
  if (schedule_ == Schedule::inverse_sqrt) now.rate /= std::sqrt(1 + periods);
  return now;
}

}  // namespace shoal
