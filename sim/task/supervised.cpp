#include "sim/task/supervised.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "sim/task/stacked_trainer.hpp"

namespace shoal {
namespace {

void check(const ExampleStore* examples, const Form& of_model) {
  if (examples == nullptr || examples->count() == 0) return;
  const Form& form = examples->form();
  const bool tokens = form.features == Form::Features::tokens;
  ensure(form.shape == of_model.shape && tokens == (of_model.features == Form::Features::tokens) &&
             form.targets == of_model.targets,
         "the model was made for examples of another form");
  if (form.targets == Form::Targets::reals) user_error("targets are real numbers. Choose data with labels or tokens.");
  ensure(form.classes <= of_model.classes && form.vocabulary <= of_model.vocabulary,
         "examples of {} classes and {} tokens (the model knows {} and {})", form.classes, form.vocabulary,
         of_model.classes, of_model.vocabulary);
}

std::int64_t bytes_of(const ExampleStore* examples) {
  if (examples == nullptr) return 0;
  std::int64_t bytes = 0;
  for (const auto& part : examples->contents()) bytes += std::ssize(part);
  return bytes;
}

}  // namespace

SupervisedTask::SupervisedTask(std::shared_ptr<const Dataset> data, std::unique_ptr<ClientExamples> clients,
                               std::shared_ptr<const Learnable> model, HoldoutShares shares, std::uint64_t seed,
                               TaskExtras extras)
    : data_(std::move(data)),
      holdout_(std::move(clients), shares, seed),
      model_(std::move(model)),
      seed_(seed),
      extras_(std::move(extras)) {
  check(data_->train.get(), model_->form());
  check(data_->test.get(), model_->form());
  ensure(extras_.variants.empty() || std::ssize(extras_.variants) == holdout_.clients(),
         "variants for {} of {} clients", extras_.variants.size(), holdout_.clients());
  for (const std::int32_t variant : extras_.variants) {
    ensure(variant >= 0 && variant < variants(), "variant {} of {}", variant, variants());
  }
  for (std::int64_t client = 0; client < holdout_.clients(); ++client) {
    const std::int64_t examples = holdout_.count(ClientId{client}, "train");
    clients_with_examples_ += examples > 0 ? 1 : 0;
    if (model_->form().targets != Form::Targets::tokens) continue;
    const std::int64_t tokens = data_->train->targets(holdout_.indices(ClientId{client}, "train"));
    tokens_.push_back(examples > 0 ? 1.0 * tokens / examples : 0);
  }
  if (model_->form().targets == Form::Targets::tokens && server_trains()) {
    tokens_.push_back(1.0 * data_->train->targets(extras_.server) / extras_.server.size());
  }
  const ExampleStore& tests = has_test_set() ? *data_->test : *data_->train;
  const bool tested = has_test_set() || holdout_.holds_out("test");
  add_set("train", *data_->train);
  if (holdout_.holds_out("validation")) add_set("validation", *data_->train);
  if (tested) add_set("test", tests);
  if (!extras_.server.empty()) add_set("server", *data_->train);
  for (const KeyedTransform& t : extras_.transforms) {
    t.transform->check(data_->train->form());
    if (tested && !t.transform->set().empty()) add_set(t.transform->set(), tests, &t);
  }
}

ClientWork SupervisedTask::work(ClientId client) const {
  return {
      .examples = client == server_client() ? std::ssize(extras_.server) : holdout_.count(client, "train"),
      .flops_per_example = model(variant(client)).flops_per_example() * (tokens_.empty() ? 1 : tokens_[value(client)])};
}

std::unique_ptr<Trainer> SupervisedTask::trainer() const {
  const at::Device device = layout().device;
  if (!device.is_cuda()) return std::make_unique<StackedTrainer>(*this);
  return std::make_unique<StackedTrainer>(*this, Workplace{device, StackForm::Arithmetic::library});
}

void SupervisedTask::add_set(std::string_view name, const ExampleStore& from, const KeyedTransform* change) {
  if (find_set(name) != nullptr) {
    user_error("[data] has two transforms that make the set of examples \"{}\". Remove one.", name);
  }
  Set& set = sets_.emplace_back();
  set.name = name;
  set.from = &from;
  set.change = change;
}

const SupervisedTask::Set* SupervisedTask::find_set(std::string_view name) const {
  const auto found = std::ranges::find(sets_, name, &Set::name);
  return found == sets_.end() ? nullptr : &*found;
}

std::vector<std::string> SupervisedTask::sets() const {
  std::vector<std::string> names;
  for (const Set& set : sets_) {
    if (!positions(set).empty()) names.push_back(set.name);
  }
  return names;
}

const std::vector<std::int32_t>& SupervisedTask::positions(const Set& set) const {
  std::call_once(set.once, [&] { set.positions = collected(set); });
  return set.positions;
}

std::vector<std::int32_t> SupervisedTask::collected(const Set& set) const {
  if (set.name == "server") return extras_.server;
  if (set.name == "train" || set.name == "validation") return holdout_.all_indices(set.name);
  std::vector<std::int32_t> all;
  if (has_test_set()) {
    all.resize(data_->test->count());
    std::iota(all.begin(), all.end(), 0);
  } else {
    all = holdout_.all_indices("test");
  }
  if (set.change != nullptr) {
    std::erase_if(all, [&](std::int32_t i) { return !set.change->transform->has_label(set.from->labels()[i]); });
  }
  return all;
}

std::int64_t SupervisedTask::evaluated_examples(std::string_view set) const {
  const Set* held = find_set(set);
  return held == nullptr ? 0 : std::ssize(positions(*held));
}

std::int64_t SupervisedTask::chunks(std::string_view set) const {
  return (evaluated_examples(set) + chunk_size - 1) / chunk_size;
}

std::int64_t SupervisedTask::data_bytes() const {
  // The partition lists every example once, and the first position of each client.
  return bytes_of(data_->train.get()) + bytes_of(data_->test.get()) + 4 * (data_->train->count() + clients());
}

ClientLabels SupervisedTask::client_labels(ClientId client) const {
  const std::span<const std::int32_t> of_example = data_->train->labels(), from = data_->train->groups();
  ClientLabels labels{.examples = std::vector<std::int64_t>(data_->train->form().classes)};
  std::set<std::int32_t> groups;
  for (const std::int32_t i : examples_of(client, "train")) {
    if (!of_example.empty()) ++labels.examples[of_example[i]];
    if (!from.empty()) groups.insert(from[i]);
  }
  labels.groups = std::ssize(groups);
  return labels;
}

std::vector<std::int32_t> SupervisedTask::examples_of(ClientId client, std::string_view set) const {
  if (client != server_client()) return holdout_.indices(client, set);
  return set == "train" ? extras_.server : std::vector<std::int32_t>();
}

std::vector<std::int32_t> SupervisedTask::server_examples(std::span<const std::int32_t> which) const {
  std::vector<std::int32_t> positions;
  positions.reserve(which.size());
  for (const std::int32_t i : which) positions.push_back(extras_.server.at(i));
  return positions;
}

SupervisedTask::Chunk SupervisedTask::chunk(const ExampleChunk& which) const {
  ensure(which.index >= 0 && which.index < chunks(which.set), "evaluation chunk {} of {}", which.index,
         chunks(which.set));
  const Set& set = *find_set(which.set);
  const std::span<const std::int32_t> all = positions(set);
  const std::int64_t first = which.index * chunk_size;
  return {*set.from, all.subspan(first, std::min(chunk_size, std::ssize(all) - first)), set.change};
}

}  // namespace shoal
