// Is a text that a spreadsheet would compute kept a text?

#include "experiments/program/export.hpp"

#include <gtest/gtest.h>

namespace shoal {
namespace {

TEST(Export, MakesFormulasHarmless) {
  for (const char* formula : {"=1+1", "+1", "-1+2", "@sum(a1)", "\tx", "=cmd|' /c calc'!a0"}) {
    EXPECT_EQ(csv_table({MeasureRow{1, formula, 2}}), std::string("round,name,value\r\n1,'") + formula + ",2.0\r\n");
  }
  EXPECT_EQ(csv_table({MeasureRow{1, "=a,\"b\"", 2}}), "round,name,value\r\n1,\"'=a,\"\"b\"\"\",2.0\r\n");
  for (const char* text : {"alpha=0.3", "fed_avg", "a-b", "1@2"}) {
    EXPECT_EQ(csv_table({MeasureRow{1, text, -2}}), std::string("round,name,value\r\n1,") + text + ",-2.0\r\n");
  }
}

}  // namespace
}  // namespace shoal
