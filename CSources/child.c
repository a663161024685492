/*
 * child.c - child processes of a loop.
 *
 *   running ──stop──> stopping ──┐
 *      └────────── exits ────────┴──> draining ──> ended
 *
 * Running and stopping: the process has not been reaped. Draining: it has,
 * and what is left of stderr is read, for a while at most, as a grandchild in
 * another process group may hold the pipe open for ever. Ended: on_exit was
 * called. The handle may be closed in any of them; one that is closed while
 * the process lives goes on until it has reaped it.
 *
 * As long as it is not reaped, the process keeps its number, so that signals
 * to its group cannot hit another one.
 */
#include "weir/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocation.h"
#include "exec.h"
#include "lines.h"
#include "options.h"
#include "weir/errors.h"

#define MAGIC                 0x4348494cu /* "CHIL" */

#define DEFAULT_PIPE_CAPACITY ((size_t)1 << 20) /* bytes */
#define DEFAULT_STOP_GRACE    2000u             /* ms, each step */
#define DRAIN_TIME            100u              /* ms of stderr after exit */
#define STDERR_READ_MAX       65536u /* bytes before the loop turns */

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#define OPTIONS_LEAST WEIR__OPTIONS_TO(weir_child_options_t, data)

#define ID_PIDFD      ((idtype_t)3) /* P_PIDFD, Linux 5.4; not in every libc */

typedef enum state { RUNNING, STOPPING, DRAINING, ENDED } state_t;

struct weir_child {
  uint32_t magic;
  state_t state;
  int closing;
  int stderr_open;
  int open_handles;
  int next_signal; /* that the stop schedule sends, 0 after the last */
  uint32_t stop_grace;
  pid_t pid;
  int pidfd; /* -1 when the process was gone before it could be opened */
  int stderr_fd;
  weir_child_exit_t how;
  uv_timer_t timer; /* the stop schedule, then the end of draining */
  uv_poll_t exit_watch;
  uv_poll_t stderr_watch;
  void (*on_line)(weir_child_t *, const char *, size_t, uint32_t);
  void (*on_exit)(weir_child_t *, const weir_child_exit_t *);
  void (*closed)(void *data);
  void *data;
  weir_allocator_t allocator;
  size_t kept;  /* bytes of stderr in the ring */
  size_t write; /* where the next goes */
  weir__lines_t lines;
  char ring[WEIR_CHILD_STDERR_KEPT];
};

/* ---- Signals ---- */

/* To the whole group. Nothing is sent once the process has been reaped by
 * whomever, as its number may be another's. SIGKILL also goes to a process
 * that has left its group. */
static void signal_group(weir_child_t *child, int number) {
  if (child->pidfd < 0) return;
  if (syscall(SYS_pidfd_send_signal, child->pidfd, 0, NULL, 0) != 0) return;
  if (kill(-child->pid, number) != 0 || number == SIGKILL)
    syscall(SYS_pidfd_send_signal, child->pidfd, number, NULL, 0);
}

/* Whether there is a process, and somebody to care. */
static int living(const weir_child_t *child) {
  return child->state <= STOPPING && !child->closing && child->pidfd >= 0;
}

static void on_stop_timer(uv_timer_t *timer) {
  weir_child_t *child = timer->data;
  int number = child->next_signal;
  child->next_signal = number == SIGINT ? SIGTERM : SIGKILL;
  if (number != SIGKILL)
    uv_timer_start(timer, on_stop_timer, child->stop_grace, 0);
  signal_group(child, number);
}

void weir_child_stop(weir_child_t *child) {
  if (child->state != RUNNING || !living(child)) return;
  child->state = STOPPING;
  child->next_signal = SIGINT;
  /* The loop's idea of now may be as old as the callback we are in. */
  uv_update_time(child->timer.loop);
  on_stop_timer(&child->timer);
}

