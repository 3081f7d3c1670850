// Crops against padded slices, flipped labels against their rule, and training on changed examples against training on
// data that were changed before.

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/task/stacked_trainer.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using Positions = std::vector<std::int32_t>;

constexpr std::int64_t classes = 5;
const std::vector<std::int64_t> sizes{23, 10, 7, 1, 30, 0, 29};
const RandomKey key = random_key(3, "test/transform");

std::shared_ptr<const ExampleTransform> transform(const std::string& name, const std::string& toml = "") {
  Settings settings = Settings::parse(toml, "test.toml");
  std::shared_ptr<const ExampleTransform> made = find_part<ExampleTransform>("transform", name).make(settings);
  settings.finish();
  return made;
}

Participation who(std::int64_t client, std::int64_t round = 1) {
  Participation p = test::participation(client, 10 * round + client);
  p.round = round;
  return p;
}

// Examples at positions as the client sees them; `rows` may be more than the positions.
Gathered seen(const ExampleTransform& t, const DenseStore& from, const Positions& positions, const Participation& p,
              std::int64_t clients = 7, RandomKey drawn = key) {
  Gathered out;
  from.gather(positions, out);
  t.apply({.positions = positions, .who = &p, .form = from.form(), .clients = clients}, out, drawn);
  return out;
}

const DenseStore& images() {
  static const DenseStore store(test::random_bytes({2, 6, 7}, classes, 100, 1));
  return store;
}

// All images that a crop of example i may be: 25 places, each also mirrored. [50, 6, 7, 2]
at::Tensor crops_of(std::int32_t i) {
  const float zero = images().form().offset;
  const at::Tensor padded = at::constant_pad_nd(test::features(images(), {i})[0] - zero, {2, 2, 2, 2}) + zero;
  std::vector<at::Tensor> all;
  for (int down = 0; down <= 4; ++down) {
    for (int right = 0; right <= 4; ++right) {
      const at::Tensor cut = padded.slice(1, down, down + 6).slice(2, right, right + 7);
      all.push_back(cut.permute({1, 2, 0}));
      all.push_back(cut.flip(2).permute({1, 2, 0}));
    }
  }
  return at::stack(all);
}

// The place of an image among them; -1 for none.
std::int64_t place_of(const at::Tensor& image, const at::Tensor& crops) {
  const at::Tensor differences = (crops - image).abs().amax({1, 2, 3});
  const auto best = differences.argmin().item<std::int64_t>();
  return differences[best].item<float>() < 1e-6 ? best : -1;
}

TEST(RandomCrop, CutsAPaddedImageAnywhereAlike) {
  const auto crop = transform("random_crop", "padding = 2\nflip = true");
  std::map<std::int64_t, int> places;
  std::vector<at::Tensor> crops;
  Positions all(100);
  for (std::int32_t i = 0; i < 100; ++i) {
    all[i] = i;
    crops.push_back(crops_of(i));
  }
  for (int round = 1; round <= 10; ++round) {
    const Gathered got = seen(*crop, images(), all, who(3, round));
    for (std::int32_t i = 0; i < 100; ++i) ++places[place_of(got.features[i], crops[i])];
    EXPECT_TRUE(at::equal(got.targets, test::labels(images(), all)));
  }
  EXPECT_EQ(places.count(-1), 0U);
  double chi = 0;  // 49 degrees of freedom: mean 49, deviation 10
  for (std::int64_t place = 0; place < 50; ++place) chi += std::pow(places[place] - 20.0, 2) / 20;
  EXPECT_LT(chi, 49 + 45);
}

TEST(RandomCrop, DependsOnClientRoundAndExampleOnly) {
  const auto crop = transform("random_crop", "padding = 2");
  const at::Tensor one = seen(*crop, images(), {17}, who(2, 4)).features[0];
  const Gathered many = seen(*crop, images(), {3, 99, 17, 17, 4}, who(2, 4));
  EXPECT_TRUE(at::equal(many.features[2], one));
  EXPECT_TRUE(at::equal(many.features[3], one));
  Participation again = who(2, 4);
  again.id = ParticipationId{77};
  again.version = Version{9};
  EXPECT_TRUE(at::equal(seen(*crop, images(), {17}, again).features[0], one));
  std::set<std::int64_t> others;
  const at::Tensor crops = crops_of(17);
  for (int i = 0; i < 12; ++i) {
    others.insert(place_of(seen(*crop, images(), {17}, who(2, 5 + i)).features[0], crops));
    others.insert(place_of(seen(*crop, images(), {17}, who(3 + i, 4)).features[0], crops));
  }
  EXPECT_GT(others.size(), 8U);  // 25 places, 24 draws
}

