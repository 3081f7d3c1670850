#include "sim/agents/language/transformer_policy.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

#include "sim/agents/all_finite.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr const char* heads_key = "heads";  // the one number of the shape that tensors do not show

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t side : shape) text += fmt::format("{}{}", text.empty() ? "" : " x ", side);
  return text;
}

}  // namespace

std::vector<std::byte> transformer_file(const TransformerShape& shape, const at::Tensor& params,
                                        TensorMetadata metadata) {
  const TransformerLayout layout(shape);
  ensure(params.numel() == layout.parameters.size, "parameters of another shape");
  const at::Tensor values = params.contiguous();
  const auto* bytes = reinterpret_cast<const std::byte*>(values.const_data_ptr<float>());
  std::vector<ModelParameter> model;
  for (const Parameter& p : layout.parameters.parameters) {
    const std::byte *first = bytes + p.offset * sizeof(float), *last = first + p.size * sizeof(float);
    model.push_back({p.name, p.shape, ValueType::float32, {first, last}});
  }
  metadata[heads_key] = std::to_string(shape.heads);
  return safetensors(model, metadata);
}

at::Tensor transformer_parameters(const TransformerShape& shape, const SafeTensors& found, const std::string& origin) {
  const TransformerLayout layout(shape);
  const auto heads = found.metadata.find(heads_key);
  if (heads != found.metadata.end() && heads->second != std::to_string(shape.heads)) {
    user_error("'{}' has {} heads (the settings ask for {}). Set 'heads' to {}.", origin, heads->second, shape.heads,
               heads->second);
  }
  at::Tensor params = at::empty({layout.parameters.size}, at::kFloat);
  float* to = params.mutable_data_ptr<float>();
  for (const Parameter& p : layout.parameters.parameters) {
    const auto tensor = std::ranges::find(found.model, p.name, &ModelParameter::name);
    if (tensor == found.model.end()) {
      user_error(
          "'{}' has no tensor '{}', which a transformer of {} layers has. Set 'layers' to the file's number, or name a "
          "file that 'shoal pretrain' wrote.",
          origin, p.name, shape.layers);
    }
    if (tensor->shape != p.shape || tensor->type != ValueType::float32) {
      user_error(
          "tensor '{}' in '{}' is {} of {} (expected {} of F32). Set 'width', 'layers' and 'heads' to the file's.",
          p.name, origin, text_of(tensor->shape), tensor->type == ValueType::float32 ? "F32" : "F64", text_of(p.shape));
    }
    std::memcpy(to + p.offset, tensor->values.data(), tensor->values.size());
  }
  if (found.model.size() != layout.parameters.parameters.size()) {
    user_error("'{}' has {} tensors (a transformer of {} layers has {}). Set 'layers' to the file's number.", origin,
               found.model.size(), shape.layers, layout.parameters.parameters.size());
  }
  if (!all_finite(std::span(to, params.numel()))) {
    user_error("'{}' holds values that are not finite. Train it again with 'shoal pretrain'.", origin);
  }
  return params;
}

}  // namespace shoal