void weir_child_kill(weir_child_t *child) {
  if (!living(child)) return;
  child->state = STOPPING;
  uv_timer_stop(&child->timer);
  signal_group(child, SIGKILL);
}

/* ---- Closing ---- */

static void on_handle_closed(uv_handle_t *handle) {
  weir_child_t *child = handle->data;
  if (--child->open_handles > 0) return;
  void (*closed)(void *) = child->closed;
  void *data = child->data;
  weir__release(&child->allocator, child, sizeof *child);
  if (closed != NULL) closed(data);
}

/* Closes the handles, then their descriptors. */
static void release(weir_child_t *child) {
  uv_close((uv_handle_t *)&child->timer, on_handle_closed);
  uv_close((uv_handle_t *)&child->stderr_watch, on_handle_closed);
  close(child->stderr_fd);
  if (child->pidfd >= 0) {
    uv_close((uv_handle_t *)&child->exit_watch, on_handle_closed);
    close(child->pidfd);
  }
}

void weir_child_close(weir_child_t *child, void (*closed)(void *data)) {
  if (child == NULL || child->magic != MAGIC) return;
  child->magic = 0;
  child->closing = 1;
  child->closed = closed;
  uv_timer_stop(&child->timer);
  uv_poll_stop(&child->stderr_watch);
  if (child->state > STOPPING || child->pidfd < 0) {
    release(child);
    return;
  }
  signal_group(child, SIGKILL);
  /* A loop with nothing else to do must not end before it has reaped. */
  uv_ref((uv_handle_t *)&child->exit_watch);
}

/* ---- Standard error ---- */

static int on_lines(void *context, const char *line, size_t length,
                    uint32_t suppressed) {
  weir_child_t *child = context;
  child->on_line(child, line, length, suppressed);
  return child->closing;
}

static void finish(weir_child_t *child) {
  uv_timer_stop(&child->timer);
  uv_poll_stop(&child->stderr_watch);
  child->state = ENDED;
  if (child->on_line != NULL)
    weir__lines_finish(&child->lines, on_lines, child);
  if (!child->closing) child->on_exit(child, &child->how);
}

/* Reads what there is, STDERR_READ_MAX bytes at most: a child that floods
 * stderr must not keep the loop from turning. May close the child. */
static void read_stderr(weir_child_t *child) {
  size_t budget = STDERR_READ_MAX;
  while (budget > 0 && child->stderr_open && !child->closing) {
    char *to = child->ring + child->write;
    size_t room = sizeof child->ring - child->write;
    if (room > budget) room = budget;
    ssize_t got = read(child->stderr_fd, to, room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      child->stderr_open = 0;
      uv_poll_stop(&child->stderr_watch);
      return;
    }
    size_t bytes = (size_t)got;
    budget -= bytes;
    child->write = (child->write + bytes) % sizeof child->ring;
    if (child->kept < sizeof child->ring) child->kept += bytes;
    if (child->kept > sizeof child->ring) child->kept = sizeof child->ring;
    if (child->on_line != NULL)
      weir__lines_feed(&child->lines, to, bytes,
                       uv_now(child->stderr_watch.loop), on_lines, child);
  }
}

static void on_stderr(uv_poll_t *poll, int status, int events) {
  (void)status; /* an error of the descriptor is met again by read */
  (void)events;
  weir_child_t *child = poll->data;
  read_stderr(child);
  if (child->closing || child->stderr_open) return;
  if (child->state == DRAINING) finish(child);
}

/* The pipe is still open. What is in it may be what the child left, if the
 * loop did not turn in the meantime: one last look. */
static void on_drain_timer(uv_timer_t *timer) {
  weir_child_t *child = timer->data;
  read_stderr(child);
  if (!child->closing) finish(child);
}

