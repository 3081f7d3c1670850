#include "sim/comm/gather_text.hpp"

namespace shoal {

std::vector<std::string> gather_text(Communicator& comm, const std::string& mine) {
  const auto bytes = std::as_bytes(std::span(mine));
  std::vector<std::string> texts;
  for (const Bytes& theirs : comm.gather_all(Bytes(bytes.begin(), bytes.end()))) {
    texts.emplace_back(reinterpret_cast<const char*>(theirs.data()), theirs.size());
  }
  return texts;
}

}  // namespace shoal
