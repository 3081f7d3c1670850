// A model trained on a data set that is divided among the clients.

#include "sim/task/supervised.hpp"

#include <algorithm>
#include <map>

#include "experiments/tasks/shared/federated.hpp"
#include "experiments/tasks/shared/population.hpp"
#include "sim/nn/model.hpp"
#include "sim/task/client_variants.hpp"
#include "sim/task/server_examples.hpp"

namespace shoal::tasks {
namespace {

std::vector<KeyedTransform> read_transforms(const Settings& data, std::uint64_t seed) {
  std::vector<KeyedTransform> all;
  std::map<std::string, int> seen;  // number of transforms of each name
  for (Settings& section : data.sections("transforms")) {
    const std::string name = section.text("name", "random_crop", "which transform");
    // Transforms of one name draw differently, and another transform before them changes no draw.
    const int earlier = seen[name]++;
    const RandomKey key = random_key(seed, fmt::format("task/transform/{}/{}", earlier, name));
    all.push_back({find_part<ExampleTransform>("transform", name).make(section), key});
  }
  return all;
}

std::shared_ptr<const Learnable> build_model(Settings section, const std::string& name, const Form& form,
                                             at::Device device) {
  const std::unique_ptr<Model> model = find_part<Model>("model", name).make(section);
  const std::vector<Declared> read = section.declared();
  if (section.has("shrink") && std::ranges::find(read, "shrink", &Declared::key) == read.end()) {
    user_error(
        "{}: 'shrink' for the model {}, which has no widths that can be scaled. Leave it out or use another "
        "model.",
        section.where(), name);
  }
  return model->build(form, device);
}

class SupervisedKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place& place) const override {
    const std::uint64_t seed = read_seed(root);
    const Settings data = root.section("data");
    const ClientVariants variants(root.section("task"));
    const Settings model = root.section("model");
    const std::string name = model.text("name", "mlp", "which model");
    const std::shared_ptr<const Dataset> dataset = place.data.load(data);
    const std::int64_t kept =
        data.integer("server", 0, "training examples that the server keeps for itself", between(0, 2147483647));
    auto [dealt, server] = deal(*make_part<Partition>("partition", "iid", root.section("partition")), *dataset->train,
                                kept, seed, data.where());
    std::shared_ptr<const Learnable> built = build_model(model, name, dataset->train->form(), place.device);
    TaskExtras extras{.server = std::move(server), .transforms = read_transforms(data, seed)};
    extras.variants = variants.assign(
        built->variants(), [&] { return make_population(root.section("population"), seed, dealt->clients()); });
    auto task = std::make_shared<SupervisedTask>(dataset, std::move(dealt), std::move(built), HoldoutShares(data), seed,
                                                 std::move(extras));
    return federated(root, place, {.task = std::move(task), .data_digest = dataset->digest, .model = name});
  }
};

}  // namespace

std::unique_ptr<TaskKind> supervised(Settings&) { return std::make_unique<SupervisedKind>(); }

}  // namespace shoal::tasks