size_t weir_child_stderr(const weir_child_t *child, char *memory,
                         size_t capacity) {
  size_t bytes = child->kept < capacity ? child->kept : capacity;
  size_t size = sizeof child->ring;
  size_t from = (child->write + size - bytes) % size;
  size_t first = size - from < bytes ? size - from : bytes;
  if (bytes == 0) return 0;
  memcpy(memory, child->ring + from, first);
  memcpy(memory + first, child->ring, bytes - first);
  return bytes;
}

/* ---- Exit ---- */

static void on_reaped(weir_child_t *child) {
  uv_timer_stop(&child->timer);
  child->state = DRAINING;
  if (child->closing) {
    release(child);
  } else if (!child->stderr_open) {
    finish(child);
  } else {
    uv_update_time(child->timer.loop);
    uv_timer_start(&child->timer, on_drain_timer, DRAIN_TIME, 0);
  }
}

static int wait_child(int pidfd, siginfo_t *info, int flags) {
  int status;
  memset(info, 0, sizeof *info);
  do
    status = waitid(ID_PIDFD, (id_t)pidfd, info, WEXITED | WNOHANG | flags);
  while (status != 0 && errno == EINTR);
  return status;
}

static void on_exit_ready(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  weir_child_t *child = poll->data;
  siginfo_t info;
  /* WNOWAIT leaves it a zombie, whose number is still taken: what remains of
   * its group can be killed without hitting another. */
  if (wait_child(child->pidfd, &info, WNOWAIT) == 0) {
    if (info.si_pid == 0) return; /* not yet */
    kill(-child->pid, SIGKILL);
    wait_child(child->pidfd, &info, 0);
    int exited = info.si_code == CLD_EXITED;
    child->how.status = exited ? info.si_status : -1;
    child->how.signal = exited ? 0 : info.si_status;
  }
  uv_poll_stop(poll);
  on_reaped(child);
}

/* The host ignores SIGCHLD or reaps everything, and was first. */
static void on_gone(uv_timer_t *timer) {
  on_reaped(timer->data);
}

/* ---- Starting ---- */

/* Sets child->pidfd. Where waitid cannot use it (before Linux 5.4) nothing is
 * known of the end of a child, so that is an error. */
static int open_pidfd(weir_child_t *child) {
  siginfo_t info;
  int fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
  if (fd < 0) return errno == ESRCH ? 0 : uv_translate_sys_error(errno);
  child->pidfd = weir__exec_lift(fd);
  if (child->pidfd < 0) return child->pidfd;
  if (wait_child(child->pidfd, &info, WNOWAIT) == 0 || errno == ECHILD)
    return 0;
  close(child->pidfd);
  child->pidfd = -1;
  return UV_ENOSYS;
}

static void watch(weir_child_t *child, uv_handle_t *handle) {
  handle->data = child;
  uv_unref(handle);
  child->open_handles++;
}

/* Watches the started process. On failure nothing is left of the handles but
 * what closes by itself; the process runs. */
static int start_watching(weir_child_t *child, uv_loop_t *loop) {
  int status = uv_poll_init(loop, &child->stderr_watch, child->stderr_fd);
  if (status != 0) return status;
  watch(child, (uv_handle_t *)&child->stderr_watch);
  if (child->pidfd >= 0) {
    status = uv_poll_init(loop, &child->exit_watch, child->pidfd);
    if (status != 0) return status;
    watch(child, (uv_handle_t *)&child->exit_watch);
    uv_poll_start(&child->exit_watch, UV_READABLE, on_exit_ready);
  }
  uv_timer_init(loop, &child->timer);
  watch(child, (uv_handle_t *)&child->timer);
  if (child->pidfd < 0) uv_timer_start(&child->timer, on_gone, 0, 0);
  uv_poll_start(&child->stderr_watch, UV_READABLE, on_stderr);
  return 0;
}

/* Kills and reaps at once a process that cannot be watched. */
static void abandon(weir_child_t *child) {
  kill(-child->pid, SIGKILL);
  while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
    continue;
  if (child->pidfd >= 0) close(child->pidfd);
}

