#include "sim/round/pack_exchange.hpp"

#include <algorithm>

#include "sim/nn/pack_tensor.hpp"

namespace shoal {
namespace {

// A number of items, of which each takes at least one byte of what is left.
std::size_t unpack_count(Unpacker& unpacker) {
  const auto count = unpacker.number<std::uint64_t>();
  if (count > unpacker.left()) {
    user_error("a record of '{}' ends early. Use the version that wrote it.", unpacker.source());
  }
  return count;
}

void require_size(const Unpacker& unpacker, std::size_t found, std::size_t expected) {
  if (found == expected) return;
  user_error("a record of '{}' describes {} clients here and {} there. Use the version that wrote it.",
             unpacker.source(), found, expected);
}

std::vector<std::int64_t> packed(const ClientFigures& figures) {
  std::vector<std::int64_t> numbers(ClientFigures::packed_size(figures.figures.size()));
  figures.pack(numbers);
  return numbers;
}

void pack_rows(Packer& packer, const std::vector<Rows>& all) {
  packer.number<std::uint64_t>(all.size());
  for (const Rows& rows : all) rows.pack(packer);
}

std::vector<Rows> unpack_rows(Unpacker& unpacker, std::size_t clients) {
  std::vector<Rows> all;
  for (std::size_t n = unpack_count(unpacker); n > 0; --n) {
    all.push_back(Rows::unpack(unpacker));
    require_size(unpacker, all.back().count(), clients);
  }
  return all;
}

}  // namespace

void pack(Packer& packer, const Participation& p) {
  packer.number(value(p.id)).number(value(p.client)).number(value(p.version)).number(p.round);
  packer.number(value(p.start)).number(value(p.finish)).number(p.fraction).number(static_cast<std::int8_t>(p.outcome));
  packer.number(value(p.task)).number(p.group).number(p.variant);
}

Participation unpack_participation(Unpacker& unpacker) {
  Participation p;
  p.id = ParticipationId{unpacker.number<std::int64_t>()};
  p.client = ClientId{unpacker.number<std::int64_t>()};
  p.version = Version{unpacker.number<std::int64_t>()};
  p.round = unpacker.number<std::int64_t>();
  p.start = Ticks{unpacker.number<std::int64_t>()};
  p.finish = Ticks{unpacker.number<std::int64_t>()};
  p.fraction = unpacker.number<double>();
  p.outcome = static_cast<Outcome>(unpacker.number<std::int8_t>());
  p.task = TaskId{unpacker.number<std::int64_t>()};
  p.group = unpacker.number<std::int32_t>();
  p.variant = unpacker.number<std::int32_t>();
  return p;
}

void pack(Packer& packer, const Message& message) {
  packer.number(value(message.version)).number(message.group).number(message.wire_bytes.value_or(-1));
  packer.number<std::uint64_t>(message.bytes_since.size());
  for (const auto& [version, bytes] : message.bytes_since) packer.number(value(version)).number(bytes);
  packer.number<std::uint64_t>(message.tensors.size());
  for (const auto& [name, tensor] : message.tensors) {
    packer.text(name);
    pack_tensor(packer, tensor);
  }
  packer.number<std::uint64_t>(message.rows.size());
  for (const auto& [client, sent] : message.rows) {
    packer.number(value(client)).number<std::uint64_t>(sent.size());
    for (const SentRows& of : sent) {
      packer.number(value(of.of));
      pack_record(packer, of.rows);
    }
  }
}

Message unpack_message(Unpacker& unpacker) {
  Message message{.version = Version{unpacker.number<std::int64_t>()}};
  message.group = unpacker.number<std::int32_t>();
  const auto wire_bytes = unpacker.number<std::int64_t>();
  if (wire_bytes >= 0) message.wire_bytes = wire_bytes;
  for (std::size_t n = unpack_count(unpacker); n > 0; --n) {
    const Version version{unpacker.number<std::int64_t>()};
    message.bytes_since[version] = unpacker.number<std::int64_t>();
  }
  for (std::size_t n = unpack_count(unpacker); n > 0; --n) {
    const std::string name = unpacker.text();
    message.tensors.insert_or_assign(name, unpack_tensor(unpacker));
  }
  for (std::size_t n = unpack_count(unpacker); n > 0; --n) {
    std::vector<SentRows>& sent = message.rows[ClientId{unpacker.number<std::int64_t>()}];
    for (std::size_t m = unpack_count(unpacker); m > 0; --m) {
      SentRows& of = sent.emplace_back();
      of.of = ClientId{unpacker.number<std::int64_t>()};
      of.rows = unpack_record(unpacker);
    }
  }
  return message;
}

void pack_record(Packer& packer, const ClientRecord& record) {
  packer.number<std::uint64_t>(record.size());
  for (const at::Tensor& values : record) {
    packer.number(static_cast<std::int8_t>(values.defined()));
    if (values.defined()) pack_tensor(packer, values);
  }
}

ClientRecord unpack_record(Unpacker& unpacker) {
  ClientRecord record(unpack_count(unpacker));
  for (at::Tensor& values : record) {
    if (unpacker.number<std::int8_t>() != 0) values = unpack_tensor(unpacker);
  }
  return record;
}

void pack(Packer& packer, const TrainedBlock& block) {
  packer.number<std::uint64_t>(block.figures.size());
  for (const ClientFigures& figures : block.figures) packer.array(std::span<const std::int64_t>(packed(figures)));
  pack_rows(packer, block.channels);
  packer.array(std::span(block.weight)).array(std::span(block.groups));
  for (const ClientRecord& record : block.written) pack_record(packer, record);
}

TrainedBlock unpack_trained_block(Unpacker& unpacker) {
  TrainedBlock block;
  block.figures.resize(unpack_count(unpacker));
  for (ClientFigures& figures : block.figures) {
    const std::vector<std::int64_t> numbers = unpacker.array<std::int64_t>();
    if (numbers.size() < ClientFigures::packed_size(0)) {
      user_error("a record of '{}' has {} figures of a client. Use the version that wrote it.", unpacker.source(),
                 numbers.size());
    }
    figures = ClientFigures::unpack(numbers);
  }
  block.channels = unpack_rows(unpacker, block.figures.size());
  block.weight = unpacker.array<double>();
  if (!block.weight.empty()) require_size(unpacker, block.weight.size(), block.figures.size());
  block.groups = unpacker.array<std::int32_t>();
  if (!block.groups.empty()) require_size(unpacker, block.groups.size(), block.figures.size());
  for (std::size_t k = 0; k < block.figures.size(); ++k) block.written.push_back(unpack_record(unpacker));
  return block;
}

void pack(Packer& packer, const Contribution& contribution) {
  packer.number<std::uint64_t>(contribution.accepted.size());
  for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
    packer.number(static_cast<std::int8_t>(contribution.accepted[k]));
    pack(packer, contribution.block[k]);
  }
  packer.array(std::span(contribution.groups));
  pack_rows(packer, contribution.channels);
  for (std::size_t c = 0; c < contribution.channels.size(); ++c) {
    packer.array(std::span(contribution.weights[c])).array(std::span(contribution.shares[c]));
  }
}

Contribution unpack_contribution(Unpacker& unpacker) {
  Contribution contribution;
  const std::size_t clients = unpack_count(unpacker);
  for (std::size_t k = 0; k < clients; ++k) {
    contribution.accepted.push_back(unpacker.number<std::int8_t>() != 0);
    contribution.block.push_back(unpack_participation(unpacker));
  }
  contribution.groups = unpacker.array<std::int32_t>();
  if (!contribution.groups.empty()) require_size(unpacker, contribution.groups.size(), clients);
  contribution.channels = unpack_rows(unpacker, clients);
  for (std::size_t c = 0; c < contribution.channels.size(); ++c) {
    for (auto* numbers : {&contribution.weights, &contribution.shares}) {
      numbers->push_back(unpacker.array<std::int64_t>());
      require_size(unpacker, numbers->back().size(), clients);
    }
  }
  return contribution;
}

}  // namespace shoal
