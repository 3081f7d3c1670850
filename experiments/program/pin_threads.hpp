#pragma once
// One thread for each of LibTorch's libraries: matrix products give other bits with two threads than with one.

namespace shoal {

/// Restarts the program with the thread counts set to 1 in its environment; returns if they are 1 already.
void pin_library_threads(char** argv);

}  // namespace shoal
