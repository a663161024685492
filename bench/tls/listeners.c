/*
 * listeners.c - many listeners of one live stream, with TLS or without.
 *
 *   listeners PORT PATH COUNT WARMUP SECONDS tls|plain
 *
 * Connects them one after the other, then reads everything. Prints "measuring"
 * when all have been there for WARMUP seconds, and after SECONDS more
 * "measured", how many are still there, and the least and the sum of bytes of
 * the stream that one and all of them received in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct listener {
  SSL *ssl; /* NULL: without TLS */
  int fd;   /* -1: gone */
  unsigned long long bytes;
} listener_t;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int fail(const char *what) {
  fprintf(stderr, "listeners: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void join(listener_t *listener, SSL_CTX *tls, int port,
                 const char *path) {
  char request[256];
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
  listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(listener->fd, (void *)&address, sizeof address) != 0)
    fail("connect");
  if (tls != NULL) {
    listener->ssl = SSL_new(tls);
    SSL_set_fd(listener->ssl, listener->fd);
    if (SSL_connect(listener->ssl) != 1) fail("handshake");
    if (SSL_write(listener->ssl, request, length) != length) fail("write");
  } else if (send(listener->fd, request, (size_t)length, 0) != length) {
    fail("send");
  }
  fcntl(listener->fd, F_SETFL, O_NONBLOCK);
}

/* Takes what is there. */
static void take(listener_t *listener) {
  static char bytes[65536];
  for (;;) {
    ssize_t n;
    if (listener->ssl != NULL) {
      n = SSL_read(listener->ssl, bytes, sizeof bytes);
      if (n <= 0 && SSL_get_error(listener->ssl, (int)n) == SSL_ERROR_WANT_READ)
        return;
    } else {
      n = recv(listener->fd, bytes, sizeof bytes, 0);
      if (n < 0 && errno == EAGAIN) return;
    }
    if (n <= 0) break;
    listener->bytes += (unsigned long long)n;
  }
  close(listener->fd);
  listener->fd = -1;
}

static void take_all(int poll, double until) {
  struct epoll_event events[256];
  for (double left; (left = until - now()) > 0;) {
    int n = epoll_wait(poll, events, 256, (int)(left * 1000) + 1);
    for (int i = 0; i < n; i++)
      take(events[i].data.ptr);
  }
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  int port = atoi(argv[1]), count = atoi(argv[3]);
  SSL_CTX *tls = NULL;
  if (strcmp(argv[6], "tls") == 0) tls = SSL_CTX_new(TLS_client_method());
  listener_t *listeners = calloc((size_t)count, sizeof *listeners);
  int poll = epoll_create1(EPOLL_CLOEXEC);
  if (listeners == NULL || poll < 0) fail("start");
  for (int i = 0; i < count; i++) {
    join(&listeners[i], tls, port, argv[2]);
    struct epoll_event event = {.events = EPOLLIN,
                                .data = {.ptr = &listeners[i]}};
    epoll_ctl(poll, EPOLL_CTL_ADD, listeners[i].fd, &event);
    take_all(poll, now() + 0.001);
  }
  take_all(poll, now() + atof(argv[4]));
  for (int i = 0; i < count; i++)
    listeners[i].bytes = 0;
  puts("measuring");
  fflush(stdout);
  take_all(poll, now() + atof(argv[5]));
  unsigned long long sum = 0, least = ~0ull;
  int kept = 0;
  for (int i = 0; i < count; i++) {
    kept += listeners[i].fd >= 0;
    sum += listeners[i].bytes;
    if (listeners[i].bytes < least) least = listeners[i].bytes;
  }
  printf("measured %d %llu %llu\n", kept, least, sum);
  fflush(stdout);
  (void)getchar(); /* they stay until whoever measures has looked */
  return 0;
}
