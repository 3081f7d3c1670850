#pragma once
// The folder beside a run file in which its cells keep journals and checkpoints. Other files in it are left alone.

#include <cstdint>
#include <string>
#include <string_view>

namespace shoal {

std::string journal_folder(const std::string& run);
/// The journal of one cell.
std::string journal_path(const std::string& run, std::int64_t cell);
/// Whether a file of that name is a cell's journal.
bool is_journal_name(std::string_view name);

/// UserError if something else has the folder's name, such as a symbolic link, behind which the files of another could
/// lie.
void check_journal_folder(const std::string& run);
/// Makes the folder if it is missing. UserError as above.
void make_journal_folder(const std::string& run);
/// The file of the lock that one process holds while it writes the run.
std::string journal_lock(const std::string& run);

/// Removes the journals and checkpoints of all cells.
void remove_journals(const std::string& run);
/// Removes those, the lock, and the folder unless it holds files of another.
void remove_journal_folder(const std::string& run);

}  // namespace shoal
