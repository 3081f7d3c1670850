#include "sim/files/safetensors.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "sim/error.hpp"

namespace shoal {
namespace {

ModelParameter parameter(std::string name, std::vector<std::int64_t> shape, const std::vector<float>& values) {
  ModelParameter p{std::move(name), std::move(shape), ValueType::float32, {}};
  const auto bytes = std::as_bytes(std::span(values));
  p.values.assign(bytes.begin(), bytes.end());
  return p;
}

std::vector<ModelParameter> model() {
  ModelParameter bias{"bias µ\"", {2}, ValueType::float64, std::vector<std::byte>(16)};
  const double values[2] = {0.1, -1e300};
  std::memcpy(bias.values.data(), values, sizeof values);
  return {parameter("layer/1.weight", {2, 3}, {1, 2, 3, 4, 5, 6}), bias, parameter("none", {0, 4}, {}),
          parameter("scalar", {}, {7})};
}

// A file with this header and as many bytes of values.
std::vector<std::byte> file(const std::string& header, std::size_t values) {
  std::vector<std::byte> bytes(8 + header.size() + values);
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  return bytes;
}

std::string error_of(const std::vector<std::byte>& bytes) {
  try {
    parse_safetensors(bytes, "x");
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Safetensors, GivesBackWhatWasWritten) {
  const std::string path = testing::TempDir() + "shoal_model" + std::to_string(::getpid());
  write_safetensors(path, model(), {{"label", "fed_avg <µ> \"x\""}, {"seed", "3"}});
  const SafeTensors read = read_safetensors(path);
  std::filesystem::remove(path);
  EXPECT_EQ(read.metadata, (TensorMetadata{{"label", "fed_avg <µ> \"x\""}, {"seed", "3"}}));
  const std::vector<ModelParameter> expected = {model()[1], model()[0], model()[2], model()[3]};  // wide values first
  ASSERT_EQ(read.model.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(read.model[i].name, expected[i].name);
    EXPECT_EQ(read.model[i].shape, expected[i].shape);
    EXPECT_EQ(read.model[i].type, expected[i].type);
    EXPECT_EQ(read.model[i].values, expected[i].values);
  }
}

TEST(Safetensors, HasThePublishedLayout) {
  const std::vector<ModelParameter> one = {parameter("w", {1, 2}, {1, 2})};
  const std::vector<std::byte> bytes = safetensors(one, {});
  const std::string header = R"({"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0);
  const std::string text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  EXPECT_EQ(text, header + std::string(length - header.size(), ' '));
  EXPECT_EQ(std::memcmp(bytes.data() + 8 + length, one[0].values.data(), 8), 0);
  EXPECT_EQ(bytes.size(), 8 + length + 8);
  EXPECT_TRUE(parse_safetensors(safetensors({}, {}), "x").model.empty());
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::vector<std::byte> whole = safetensors(model(), {{"seed", "3"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string error = error_of({whole.begin(), whole.begin() + size});
    EXPECT_NE(error.find("'x' is not a safetensors file"), std::string::npos) << size << ": " << error;
  }
  std::vector<std::byte> longer = whole;
  longer.emplace_back();
  EXPECT_NE(error_of(longer).find("its tensors end at"), std::string::npos);
}

TEST(Safetensors, RefusesHostileHeaders) {
  const auto tensor = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
  };
  EXPECT_EQ(error_of(file(tensor("\"F32\"", "[2]", "[0,8]"), 8)), "");
  const std::pair<std::string, std::string> headers[] = {
      {"", "not JSON"},
      {"[]", "not an object"},
      {"{", "not JSON"},
      {"{} {}", "not JSON"},
      {std::string(1000, '['), "nested"},
      {tensor("\"F32\"", "[2]", "[0,16]"), "ends at 16 of 8"},
      {tensor("\"F32\"", "[3]", "[0,8]"), "not those of its shape"},
      {tensor("\"F64\"", "[2]", "[0,8]"), "not those of its shape"},
      {tensor("\"F32\"", "[2]", "[8,0]"), "no begin and end"},
      {tensor("\"F32\"", "[2]", "[0]"), "no begin and end"},
      {tensor("\"F32\"", "[2]", "[-8,0]"), "has -8 in 'data_offsets'"},
      {tensor("\"F32\"", "[2.0]", "[0,8]"), "has 2.0 in 'shape'"},
      {tensor("\"F32\"", "[18446744073709551615]", "[0,8]"), "in 'shape'"},
      {tensor("\"F32\"", "[4611686018427387904,4]", "[0,8]"), "not those of its shape"},
      {tensor("\"F32\"", "[1]", "[4,8]"), "begins at 4, not at 0"},
      {tensor("\"F32\"", "\"2\"", "[0,8]"), "no list 'shape'"},
      {tensor("\"BF16\"", "[4]", "[0,8]"), "has type BF16 (this program reads F32 and F64)"},
      {tensor("3", "[2]", "[0,8]"), "no 'dtype'"},
      {R"({"w":{}})", "not made of dtype"},
      {R"({"w":3})", "not made of dtype"},
      {R"({"__metadata__":{"a":1}})", "is not text"},
      {R"({"__metadata__":[]})", "is not an object"},
      {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "names 'w' twice"},
      {R"({"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "tensor 'w' begins at 4, not at 8"},
  };
  for (const auto& [header, expected] : headers) {
    const std::string error = error_of(file(header, 8));
    EXPECT_NE(error.find(expected), std::string::npos) << header << ": " << error;
  }
  for (const std::uint64_t length : {std::uint64_t{9}, std::uint64_t{100'000'001}, ~std::uint64_t{0}}) {
    std::vector<std::byte> bytes(16);
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_NE(error_of(bytes).find("does not fit"), std::string::npos) << length;
  }
}

TEST(Safetensors, NamesAMissingFile) {
  EXPECT_THROW(read_safetensors("/nowhere/model"), UserError);
  EXPECT_THROW(read_safetensors(testing::TempDir()), UserError);
}

}  // namespace
}  // namespace shoal