TEST(RandomCrop, WithoutPaddingChangesNothing) {
  const Gathered got = seen(*transform("random_crop", "padding = 0"), images(), {5, 6}, who(0));
  Gathered plain;
  images().gather(Positions{5, 6}, plain);
  EXPECT_TRUE(at::equal(got.features, plain.features));
}

TEST(LabelFlip, ChangesTheRoundedShareOfClients) {
  for (const std::int64_t clients : {1, 7, 100, 1000}) {
    for (const double share : {0.0, 0.1, 0.25, 0.5, 1.0}) {
      const auto flip = transform("label_flip", fmt::format("clients = {}", share));
      std::int64_t changed = 0;
      for (std::int64_t c = 0; c < clients; ++c) {
        const Gathered got = seen(*flip, images(), {0, 1, 2, 3}, who(c, 1 + c % 3), clients);
        const at::Tensor truth = test::labels(images(), {0, 1, 2, 3});
        if (at::equal(got.targets, truth)) continue;
        ++changed;
        EXPECT_TRUE(at::equal(got.targets, classes - 1 - truth));
      }
      EXPECT_EQ(changed, std::llround(share * clients)) << share << " of " << clients;
    }
  }
}

TEST(LabelFlip, FlipsChosenClassesToOneLabel) {
  const auto flip = transform("label_flip", "clients = 1\nclasses = [1, 3]\nto = 4");
  Positions all(100);
  std::iota(all.begin(), all.end(), 0);
  const Gathered got = seen(*flip, images(), all, who(0));
  for (std::int32_t i = 0; i < 100; ++i) {
    const std::int32_t y = images().labels()[i];
    EXPECT_EQ(got.targets[i].item<std::int64_t>(), y == 1 || y == 3 ? 4 : y);
  }
}

// --- Training --------------------------------------------------------------------------------------------------------

SupervisedTask task_on(std::shared_ptr<const ExampleStore> train, std::vector<KeyedTransform> transforms) {
  auto data = std::make_shared<Dataset>();
  data->train = std::move(train);
  data->test = stored(test::random_bytes({2, 6, 7}, classes, 300, 2));
  Network network({2, 6, 7});
  network.add(layers::flatten()).add(layers::linear(classes));
  TaskExtras extras;
  extras.transforms = std::move(transforms);
  return {data, std::make_unique<test::Consecutive>(sizes), std::move(network), {}, 7, std::move(extras)};
}

at::Tensor trained(const SupervisedTask& task, const std::vector<Participation>& block, BlockForm form,
                   Workplace place = {}) {
  LocalSettings local;
  local.rate = 0.1;
  local.batch = 8;
  local.epochs = 2;
  local.form = form;
  StackedTrainer trainer(task, place);
  trainer.open(block, local);
  return trainer.fit(task.initial_parameters(random_key(1, "model/initial_parameters")), {}).delta.dense().clone();
}

// The examples as a client sees them, as a data set.
std::shared_ptr<const DenseStore> changed_before(const ExampleTransform& t, std::int64_t client) {
  Examples out = test::random_bytes({2, 6, 7}, classes, 100, 1);
  Positions all(100);
  std::iota(all.begin(), all.end(), 0);
  const Gathered got = seen(t, images(), all, who(client));
  const at::Tensor planes = got.features.permute({0, 3, 1, 2}).contiguous();
  out.bytes.clear();
  out.form = {.shape = {2, 6, 7}, .classes = classes};
  out.floats.assign(planes.const_data_ptr<float>(), planes.const_data_ptr<float>() + planes.numel());
  for (std::int64_t i = 0; i < 100; ++i) out.labels[i] = got.targets[i].item<std::int64_t>();
  return stored(std::move(out));
}

std::shared_ptr<const ExampleStore> shared_images() { return stored(test::random_bytes({2, 6, 7}, classes, 100, 1)); }

