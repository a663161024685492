/*
 * exec.c - fork and execve.
 *
 * Between fork and execve the child may call async-signal-safe functions only
 * (POSIX fork(): the parent may have other threads, which hold locks that
 * nobody in the child will release). So everything is prepared before: the
 * paths to try, the environment, the numbers. The child says what failed over
 * a close-on-exec pipe, whose end of file says that the program runs.
 *
 * uv_spawn() is not used: it has no place for PR_SET_PDEATHSIG between fork
 * and exec, and takes over the host's SIGCHLD.
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "allocation.h"
#include "weir/errors.h"

extern char **environ;

/* Where programs are looked for when the child's environment has no PATH. */
#define DEFAULT_PATH    "/usr/local/bin:/usr/bin:/bin"

#define FIRST_INHERITED 3

/* Descriptors marked one by one on kernels without close_range (< 5.11). */
#define MARK_MAX 65536

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_RANGE_MARK (1u << 2) /* CLOSE_RANGE_CLOEXEC */

/* What the child needs, all of it ready before the fork. */
typedef struct plan {
  const weir__exec_t *exec;
  char *const *arguments;
  char *const *environment;
  char *paths; /* the paths to try, each ending in NUL */
  char *paths_end;
  size_t paths_room;
  int descriptors; /* upper bound of open descriptors */
  int report;      /* the pipe's end that errors are written to */
  pid_t parent;
} plan_t;

int weir__exec_lift(int fd) {
  if (fd >= FIRST_INHERITED) return fd;
  int lifted = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_INHERITED);
  int status = lifted < 0 ? uv_translate_sys_error(errno) : lifted;
  close(fd);
  return status;
}

int weir__exec_pipe(int ends[2]) {
  int made[2];
  if (pipe2(made, O_CLOEXEC) != 0) return uv_translate_sys_error(errno);
  ends[0] = weir__exec_lift(made[0]);
  ends[1] = weir__exec_lift(made[1]);
  if (ends[0] >= 0 && ends[1] >= 0) return 0;
  int status = ends[0] < 0 ? ends[0] : ends[1];
  if (ends[0] >= 0) close(ends[0]);
  if (ends[1] >= 0) close(ends[1]);
  return status;
}

int weir__exec_null(void) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return fd < 0 ? uv_translate_sys_error(errno) : weir__exec_lift(fd);
}

/* ---- In the child, async-signal-safe. ---- */

/* libuv has no number for these two. */
static int exec_error(int error) {
  if (error == ENOEXEC || error == ELIBBAD) return WEIR_ENOEXEC;
  return -error;
}

static _Noreturn void fail(const plan_t *plan, int status) {
  /* A pipe takes four bytes whole or not at all; if the parent has gone,
   * nobody is left to tell. */
  ssize_t ignored = write(plan->report, &status, sizeof status);
  (void)ignored;
  _exit(127);
}

/* Handlers are reset by execve; what the host ignores (SIGPIPE, often) is not,
 * and would be inherited. The numbers that libc keeps fail harmlessly. */
static void reset_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++)
    if (number != SIGKILL && number != SIGSTOP)
      sigaction(number, &action, NULL);
}

