// Sign flip: each malicious client sends -scale times its own update, the strategy's first channel. Li, Xu, Chen,
// Giannakis and Ling, AAAI 2019 (arXiv 1811.03761). A mean over honest clients and a share s of malicious ones keeps
// 1 - s - s scale of the honest mean.

#include "sim/round/attack.hpp"
#include "strategies/attacks/shared/malicious.hpp"

namespace shoal::attacks {
namespace {

class SignFlip final : public Attack {
 public:
  explicit SignFlip(const Settings& s)
      : clients_(s), scale_(s.number("scale", 1, "factor of the flipped update", positive())) {}

  bool is_malicious(ClientId client, std::int64_t round) const override { return clients_.contain(client, round); }

  void corrupt(const Message&, ClientBlock&, UpdateBlock& update, std::span<const std::int64_t> malicious,
               const PartContext&) const override {
    std::vector<double> factors(update.channels[0].count(), 1.0);
    for (const std::int64_t k : malicious) factors[k] = -scale_;
    update.channels[0].scale(factors);
  }

 private:
  MaliciousClients clients_;
  double scale_;
};

}  // namespace

std::unique_ptr<Attack> sign_flip(Settings& settings) { return std::make_unique<SignFlip>(settings); }

}  // namespace shoal::attacks
