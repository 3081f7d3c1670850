// A model trained on a data set that is divided among the clients.

#include "sim/task/supervised.hpp"

#include "experiments/tasks/shared/federated.hpp"
#include "sim/nn/model.hpp"

namespace shoal::tasks {
namespace {

class SupervisedKind final : public TaskKind {
 public:
  std::unique_ptr<Process> make(const Settings& root, const Place& place) const override {
    const std::uint64_t seed = read_seed(root);
    const Settings data = root.section("data");
    Settings model = root.section("model");
    const std::string name = model.text("name", "mlp", "which model");
    const std::shared_ptr<const Dataset> dataset = place.data.load(data);
    auto dealt = make_part<Partition>("partition", "iid", root.section("partition"))->deal(dataset->train, seed);
    Network network =
        find_part<Model>("model", name).make(model)->network(dataset->train.shape, dataset->train.classes);
    network.on(place.device);
    auto task =
        std::make_shared<SupervisedTask>(dataset, std::move(dealt), std::move(network), HoldoutShares(data), seed);
    return federated(root, place, {.task = std::move(task), .data_digest = dataset->digest, .model = name});
  }
};

}  // namespace

std::unique_ptr<TaskKind> supervised(Settings&) { return std::make_unique<SupervisedKind>(); }

}  // namespace shoal::tasks
