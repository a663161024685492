/*
 * bare.c - the floor: what one core needs to hand one buffer to N sockets.
 *
 *   generator | bare [--window MS] [--cpu N]
 *
 * Reads its standard input into one buffer. At each window every listener
 * gets one non-blocking send from that buffer, all in one burst; window 0
 * sends at every read. What a socket does not take is lost, and counted.
 * There is no queue, no policy, no timeout, no log and no metric: a server
 * that does the same work plus those cannot be cheaper.
 *
 * Prints the port it listens on, and at the end of its input one line of
 * JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES  (1u << 20)
#define MAX_LISTENERS 32768
#define EVENTS        256

static const char head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n"
    "Connection: close\r\n\r\n";

struct bare {
  int epoll, listening, timer;
  size_t filled;             /* bytes of buffer since the last flush */
  int listeners;             /* descriptors in active */
  int active[MAX_LISTENERS]; /* who gets every flush */
  int place[MAX_LISTENERS];  /* by descriptor, index in active; -1: none */
  unsigned long long sends, lost;
  uint8_t buffer[BUFFER_BYTES];
};

static void fail(const char *what) {
  fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void watch(struct bare *bare, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(bare->epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll");
}

static void drop(struct bare *bare, int fd) {
  int place = bare->place[fd];
  if (place >= 0) {
    int last = bare->active[--bare->listeners];
    bare->active[place] = last;
    bare->place[last] = place;
    bare->place[fd] = -1;
  }
  close(fd);
}

static void flush(struct bare *bare) {
  size_t length = bare->filled;
  bare->filled = 0;
  if (length == 0) return;
  for (int i = bare->listeners - 1; i >= 0; i--) {
    int fd = bare->active[i];
    ssize_t n = send(fd, bare->buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    bare->sends++;
    if (n == (ssize_t)length) continue;
    if (n < 0 && errno != EAGAIN)
      drop(bare, fd);
    else
      bare->lost += length - (n > 0 ? (size_t)n : 0);
  }
}

static void accept_all(struct bare *bare) {
  int fd, on = 1;
  while ((fd = accept4(bare->listening, NULL, NULL,
                       SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    if (fd >= MAX_LISTENERS) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(bare, fd);
  }
}

/* A request is taken to be whole as soon as its last byte ends a line. */
static void serve(struct bare *bare, int fd) {
  char request[4096];
  ssize_t n = recv(fd, request, sizeof request, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    drop(bare, fd);
  } else if (bare->place[fd] < 0 && request[n - 1] == '\n' &&
             send(fd, head, sizeof head - 1, MSG_NOSIGNAL) > 0) {
    bare->place[fd] = bare->listeners;
    bare->active[bare->listeners++] = fd;
  }
}

static void run(struct bare *bare, int window) {
  struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(bare->epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == STDIN_FILENO) {
        ssize_t n = read(STDIN_FILENO, bare->buffer + bare->filled,
                         BUFFER_BYTES - bare->filled);
        if (n == 0) return;
        if (n > 0) bare->filled += (size_t)n;
        if (window == 0 || bare->filled == BUFFER_BYTES) flush(bare);
      } else if (fd == bare->timer) {
        uint64_t turns;
        if (read(fd, &turns, sizeof turns) == sizeof turns) flush(bare);
      } else if (fd == bare->listening) {
        accept_all(bare);
      } else {
        serve(bare, fd);
      }
    }
  }
}

static void start_timer(struct bare *bare, int window) {
  struct timespec every = {.tv_sec = window / 1000,
                           .tv_nsec = window % 1000 * 1000000L};
  struct itimerspec schedule = {.it_interval = every, .it_value = every};
  bare->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (bare->timer < 0 || timerfd_settime(bare->timer, 0, &schedule, NULL) != 0)
    fail("timerfd");
  watch(bare, bare->timer);
}

int main(int argc, char **argv) {
  static const struct option names[] = {
      {"window", 1, NULL, 'w'}, {"cpu", 1, NULL, 'c'}, {NULL, 0, NULL, 0}};
  static struct bare bare;
  int window = 0;
  for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (c == 'w') {
      window = atoi(optarg);
    } else if (c == 'c') {
      CPU_SET((size_t)atoi(optarg), &set);
      if (sched_setaffinity(0, sizeof set, &set) != 0) fail("--cpu");
    } else {
      return 2;
    }
  }
  memset(bare.place, -1, sizeof bare.place);
  bare.timer = -1;
  struct sockaddr_in at = {.sin_family = AF_INET,
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  bare.epoll = epoll_create1(EPOLL_CLOEXEC);
  bare.listening =
      socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(bare.listening, (struct sockaddr *)&at, size) != 0 ||
      listen(bare.listening, SOMAXCONN) != 0 ||
      getsockname(bare.listening, (struct sockaddr *)&at, &size) != 0)
    fail("listen");
  fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
  watch(&bare, bare.listening);
  watch(&bare, STDIN_FILENO);
  if (window > 0) start_timer(&bare, window);
  printf("http://127.0.0.1:%d/\n", ntohs(at.sin_port));
  fflush(stdout);
  run(&bare, window);
  printf("{\"sends\": %llu, \"lost_bytes\": %llu}\n", bare.sends, bare.lost);
  return 0;
}
