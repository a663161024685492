/*
 * child.h - child processes of a loop.
 *
 * A child runs in its own process group, dies with the process that started
 * it (PR_SET_PDEATHSIG, re-checked after fork), is watched through a pidfd
 * (Linux 5.4) and always reaped by it: the host's SIGCHLD handler and its
 * other children are left alone. Nothing passes through a shell. It inherits
 * no descriptor but 0, 1 and 2, no blocked or ignored signal.
 *
 * Limits, all of PR_SET_PDEATHSIG. The signal goes to the child alone, not to
 * what it has started in turn; a grandchild that writes to stdout meets a
 * closed pipe instead. It comes when the thread that called weir_child_spawn()
 * ends, so a loop's thread that ends takes its children with it. A program
 * that is set-user-ID or has file capabilities does not get it.
 *
 * When the child has ended, what is left in its process group is killed.
 */
#ifndef WEIR_CHILD_H
#define WEIR_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "allocator.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_CHILD_STDERR_KEPT 65536u /* bytes of stderr kept */
#define WEIR_CHILD_LINE_MAX    4096u /* longer stderr lines are cut in pieces */
#define WEIR_CHILD_LINE_RATE   50u   /* lines handed to on_line a second */

typedef struct weir_child weir_child_t;

/* How a child ended. */
typedef struct weir_child_exit {
  int status; /* exit code, or -1 when killed by a signal */
  int signal; /* the signal, or 0 */
} weir_child_exit_t;

typedef struct weir_child_options {
  size_t size;
  /* NULL at the end. Without a slash, arguments[0] is looked up in the PATH
   * of the child's environment, or in /usr/local/bin:/usr/bin:/bin. */
  const char *const *arguments;
  const char *const *environment; /* NULL: the parent's */
  const char *directory;          /* NULL: the parent's */
  /* Set the read end of stdout's pipe to hold this many bytes (F_SETPIPE_SZ,
   * best effort). Default 1 MiB, which the kernel may refuse: then its own. */
  size_t pipe_capacity;
  /* After weir_child_stop(): SIGINT at once, SIGTERM after this long, SIGKILL
   * after as long again. Milliseconds, default 2000. */
  uint32_t stop_grace;
  /* A line of stderr, without its end, unprintable bytes replaced by '?', not
   * NUL-terminated; valid during the call. CR, LF or both end it; empty ones
   * are left out; well-formed UTF-8 counts as printable. Past
   * WEIR_CHILD_LINE_RATE lines in a second the rest is kept but not handed
   * over; the next line that is has `suppressed` > 0. The very last line is
   * handed over whatever the rate, before on_exit. May be NULL. */
  void (*on_line)(weir_child_t *child, const char *line, size_t length,
                  uint32_t suppressed);
  /* The child has been reaped and its stderr read to the end (or for at most
   * 100 ms more, when a grandchild holds it). Called once. Both fields of
   * `how` say nothing (-1, 0) when the host ignores SIGCHLD or has reaped the
   * child itself. Required. */
  void (*on_exit)(weir_child_t *child, const weir_child_exit_t *how);
  const weir_allocator_t *allocator;
  void *data;
} weir_child_options_t;

/*
 * Starts a child. On success *child is the handle and *stdout_fd the read end
 * of its standard output, non-blocking, close-on-exec, now the caller's.
 * Standard input is /dev/null. A program that cannot be executed is reported
 * here: UV_ENOENT, UV_EACCES, WEIR_ENOEXEC (a script without #!, a program of
 * another machine), UV_ENOTDIR when `directory` does not exist, ... Also
 * UV_EMFILE, UV_ENOMEM, UV_EAGAIN, UV_ENOSYS before Linux 5.4, WEIR_EOPTION.
 * Nothing is left behind on failure.
 *
 * Waits, and the loop with it, until the program executes or cannot: about a
 * millisecond as a rule, of which the fork takes the more the more memory
 * the host has mapped. There is no limit. It takes longer while
 *   - the program, its interpreter, `directory` or a directory of PATH lies
 *     on a disk or a network file system that is slow or does not answer;
 *   - the machine is short of memory or CPU time;
 *   - another thread of the host has forked at that moment, without executing
 *     a program at once: its copy of a pipe of ours is open until then.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_child_spawn(
    uv_loop_t *loop, weir_child_t **child, int *stdout_fd,
    const weir_child_options_t *options);

/* Asks the process group to end, by the schedule of stop_grace. Idempotent;
 * on_exit follows. */
WEIR_EXTERN void weir_child_stop(weir_child_t *child);

/* SIGKILL to the process group now; on_exit follows. */
WEIR_EXTERN void weir_child_kill(weir_child_t *child);

/* The last bytes of stderr, oldest first, at most `capacity` and
 * WEIR_CHILD_STDERR_KEPT. Returns how many were copied. */
WEIR_EXTERN size_t weir_child_stderr(const weir_child_t *child, char *memory,
                                     size_t capacity);

WEIR_EXTERN pid_t weir_child_pid(const weir_child_t *child);
WEIR_EXTERN void *weir_child_data(const weir_child_t *child);

/*
 * Closes the handle. A child that still runs is killed and reaped before the
 * memory is freed and `closed` (may be NULL) is called with options.data; the
 * loop is kept alive until then. on_line and on_exit are not called any more.
 * May be called from on_line and on_exit. NULL is a no-op.
 */
WEIR_EXTERN void weir_child_close(weir_child_t *child,
                                  void (*closed)(void *data));

WEIR_END_DECLS

#endif
