// Recorded availability, from a trace file that `shoal trace` made of FedScale's or FLASH's recordings. The file is
// mapped, checked once and searched by bisection. FedScale: Lai et al., ICML 2022 (arXiv 2105.11367); FLASH: Yang et
// al., WWW 2021 (arXiv 2006.06983).

#include "datasets/traces/trace_file.hpp"

namespace shoal::availability {
namespace {

class Traced final : public Availability {
 public:
  explicit Traced(const Settings& s)
      : file_(s.text("file", "", "trace file, relative to the folder that the program runs in")),
        by_id_(s.choice("assign", false, {{"random", false}, {"by_id", true}},
                        "each client follows a recorded device drawn at random, or the one with its own number")),
        where_(s.where()) {}

  void open(const Opening& opening) override {
    if (file_.empty()) {
      user_error("{}: availability \"trace\" without a file. Make one with 'shoal trace' and set 'file'.", where_);
    }
    key_ = random_key(opening.seed, "clients/traced_device");
    mapped_ = map_trace(file_);
    if (by_id_ && opening.clients > mapped_.view.devices()) {
      user_error(
          "{}: client {} is not in the trace ({} has {} devices, the population {} clients). Set assign = "
          "\"random\".",
          where_, mapped_.view.devices(), file_, mapped_.view.devices(), opening.clients);
    }
  }

  Stretch at(const Who& who, Ticks time) const override {
    if (by_id_) return mapped_.view.at(value(who.client), time);
    const std::uint64_t devices = mapped_.view.devices();
    return mapped_.view.at(who.draws(key_).below(devices), time);
  }

 private:
  std::string file_;
  bool by_id_;
  std::string where_;
  RandomKey key_;
  MappedTrace mapped_;
};

}  // namespace

std::unique_ptr<Availability> trace(Settings& settings) { return std::make_unique<Traced>(settings); }

}  // namespace shoal::availability
