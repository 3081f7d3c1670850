#include "experiments/tasks/shared/population.hpp"

namespace shoal {
namespace {

template <class Contract>
std::shared_ptr<const Contract> open_part(std::string_view kind, std::string_view fallback, const Settings& section,
                                          const Opening& opening) {
  std::shared_ptr<Contract> part = make_part<Contract>(kind, fallback, section);
  part->open(opening);
  return part;
}

}  // namespace

Population make_population(const Settings& section, std::uint64_t seed, std::int64_t clients) {
  const Opening opening{clients, seed};
  return {section, seed, clients, open_part<Devices>("form of devices", "plain", section.section("devices"), opening),
          open_part<Availability>("form of availability", "always", section.section("availability"), opening)};
}

}  // namespace shoal
