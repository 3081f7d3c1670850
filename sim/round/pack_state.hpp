#pragma once
// The engine's state as bytes, for checkpoints.

#include "sim/files/packing.hpp"
#include "sim/round/federation.hpp"

namespace shoal {

void pack(Packer& packer, const FederationState& state);
/// Everything but the client memory; UserError when the bytes are not what `pack` writes.
void unpack(Unpacker& unpacker, FederationState& state);

/// The records whose home is this rank.
void pack_memory(Packer& packer, const ClientMemory& memory);
/// Puts the records whose home is this rank into `memory`.
void unpack_memory(Unpacker& unpacker, ClientMemory& memory);

}  // namespace shoal
