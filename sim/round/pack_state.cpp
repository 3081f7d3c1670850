#include "sim/round/pack_state.hpp"

#include "sim/nn/pack_tensor.hpp"
#include "sim/round/pack_exchange.hpp"

namespace shoal {
namespace {

void pack_count(Packer& packer, std::uint64_t count) { packer.number(count); }

template <class Map, class PackValue>
void pack_map(Packer& packer, const Map& map, const PackValue& pack_value) {
  pack_count(packer, map.size());
  for (const auto& [key, value] : map) {
    packer.text(key);
    pack_value(value);
  }
}

void pack(Packer& packer, const State& state) {
  pack_map(packer, state.tensors(), [&](const at::Tensor& tensor) { pack_tensor(packer, tensor); });
  pack_map(packer, state.integers(), [&](std::int64_t number) { packer.number(number); });
  pack_map(packer, state.blobs(), [&](const std::string& blob) { packer.text(blob); });
}

// Tensors go to the device of the tensor with the same name in `fresh`, a state that has just been initialised.
State unpack_state(Unpacker& unpacker, const State& fresh) {
  State state;
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    const std::string name = unpacker.text();
    const at::Tensor tensor = unpack_tensor(unpacker);
    const auto same = fresh.tensors().find(name);
    state.put(name, same == fresh.tensors().end() ? tensor : tensor.to(same->second.device()));
  }
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    const std::string name = unpacker.text();
    state.integer(name) = unpacker.number<std::int64_t>();
  }
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    const std::string name = unpacker.text();
    state.blob(name) = unpacker.text();
  }
  return state;
}

void unpack_sections(Unpacker& unpacker, FederationState& state) {
  const auto count = unpacker.number<std::uint64_t>();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name = unpacker.text();
    const auto section = state.sections.find(name);
    if (count != state.sections.size() || section == state.sections.end()) {
      user_error("a checkpoint has other parts than the experiment. Resume with the experiment that wrote it.");
    }
    section->second = unpack_state(unpacker, section->second);
  }
}

void require_slots(const ClientRecord& record, std::span<const MemorySlot> slots) {
  bool same = record.size() == slots.size();
  for (std::size_t s = 0; same && s < record.size(); ++s) {
    same = !record[s].defined() || (record[s].numel() == slots[s].size && record[s].scalar_type() == slots[s].type);
  }
  if (same) return;
  user_error(
      "client memory in a checkpoint has other sizes than in the experiment. Resume with the experiment that wrote "
      "it.");
}

}  // namespace

void pack(Packer& packer, const FederationState& state) {
  packer.number(state.round).number(value(state.now)).number(value(state.version));
  pack_map(packer, state.sections, [&](const State& section) { pack(packer, section); });
  pack_map(packer, state.board.all(), [&](const Board::Scores& scores) {
    pack_count(packer, scores.size());
    for (const auto& [client, score] : scores) packer.number(value(client)).number(score);
  });
  pack_count(packer, state.messages.size());
  for (const auto& [id, message] : state.messages) pack(packer, message);
  pack_count(packer, state.in_flight.size());
  for (const auto& [id, participation] : state.in_flight) pack(packer, participation);
  pack_count(packer, state.feedback.size());
  for (const Feedback& back : state.feedback) {
    packer.number(value(back.id)).number(value(back.client)).number(back.loss).number(back.steps);
    packer.number(static_cast<std::int8_t>(back.accepted));
  }
}

void unpack(Unpacker& unpacker, FederationState& state) {
  state.round = unpacker.number<std::int64_t>();
  state.now = Ticks{unpacker.number<std::int64_t>()};
  state.version = Version{unpacker.number<std::int64_t>()};
  unpack_sections(unpacker, state);
  state.board.clear();
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    const std::string name = unpacker.text();
    for (auto scores = unpacker.number<std::uint64_t>(); scores > 0; --scores) {
      const ClientId client{unpacker.number<std::int64_t>()};
      state.board.set(name, client, unpacker.number<double>());
    }
  }
  const at::Device device = state.strategy().params().device();
  state.messages.clear();
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    Message message = unpack_message(unpacker);
    for (auto& [name, tensor] : message.tensors) tensor = tensor.to(device);
    state.messages.insert_or_assign(MessageId(message.version, message.group), std::move(message));
  }
  state.in_flight.clear();
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    const Participation p = unpack_participation(unpacker);
    state.in_flight.emplace(p.id, p);
  }
  state.feedback.clear();
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    Feedback back;
    back.id = ParticipationId{unpacker.number<std::int64_t>()};
    back.client = ClientId{unpacker.number<std::int64_t>()};
    back.loss = unpacker.number<double>();
    back.steps = unpacker.number<std::int64_t>();
    back.accepted = unpacker.number<std::int8_t>() != 0;
    state.feedback.push_back(back);
  }
}

void pack_memory(Packer& packer, const ClientMemory& memory) {
  pack_count(packer, memory.records().size());
  for (const auto& [client, record] : memory.records()) {
    packer.number(value(client));
    pack_record(packer, record);
  }
}

void unpack_memory(Unpacker& unpacker, ClientMemory& memory) {
  for (auto n = unpacker.number<std::uint64_t>(); n > 0; --n) {
    const ClientId client{unpacker.number<std::int64_t>()};
    ClientRecord record = unpack_record(unpacker);
    require_slots(record, memory.slots());
    memory.restore(client, std::move(record));
  }
}

}  // namespace shoal