// All of it by hand: who is changed, which examples, where the square lies, and that nothing else moves.
TEST(Trigger, MarksAShareOfTheExamplesOfSomeClients) {
  const auto trigger = transform("trigger", "clients = 0.43\nshare = 0.4\nto = 2\nside = 2\nvalue = 9");
  Positions all(100);
  std::iota(all.begin(), all.end(), 0);
  Gathered plain;
  images().gather(all, plain);
  std::set<std::int64_t> poisoned;
  std::set<std::int32_t> marked;
  for (std::int64_t client = 0; client < 7; ++client) {
    const Gathered first = seen(*trigger, images(), all, who(client, 1));
    const Gathered later = seen(*trigger, images(), all, who(client, 2));
    EXPECT_TRUE(at::equal(first.features, later.features));  // the same examples in all rounds
    EXPECT_TRUE(at::equal(first.targets, later.targets));
    for (const std::int32_t i : all) {
      if (at::equal(first.features[i], plain.features[i])) {
        EXPECT_EQ(first.targets[i].item<std::int64_t>(), plain.targets[i].item<std::int64_t>());
        continue;
      }
      at::Tensor expected = plain.features[i].clone();
      expected.slice(0, 4, 6).slice(1, 5, 7).fill_(9);  // the lower right corner of 6 x 7 pixels
      EXPECT_TRUE(at::equal(first.features[i], expected)) << i;
      EXPECT_EQ(first.targets[i].item<std::int64_t>(), 2);
      poisoned.insert(client);
      marked.insert(i);
    }
  }
  EXPECT_EQ(poisoned.size(), 3U);                                        // 0.43 of 7
  EXPECT_NEAR(1.0 * marked.size(), 40, 5 * std::sqrt(100 * 0.4 * 0.6));  // binomial, five deviations
  EXPECT_LT(marked.size(), 70U);
}

TEST(Transforms, TrainAsIfTheDataHadBeenChanged) {
  for (const auto& [name, toml] : {std::pair("random_crop", "flip = true"), std::pair("label_flip", "clients = 0.6"),
                                   std::pair("trigger", "clients = 0.6\nside = 2")}) {
    const auto t = transform(name, toml);
    const SupervisedTask task = task_on(shared_images(), {{t, key}});
    int different = 0;
    for (const std::int64_t client : {0, 1, 3, 4, 6}) {
      const at::Tensor got = trained(task, {who(client)}, BlockForm::in_turn);
      const SupervisedTask before = task_on(changed_before(*t, client), {}), plain = task_on(shared_images(), {});
      EXPECT_TRUE(at::equal(got, trained(before, {who(client)}, BlockForm::in_turn))) << name << " " << client;
      different += at::equal(got, trained(plain, {who(client)}, BlockForm::in_turn)) ? 0 : 1;
    }
    EXPECT_GE(different, 2) << name;
  }
}

TEST(Transforms, GiveTheSameBitsInAnyBlock) {
  const SupervisedTask task = task_on(shared_images(), {{transform("random_crop", "padding = 2"), key},
                                                        {transform("label_flip", "clients = 0.5"), key}});
  const std::vector<Participation> block{who(0), who(1), who(4), who(6)}, turned{who(6), who(4), who(1), who(0)};
  const at::Tensor in_turn = trained(task, block, BlockForm::in_turn);
  for (std::size_t k = 0; k < block.size(); ++k) {
    EXPECT_TRUE(at::equal(in_turn[k], trained(task, {block[k]}, BlockForm::in_turn)[0]));
  }
  const at::Tensor stacked = trained(task, block, BlockForm::stacked);
  EXPECT_TRUE(at::equal(stacked.flip(0), trained(task, turned, BlockForm::stacked)));
  EXPECT_LT(test::distance(stacked, in_turn), 1e-5);
  const Workplace library{at::kCPU, StackForm::Arithmetic::library};
  EXPECT_LT(test::distance(trained(task, block, BlockForm::stacked, library), in_turn), 1e-5);
}

