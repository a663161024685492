/* exec.h - fork and execve, for child.c. */
#ifndef WEIR_EXEC_H
#define WEIR_EXEC_H

#include <sys/types.h>

#include "weir/allocator.h"

#pragma GCC visibility push(hidden)

typedef struct weir__exec {
  const char *const *arguments;   /* NULL at the end, at least one */
  const char *const *environment; /* NULL: the parent's */
  const char *directory;          /* NULL: the parent's */
  int input;                      /* become 0, 1 and 2; all above 2 */
  int output;
  int error;
} weir__exec_t;

/* Moves a descriptor above 2: a host may run without standard descriptors, and
 * dup2 onto them must not hit it. The descriptor, close-on-exec, or a negative
 * error with the given one closed. */
int weir__exec_lift(int fd);

/* A pipe, both ends close-on-exec and above 2. 0 or a negative error. */
int weir__exec_pipe(int ends[2]);

/* /dev/null for reading, in the same manner. The descriptor or an error. */
int weir__exec_null(void);

/*
 * Starts a program in a process group of its own that is killed with the
 * calling thread, and waits until it executes. 0, or a negative error with no
 * process left behind. The allocator is used during the call only.
 */
int weir__exec(const weir__exec_t *exec, const weir_allocator_t *allocator,
               pid_t *pid);

#pragma GCC visibility pop

#endif
