#pragma once
// Packs the engine's state into bytes, for checkpoints.

#include "sim/files/packing.hpp"
#include "sim/round/federation.hpp"

namespace shoal {

void pack(Packer& packer, const FederationState& state);
/// Unpacks everything except the client memory. UserError for bytes that `pack` did not write.
void unpack(Unpacker& unpacker, FederationState& state);

/// Packs the records whose home is this rank.
void pack_memory(Packer& packer, const ClientMemory& memory);
/// Unpacks records and keeps those whose home is this rank.
void unpack_memory(Unpacker& unpacker, ClientMemory& memory);

}  // namespace shoal
