#pragma once
// Models as safetensors, the format that PyTorch, JAX and others load without running code.
//
// File, little-endian:  uint64 length of the header; the header, JSON: name -> {"dtype", "shape", "data_offsets"} and
// optionally "__metadata__" -> {name: text}; then the values, row-major, without holes. The types F32 and F64 are
// supported. https://github.com/huggingface/safetensors

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace shoal {

enum class ValueType : std::int8_t { float32 = 0, float64 = 1 };
constexpr std::size_t bytes_of(ValueType type) { return type == ValueType::float32 ? 4 : 8; }

/// One named array of the model; values in row-major order.
struct ModelParameter {
  std::string name;
  std::vector<std::int64_t> shape;
  ValueType type = ValueType::float32;
  std::vector<std::byte> values;
};

/// True when the values fill the shape exactly.
bool is_whole(const ModelParameter& parameter);

using TensorMetadata = std::map<std::string, std::string>;

/// The bytes of a file. Values of 8 bytes come before those of 4, so that all are aligned; otherwise they keep their
/// order.
std::vector<std::byte> safetensors(std::span<const ModelParameter> model, const TensorMetadata& metadata);

/// Writes a file with `replace_file`, as a whole or not at all; throws what that throws.
void write_safetensors(const std::string& path, std::span<const ModelParameter> model, const TensorMetadata& metadata);

struct SafeTensors {
  std::vector<ModelParameter> model;  // in the order of their values
  TensorMetadata metadata;
};

/// Checks every length and offset before it is used. UserError, naming `origin`, for anything that the format forbids,
/// and for types other than F32 and F64.
SafeTensors parse_safetensors(std::span<const std::byte> file, const std::string& origin);

/// UserError also for a missing file.
SafeTensors read_safetensors(const std::string& path);

}  // namespace shoal
