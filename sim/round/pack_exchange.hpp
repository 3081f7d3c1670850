#pragma once
// The traffic between a server and its clients' processes, as bytes: the message, the participations and the memory of
// a block down, the trained block or its contribution up. Reading checks every size; UserError names the source.

#include "sim/files/packing.hpp"
#include "sim/round/aggregator.hpp"
#include "sim/round/ahead.hpp"
#include "sim/round/channel.hpp"

namespace shoal {

void pack(Packer& packer, const Participation& participation);
Participation unpack_participation(Unpacker& unpacker);

void pack(Packer& packer, const Message& message);
/// The message on the host.
Message unpack_message(Unpacker& unpacker);

void pack_record(Packer& packer, const ClientRecord& record);
ClientRecord unpack_record(Unpacker& unpacker);

void pack(Packer& packer, const TrainedBlock& block);
/// The block with its rows on the host. The caller checks the number of clients and channels against what it asked for.
TrainedBlock unpack_trained_block(Unpacker& unpacker);

void pack(Packer& packer, const Contribution& contribution);
/// A contribution with its rows on the host, consistent in itself; see `unpack_trained_block`.
Contribution unpack_contribution(Unpacker& unpacker);

}  // namespace shoal
