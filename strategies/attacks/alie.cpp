// A little is enough: all malicious clients send the mean of the known rows moved by z standard deviations in every
// coordinate, a change that hides in the spread of honest rows. With n rows of which m are malicious, z is the quantile
// (n - m - s) / (n - m) of the standard normal distribution, where s = floor(n / 2 + 1) - m is the number of honest
// rows that a majority lacks. Baruch, Baruch and Goldberg, NeurIPS 2019 (arXiv 1902.06156), algorithm 3.

#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/special_ndtri.h>

#include <algorithm>
#include <cmath>

#include "sim/round/attack.hpp"
#include "strategies/attacks/shared/malicious.hpp"

namespace shoal::attacks {
namespace {

enum class Knowledge : std::int8_t { honest, own };

// At least 0: below half of the honest rows there is nothing to hide in.
double z_of(std::int64_t n, std::int64_t m) {
  const std::int64_t honest = n - m, lacking = std::max<std::int64_t>(n / 2 + 1 - m, 1);
  if (2 * (honest - lacking) <= honest) return 0;
  const double share = 1.0 * (honest - lacking) / honest;
  return at::special_ndtri(at::scalar_tensor(share, at::TensorOptions(at::kDouble))).item<double>();
}

// Columns [begin, end): the mean of the rows `known` plus z standard deviations (divisor: number of rows - 1).
template <class T>
void craft_columns(RowView<const T> rows, std::span<const std::int64_t> known, double z, std::span<T> crafted) {
  constexpr std::int64_t strip = 256;
  const std::int64_t columns = rows.columns();
  for (std::int64_t begin = 0; begin < columns; begin += strip) {
    const std::int64_t width = std::min(strip, columns - begin);
    double mean[strip] = {}, square[strip] = {};
    for (const std::int64_t i : known) {
      for (std::int64_t j = 0; j < width; ++j) mean[j] += rows.at(i)[begin + j];
    }
    for (double& value : mean) value /= known.size();
    for (const std::int64_t i : known) {
      for (std::int64_t j = 0; j < width; ++j) {
        const double difference = rows.at(i)[begin + j] - mean[j];
        square[j] += difference * difference;
      }
    }
    const double divisor = std::max<double>(known.size() - 1.0, 1);
    for (std::int64_t j = 0; j < width; ++j) crafted[begin + j] = mean[j] + z * std::sqrt(square[j] / divisor);
  }
}

class LittleIsEnough final : public Attack {
 public:
  explicit LittleIsEnough(const Settings& s)
      : clients_(s),
        z_(s.number("z", 0, "standard deviations from the mean; 0: the quantile of the paper", at_least(0))),
        sign_(s.choice("direction", -1.0, {{"minus", -1.0}, {"plus", 1.0}}, "side of the mean")),
        knows_(s.choice("knows", Knowledge::honest, {{"honest", Knowledge::honest}, {"own", Knowledge::own}},
                        "rows whose mean and deviation the attackers know: of all honest clients, or what they would "
                        "send themselves, as in the paper")) {}

  bool is_malicious(ClientId client, std::int64_t round) const override { return clients_.contain(client, round); }
  bool wants_rows() const override { return true; }

  void craft(RowSet& rows, std::span<const std::int64_t> malicious, State&, const AttackContext&) const override {
    const std::int64_t n = rows.count();
    std::vector<bool> is_malicious(n);
    for (const std::int64_t i : malicious) is_malicious[i] = true;
    std::vector<std::int64_t> known;
    for (std::int64_t i = 0; i < n; ++i) {
      if (is_malicious[i] == (knows_ == Knowledge::own)) known.push_back(i);
    }
    if (malicious.empty() || known.empty()) return;
    const double z = sign_ * (z_ > 0 ? z_ : z_of(n, std::ssize(malicious)));
    rows.transform(n, [&]<class T>(RowView<const T> from, RowView<T> to, std::int64_t) {
      std::vector<T> crafted(from.columns());
      craft_columns<T>(from, known, z, crafted);
      for (std::int64_t i = 0; i < n; ++i) {
        std::ranges::copy(is_malicious[i] ? std::span<const T>(crafted) : from.row(i), to.row(i).begin());
      }
    });
  }

 private:
  MaliciousClients clients_;
  double z_, sign_;
  Knowledge knows_;
};

}  // namespace

std::unique_ptr<Attack> alie(Settings& settings) { return std::make_unique<LittleIsEnough>(settings); }

}  // namespace shoal::attacks