TEST(Transforms, LeaveEvaluationsAlone) {
  const SupervisedTask task = task_on(shared_images(), {{transform("label_flip", "clients = 1"), key}});
  const SupervisedTask plain = task_on(shared_images(), {});
  const at::Tensor params = task.initial_parameters(random_key(1, "model/initial_parameters"));
  for (const char* set : {"train", "test"}) {
    const Evaluation a = task.trainer()->evaluate(params, {set, 0}), b = plain.trainer()->evaluate(params, {set, 0});
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(a.correct, b.correct);
  }
}

// The attack's success on the set "backdoor", computed from the images themselves.
TEST(Trigger, MakesASetToMeasureItsSuccess) {
  const SupervisedTask task = task_on(shared_images(), {{transform("trigger", "side = 2\nto = 3\nvalue = 2.5"), key}});
  EXPECT_THAT(task.sets(), testing::ElementsAre("train", "test", "backdoor"));
  const DenseStore tests(test::random_bytes({2, 6, 7}, classes, 300, 2));
  Positions others;
  for (std::int32_t i = 0; i < 300; ++i) {
    if (tests.labels()[i] != 3) others.push_back(i);
  }
  EXPECT_EQ(task.evaluated_examples("backdoor"), std::ssize(others));
  at::Tensor x = test::features(tests, others);
  x.slice(2, 4, 6).slice(3, 5, 7).fill_(2.5);
  const at::Tensor params = task.initial_parameters(random_key(1, "model/initial_parameters"));
  const at::Tensor scores = test::dense_scores(test::leaves(task.layout(), params), 0, x);
  for (const auto arithmetic : {StackForm::Arithmetic::loops, StackForm::Arithmetic::library}) {
    StackedTrainer trainer(task, {at::kCPU, arithmetic});
    Evaluation total;
    for (std::int64_t i = 0; i < task.chunks("backdoor"); ++i) {
      const Evaluation part = trainer.evaluate(params, {"backdoor", i});
      total.examples += part.examples;
      total.correct += part.correct;
      total.loss += part.loss;
    }
    EXPECT_EQ(total.examples, std::ssize(others));
    EXPECT_EQ(total.correct, (scores.argmax(1) == 3).sum().item<std::int64_t>());
    const at::Tensor want = at::full({std::ssize(others)}, 3, at::kLong);
    EXPECT_NEAR(total.mean_loss(), at::cross_entropy_loss(scores, want).item<double>(), 1e-5);
  }
}

TEST(Transforms, MakeNoSetTwice) {
  const auto t = transform("trigger", "side = 2");
  EXPECT_THROW(task_on(shared_images(), {{t, key}, {t, key}}), UserError);
  EXPECT_THROW(task_on(shared_images(), {{transform("trigger", "side = 7"), key}}), UserError);
}

TEST(Transforms, RefuseFormsThatTheyCannotChange) {
  const auto error = [](const std::string& name, const std::string& toml, const Form& form) -> std::string {
    try {
      transform(name, toml)->check(form);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  using testing::HasSubstr;
  const Form small{.shape = {1, 4, 8}, .classes = 5}, vector{.shape = {32, 1, 1}, .classes = 5};
  const Form text{.features = Form::Features::tokens, .targets = Form::Targets::tokens, .vocabulary = 9};
  EXPECT_EQ(error("random_crop", "padding = 3", small), "no error");
  EXPECT_THAT(error("random_crop", "padding = 4", small), HasSubstr("padding of 4 could move images of 4 x 8 pixels"));
  EXPECT_THAT(error("random_crop", "", vector), HasSubstr("need images"));
  EXPECT_THAT(error("random_crop", "", text), HasSubstr("need images"));
  EXPECT_EQ(error("label_flip", "", vector), "no error");
  EXPECT_THAT(error("label_flip", "", text), HasSubstr("only labels can be flipped"));
  EXPECT_THAT(error("label_flip", "to = 5", small), HasSubstr("no label 5 (the data have 5 classes)"));
  EXPECT_THAT(error("label_flip", "classes = [0, 7]", small), HasSubstr("no label 7"));
  EXPECT_THAT(error("trigger", "side = 5", small), HasSubstr("5 x 5 pixels does not fit"));
  EXPECT_THAT(error("trigger", "to = 5", small), HasSubstr("no label 5"));
  EXPECT_THAT(error("trigger", "", text), HasSubstr("needs images"));
}

}  // namespace
}  // namespace shoal
