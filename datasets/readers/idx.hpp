#pragma once
// IDX arrays, the format of MNIST (Y. LeCun, C. Cortes, C. Burges): bytes 0, 0, element type, number of dimensions; the
// dimensions as big-endian uint32; the elements, big-endian, last dimension fastest.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datasets/readers/gzip.hpp"

namespace shoal::readers {

/// Element types; the values are those of the file.
enum class IdxType : std::uint8_t { uint8 = 0x08, int32 = 0x0c };

/// The type, dimensions and size that a file must have.
struct IdxExpected {
  IdxType type = IdxType::uint8;
  int dimensions = 1;
  std::int64_t limit = gibibyte;  // bytes, unpacked
};

/// The array of one file; its type decides whether `bytes` or `ints` is filled.
struct IdxArray {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> bytes;
  std::vector<std::int32_t> ints;
};

/// Reads an IDX file, plain or gzip. UserError when it is not exactly what its header and `expected` say.
IdxArray read_idx(const std::string& path, const IdxExpected& expected);

/// The same from memory; `name` is for the errors.
IdxArray parse_idx(Bytes content, const std::string& name, const IdxExpected& expected);

/// An array of uint8 that lies in a mapped file.
struct MappedIdx {
  std::vector<std::int64_t> shape;
  std::span<const std::uint8_t> bytes;
  std::shared_ptr<const void> file;  // keeps them there
};

/// Maps an IDX file of uint8 with so many dimensions; nothing for one in gzip format, which must be unpacked. Checked
/// as `read_idx` does.
std::optional<MappedIdx> map_idx(const std::string& path, int dimensions);

/// The path of the file of `folder` named `stem` (such as `train-images-idx3-ubyte`), also with a dot for the dash
/// before `idx`, also with `.gz`; empty when there is none.
std::string find_idx(const std::string& folder, const std::string& stem);

}  // namespace shoal::readers
