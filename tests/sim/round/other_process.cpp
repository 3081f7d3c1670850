// Do clients that are trained in another process, which gets bytes through a pipe and knows nothing of the server's
// state, give the same bits?
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/round/pack_exchange.hpp"
#include "tests/sim/round/rounds.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr const char* experiment =
    "strategy = \"scaffold\"\nstages = [{name = \"adaptive_clip\", initial = 0.5}]\n"
    "codec = [{name = \"top_k\", keep = 0.3}, \"quantize\"]\nmodel = {name = \"mlp\", widths = [7]}\n"
    "data = {name = \"synthetic\", examples = 400, test_examples = 20, features = 9, classes = 4}\n"
    "partition = {name = \"dirichlet\", clients = 20, alpha = 0.5}\nplanner = {cohort = 8, dropout = 0.2}\n"
    "local = {epochs = 2, batch = 4, block = 3, form = \"stacked\"}\n";

void write_all(int to, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(to, bytes.data(), bytes.size());
    if (written <= 0) throw std::runtime_error("the pipe is closed");
    bytes = bytes.subspan(written);
  }
}

// False if the pipe is closed.
bool read_all(int from, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::read(from, bytes.data(), bytes.size());
    if (got <= 0) return false;
    bytes = bytes.subspan(got);
  }
  return true;
}

void send(int to, const Packer& packer) {
  const std::uint64_t size = packer.bytes().size();
  write_all(to, std::as_bytes(std::span(&size, 1)));
  write_all(to, packer.bytes());
}

// Empty if the pipe is closed.
std::vector<std::byte> receive(int from) {
  std::uint64_t size = 0;
  if (!read_all(from, std::as_writable_bytes(std::span(&size, 1)))) return {};
  std::vector<std::byte> bytes(size);
  if (!read_all(from, bytes)) return {};
  return bytes;
}

// The clients' process: composes the experiment for itself and answers requests until the pipe closes.
void serve(int from, int to) {
  const Federation parts = federation(experiment);
  const ClientSide side(parts);
  const std::unique_ptr<Trainer> trainer = parts.task->trainer();
  for (;;) {
    const std::vector<std::byte> request = receive(from);
    if (request.empty()) return;
    Unpacker unpacker(request, "request");
    const Message message = unpack_message(unpacker);
    std::vector<Participation> block;
    std::vector<ClientRecord> memory;
    for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
      block.push_back(unpack_participation(unpacker));
      memory.push_back(unpack_record(unpacker));
    }
    unpacker.finish();
    const at::NoGradGuard no_gradients;
    Packer reply;
    pack(reply, side.train(message, block, std::move(memory), *trainer));
    send(to, reply);
  }
}

// The process that serves, and the ends of its pipes.
class Clients {
 public:
  Clients() {
    int down[2], up[2];
    if (::pipe(down) != 0 || ::pipe(up) != 0) throw std::runtime_error("no pipe");
    child_ = ::fork();
    if (child_ == 0) {
      ::close(down[1]);
      ::close(up[0]);
      serve(down[0], up[1]);
      ::_exit(0);
    }
    ::close(down[0]);
    ::close(up[1]);
    to_ = down[1];
    from_ = up[0];
  }
  ~Clients() {
    ::close(to_);
    ::close(from_);
    ::waitpid(child_, nullptr, 0);
  }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  TrainedBlock train(const Message& message, std::span<const Participation> block,
                     const std::vector<ClientRecord>& memory) {
    Packer request;
    pack(request, message);
    request.number<std::uint64_t>(block.size());
    for (std::size_t k = 0; k < block.size(); ++k) {
      pack(request, block[k]);
      pack_record(request, memory[k]);
    }
    send(to_, request);
    const std::vector<std::byte> reply = receive(from_);
    Unpacker unpacker(reply, "reply");
    TrainedBlock done = unpack_trained_block(unpacker);
    unpacker.finish();
    ++trained_;
    return done;
  }
  int trained() const { return trained_; }

 private:
  pid_t child_ = 0;
  int to_ = -1, from_ = -1, trained_ = 0;
};

// A hash of the records, the model and the memory after three rounds.
std::string three_rounds(const Federation& parts, const TrainClients& train_clients) {
  FederationState state(parts, 1, 0);
  Trainers trainers(*parts.task, 1);
  const std::unique_ptr<Communicator> comm = single_rank();
  Digest all;
  for (int round = 0; round < 3; ++round) add_record(all, run_round(parts, state, *comm, trainers, train_clients));
  for (const auto& [name, section] : state.sections) add_state(all, section);
  for (const auto& [client, record] : state.memory.records()) {
    all.add(value(client));
    for (const at::Tensor& slot : record) all.add(slot.defined() ? digest(slot) : "nothing");
  }
  return all.hex();
}

TEST(OtherProcess, TrainsEveryCommitToTheSameBits) {
  Clients clients;  // before this process starts threads
  const Federation parts = federation(experiment);
  const std::string there = three_rounds(
      parts, [&](const ClientSide&, const Message& message, std::span<const Participation> block,
                 std::vector<ClientRecord> memory, Trainer&) { return clients.train(message, block, memory); });
  EXPECT_GT(clients.trained(), 5);
  EXPECT_EQ(there, three_rounds(parts, {}));
}

// A contribution may be made there as well: a collector accepts unpacked ones.
TEST(OtherProcess, AnUnpackedContributionAddsTheSame) {
  const Federation parts = federation(experiment);
  const ClientSide side(parts);
  const std::unique_ptr<Trainer> trainer = parts.task->trainer();
  FederationState state(parts, 1, 0);
  const Message message = make_message(parts, state);
  std::vector<Participation> block;
  std::vector<double> factors;
  std::vector<ClientRecord> memory;
  AggregationPlan plan{.wires = side.wires(), .type = at::kFloat};
  for (std::int64_t c = 0; c < 3; ++c) {
    block.push_back({.id = ParticipationId{c}, .client = ClientId{c}});
    factors.push_back(1);
    memory.emplace_back(side.memory().size());
  }
  for (std::size_t c = 0; c < side.wires().size(); ++c) plan.scales.push_back({.exponent = 40});
  const at::NoGradGuard no_gradients;
  TrainedBlock done = side.train(message, block, memory, *trainer);
  const Contribution contribution = side.contribute(plan, done, block, factors);
  Packer packer;
  pack(packer, contribution);
  Unpacker unpacker(packer.bytes(), "contribution");
  const Contribution same = unpack_contribution(unpacker);
  unpacker.finish();
  EXPECT_EQ(same.weights, contribution.weights);
  EXPECT_EQ(same.shares, contribution.shares);
  EXPECT_EQ(same.accepted, contribution.accepted);
  const std::unique_ptr<Communicator> comm = single_rank();
  const auto pool = make_thread_pool(1);
  State own;
  std::vector<std::string> means;
  for (const Contribution* each : {&contribution, &same}) {
    const std::unique_ptr<Collector> collector = parts.aggregator->open(plan);
    collector->add(*each);
    const Intake intake = collector->finish(*comm, *pool, own);
    for (const at::Tensor& mean : intake.sums[0].means) means.push_back(digest(mean));
  }
  ASSERT_EQ(means.size() % 2, 0U);
  for (std::size_t i = 0; i < means.size() / 2; ++i) EXPECT_EQ(means[i], means[i + means.size() / 2]);
}

}  // namespace
}  // namespace shoal
