#pragma once
// Every command, each from the file of its name.

#include "experiments/program/commands.hpp"

namespace shoal {

Command run_command();
Command verify_command();
Command check_command();
Command plan_command();
Command table_command();
Command report_command();
Command export_command();
Command trace_command();
Command calibrate_command();
Command pretrain_command();
Command diff_command();
Command new_command();
Command schema_command();
Command completion_command();
Command list_command();
Command explain_command();

}  // namespace shoal
