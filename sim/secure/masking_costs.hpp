#pragma once
// Costs of a masked sum for one client, in bytes and operations: closed forms that equal the messages to the byte.

#include <cstdint>

namespace shoal {

/// The numbers that the costs of one client follow from.
struct MaskingSize {
  std::int64_t neighbours = 0, holders = 0, threshold = 0;  // holders of shares of one secret
  std::int64_t words = 0;
  int bits = 32;  // width of a word that travels
};

struct MaskingCosts {
  std::int64_t bytes_up = 0, bytes_down = 0;
  double operations = 0;
};

/// It sends its keys and gets those of its neighbours.
MaskingCosts key_costs(const MaskingSize& size);
/// It sends sealed shares to all neighbours and gets theirs. Making the masks of its words is counted here too: they do
/// not depend on the words.
MaskingCosts share_costs(const MaskingSize& size);
/// Its words, with its number.
std::int64_t words_bytes(const MaskingSize& size);
/// It gets one bit for each party whose shares it holds, and sends one share of each.
MaskingCosts answer_costs(const MaskingSize& size);
/// Masks that the server makes: one for each client that has sent words, and one for each pair of
/// a client that was lost and one that was not.
double server_expansions(double clients, double dropout, double neighbours);

}  // namespace shoal
