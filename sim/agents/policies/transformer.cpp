// A small transformer over the small language (0.1 million parameters as shipped): decoder-only and pre-norm,
// like GPT-2 (Radford and others, 2019). It is pretrained to answer and to follow rules in its context, which is what
// makes hints useful; `shoal pretrain` measures how useful.

#include "sim/agents/language/transformer_policy.hpp"
#include "sim/digest.hpp"

namespace shoal::policies {
namespace {

class Transformer final : public Policy {
 public:
  explicit Transformer(const Settings& s) : shape_(talking_shape()) {
    const auto read = [&](const char* key, int fallback, const char* meaning, double most) -> int {
      return s.integer(key, fallback, meaning, between(1, most));
    };
    const TransformerShape shipped = shape_;
    shape_.width = read("width", shape_.width, "width of the residual stream, as in the weights' file", 4096);
    shape_.layers = read("layers", shape_.layers, "number of layers, as in the weights' file", 64);
    shape_.heads = read("heads", shape_.heads, "number of attention heads, as in the weights' file", 64);
    path_ = s.text("weights", "",
                   "safetensors file that 'shoal pretrain' wrote; empty: the weights that come with the program");
    if (path_.empty() && !(shape_ == shipped)) {
      user_error(
          "{}: the weights that come with the program have width {}, {} layers and {} heads. Train others with 'shoal "
          "pretrain' and name their file in 'weights'.",
          s.where(), shipped.width, shipped.layers, shipped.heads);
    }
  }

  void open(ShippedWeights shipped) override {
    const std::string origin = path_.empty() ? "the weights that come with the program" : path_;
    const SafeTensors file = path_.empty() ? parse_safetensors(shipped(), origin) : read_safetensors(path_);
    const at::Tensor params = transformer_parameters(shape_, file, origin);
    const std::span values(params.const_data_ptr<float>(), params.numel());
    opened_ = transformer_policy(shape_, params, sha256(std::as_bytes(values)));
  }

  const ParameterLayout& layout() const override { return opened_->layout(); }
  at::Tensor initial_parameters() const override { return opened_->initial_parameters(); }
  std::unique_ptr<RolloutWorker> rollout_worker() const override { return opened_->rollout_worker(); }
  double flops_per_token() const override { return opened_->flops_per_token(); }
  std::string digest() const override { return opened_->digest(); }

 private:
  TransformerShape shape_;
  std::string path_;
  std::unique_ptr<Policy> opened_;
};

}  // namespace

std::unique_ptr<Policy> transformer(Settings& settings) { return std::make_unique<Transformer>(settings); }

}  // namespace shoal::policies
