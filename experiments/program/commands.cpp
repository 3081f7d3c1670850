#include "experiments/program/commands.hpp"

#include "experiments/program/commands/all.hpp"

namespace shoal {

std::span<const Command> commands() {
  static const Command table[] = {
      new_command(),    run_command(),     plan_command(),      table_command(),
      report_command(), export_command(),  verify_command(),    check_command(),
      diff_command(),   trace_command(),   calibrate_command(), pretrain_command(),
      list_command(),   explain_command(), schema_command(),    completion_command(),
  };
  return table;
}

}  // namespace shoal