/* Whatever the host has open without close-on-exec is not for the child. */
static void mark_descriptors(const plan_t *plan) {
  if (syscall(SYS_close_range, FIRST_INHERITED, ~0u, CLOSE_RANGE_MARK) == 0)
    return;
  for (int fd = FIRST_INHERITED; fd < plan->descriptors; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Tries every path, as execvp does, but leaves out its fallback to a shell. */
static int execute(const plan_t *plan) {
  int denied = 0;
  int error = ENOENT;
  const char *path = plan->paths;
  for (; path < plan->paths_end; path += strlen(path) + 1) {
    execve(path, plan->arguments, plan->environment);
    error = errno;
    if (error == EACCES) denied = 1;
    if (error != EACCES && error != ENOENT && error != ENOTDIR &&
        error != ESTALE && error != ENODEV && error != ETIMEDOUT)
      return exec_error(error);
  }
  return exec_error(denied ? EACCES : error);
}

static _Noreturn void run_child(const plan_t *plan) {
  const weir__exec_t *exec = plan->exec;
  setpgid(0, 0);
  /* Sent when the thread that forked ends. It may have ended before this
   * call: then the parent is another one by now. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(plan, exec_error(errno));
  if (getppid() != plan->parent) _exit(127);
  reset_signals();
  if (exec->directory != NULL && chdir(exec->directory) != 0)
    fail(plan, errno == ENOENT ? UV_ENOTDIR : exec_error(errno));
  if (dup2(exec->input, 0) < 0 || dup2(exec->output, 1) < 0 ||
      dup2(exec->error, 2) < 0)
    fail(plan, exec_error(errno));
  mark_descriptors(plan);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  fail(plan, execute(plan));
}

/* ---- In the parent. ---- */

/* PATH as the child will see it. */
static const char *search_path(const weir__exec_t *exec) {
  const char *const *entries = exec->environment;
  if (entries == NULL) entries = (const char *const *)environ;
  for (; entries != NULL && *entries != NULL; entries++)
    if (strncmp(*entries, "PATH=", 5) == 0) return *entries + 5;
  return DEFAULT_PATH;
}

static char *add(char *to, const char *from, size_t length) {
  memcpy(to, from, length);
  return to + length;
}

/* Joins every directory of PATH with the name; an empty one is the current
 * directory. A name with a slash stands for itself. */
static int plan_paths(plan_t *plan, const weir_allocator_t *allocator) {
  const char *name = plan->exec->arguments[0];
  const char *path = search_path(plan->exec);
  size_t name_room = strlen(name) + 1;
  size_t directories = 1;
  for (const char *at = path; *at != '\0'; at++)
    directories += *at == ':';
  /* A slash and the name take the place of each colon and of the end. */
  plan->paths_room = strlen(path) + 1 + directories * name_room;
  plan->paths = weir__allocate(allocator, plan->paths_room);
  if (plan->paths == NULL) return UV_ENOMEM;

  char *to = plan->paths;
  if (strchr(name, '/') != NULL) {
    to = add(to, name, name_room);
  } else {
    for (;;) {
      size_t length = strcspn(path, ":");
      to = add(to, path, length);
      if (length > 0) *to++ = '/';
      to = add(to, name, name_room);
      if (path[length] == '\0') break;
      path += length + 1;
    }
  }
  plan->paths_end = to;
  return 0;
}

/* Waits for end of file (0: the program runs) or the child's report. The end
 * comes late if another thread forks just now without an exec: its copy of the
 * pipe has to be closed, too. */
static int read_report(int fd) {
  int status = 0;
  ssize_t got;
  do
    got = read(fd, &status, sizeof status);
  while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof status ? status : 0;
}

static int fork_and_wait(plan_t *plan, pid_t *pid) {
  int report[2];
  int status = weir__exec_pipe(report);
  if (status != 0) return status;
  plan->report = report[1];

  /* No handler of the host's may run in the child, where its threads and
   * descriptors are not what it expects. */
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t child = fork();
  if (child == 0) run_child(plan);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(report[1]);
  if (child < 0) {
    close(report[0]);
    return uv_translate_sys_error(error);
  }

  /* Both sides set it, so that it holds whoever runs first. Fails when the
   * program runs already: then the child has done it. */
  setpgid(child, child);
  status = read_report(report[0]);
  close(report[0]);
  if (status != 0) {
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
      continue;
    return status;
  }
  *pid = child;
  return 0;
}

int weir__exec(const weir__exec_t *exec, const weir_allocator_t *allocator,
               pid_t *pid) {
  plan_t plan = {
      .exec = exec,
      .parent = getpid(),
      .arguments = (char *const *)(uintptr_t)exec->arguments,
      .environment = (char *const *)(uintptr_t)exec->environment,
  };
  if (exec->environment == NULL) plan.environment = environ;
  struct rlimit limit;
  plan.descriptors = MARK_MAX;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MARK_MAX)
    plan.descriptors = (int)limit.rlim_cur;

  int status = plan_paths(&plan, allocator);
  if (status == 0) status = fork_and_wait(&plan, pid);
  weir__release(allocator, plan.paths, plan.paths_room);
  return status;
}