static int check_options(const weir_child_options_t *options) {
  if (options->arguments == NULL || options->arguments[0] == NULL)
    return WEIR_EOPTION;
  if (options->arguments[0][0] == '\0') return WEIR_EOPTION;
  return options->on_exit == NULL ? WEIR_EOPTION : 0;
}

/* The parent's ends of the pipes, and the child's. */
typedef struct pipes {
  int output[2];
  int error[2];
  int null;
} pipes_t;

static void close_pair(int ends[2]) {
  close(ends[0]);
  close(ends[1]);
}

static int open_pipes(pipes_t *pipes) {
  int status = weir__exec_pipe(pipes->output);
  if (status != 0) return status;
  status = weir__exec_pipe(pipes->error);
  if (status != 0) {
    close_pair(pipes->output);
    return status;
  }
  pipes->null = weir__exec_null();
  if (pipes->null < 0) {
    close_pair(pipes->output);
    close_pair(pipes->error);
    return pipes->null;
  }
  return 0;
}

/* Best effort: past the user's pipe-user-pages-soft it is refused. */
static void set_capacity(int fd, size_t wanted) {
  size_t capacity = wanted > 0 ? wanted : DEFAULT_PIPE_CAPACITY;
  fcntl(fd, F_SETPIPE_SZ, capacity < INT_MAX ? (int)capacity : INT_MAX);
}

/* Executes the program and watches it. */
static int start(weir_child_t *child, uv_loop_t *loop, const pipes_t *pipes,
                 const weir_child_options_t *options) {
  weir__exec_t exec = {
      .arguments = options->arguments,
      .environment = options->environment,
      .directory = options->directory,
      .input = pipes->null,
      .output = pipes->output[1],
      .error = pipes->error[1],
  };
  int status = weir__exec(&exec, &child->allocator, &child->pid);
  if (status != 0) return status;
  child->stderr_fd = pipes->error[0];
  status = open_pidfd(child);
  if (status == 0) status = start_watching(child, loop);
  if (status != 0) abandon(child);
  return status;
}

int weir_child_spawn(uv_loop_t *loop, weir_child_t **child, int *stdout_fd,
                     const weir_child_options_t *given) {
  weir_child_options_t read;
  const weir_child_options_t *options = &read;
  int status = weir__options_read(&read, sizeof read, given, OPTIONS_LEAST);
  if (status == 0) status = check_options(options);
  if (status != 0) return status;
  weir_allocator_t allocator = weir__allocator(options->allocator);
  weir_child_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->magic = MAGIC;
  made->allocator = allocator;
  made->stderr_open = 1;
  made->stop_grace = options->stop_grace;
  if (made->stop_grace == 0) made->stop_grace = DEFAULT_STOP_GRACE;
  made->how.status = -1;
  made->on_line = options->on_line;
  made->on_exit = options->on_exit;
  made->data = options->data;
  made->pidfd = -1;

  pipes_t pipes;
  status = open_pipes(&pipes);
  int opened = status == 0;
  if (opened) {
    set_capacity(pipes.output[0], options->pipe_capacity);
    fcntl(pipes.output[0], F_SETFL, O_NONBLOCK);
    status = start(made, loop, &pipes, options);
    close(pipes.null);
    close(pipes.output[1]);
    close(pipes.error[1]);
    if (status == 0) {
      *child = made;
      *stdout_fd = pipes.output[0];
      return 0;
    }
  }
  /* One watch may have been set up before the other failed. */
  if (made->open_handles > 0)
    uv_close((uv_handle_t *)&made->stderr_watch, on_handle_closed);
  else
    weir__release(&allocator, made, sizeof *made);
  if (opened) close_pair((int[2]){pipes.output[0], pipes.error[0]});
  return status;
}

pid_t weir_child_pid(const weir_child_t *child) {
  return child->pid;
}

void *weir_child_data(const weir_child_t *child) {
  return child->data;
}
