#include "experiments/program/run/agreement.hpp"

#include <unistd.h>

#include <climits>
#include <vector>

#include "sim/comm/gather_text.hpp"
#include "sim/files/packing.hpp"

namespace shoal {
namespace {

Bytes packed(const Agreed& facts, const std::string& host) {
  Packer packer;
  packer.text(host);
  for (const auto& [name, value] : facts) {
    packer.text(name);
    packer.text(value);
  }
  return Bytes(packer.bytes().begin(), packer.bytes().end());
}

struct Told {
  std::string host;
  Agreed facts;
};

Told unpacked(const Bytes& bytes) {
  Unpacker unpacker(bytes, "a rank's facts");
  Told told{.host = unpacker.text(), .facts = {}};
  while (!unpacker.empty()) {
    std::string name = unpacker.text();
    told.facts[std::move(name)] = unpacker.text();
  }
  return told;
}

std::string value_in(const Agreed& facts, const std::string& name) {
  const auto found = facts.find(name);
  return found == facts.end() ? "none" : found->second;
}

}  // namespace

std::string disagreement(Communicator& world, const Agreed& mine, const std::string& host) {
  const std::vector<Bytes> all = world.gather_all(packed(mine, host));
  const Told first = unpacked(all.front());
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    const Told other = unpacked(all[rank]);
    Agreed names = other.facts;
    names.insert(first.facts.begin(), first.facts.end());
    for (const auto& [name, value] : names) {
      const std::string here = value_in(first.facts, name), there = value_in(other.facts, name);
      if (here == there) continue;
      return fmt::format(
          "rank {} on {} and rank 0 on {} do not run the same: {} is {} there and {} here. Start all ranks with the "
          "same experiment, options, files and environment, on processors of one kind.",
          rank, other.host, first.host, name, there, here);
    }
  }
  return "";
}

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = "";
  return gethostname(name, sizeof name) == 0 ? name : "an unknown host";
}

std::string rounding_environment(const Environment& environment) {
  std::string set;
  for (const char* variable :
       {"MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA",
        "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "OPENBLAS_CORETYPE",
        "GLIBC_TUNABLES", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"}) {
    if (const char* value = environment(variable))
      set += fmt::format("{}{}={}", set.empty() ? "" : " ", variable, value);
  }
  return set.empty() ? "default" : set;
}

}  // namespace shoal
