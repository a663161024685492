/*
 * drain.c - takes a file over HTTP again and again on a few connections, and
 * throws it away: drain PORT PATH CONNECTIONS SECONDS. Prints JSON.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MOST 256

static char buffer[1 << 20];
static char request[1024];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void ask(int fd) {
  if (send(fd, request, strlen(request), 0) < 0) fail("send");
}

static int open_connection(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
    fail("connect");
  return fd;
}

/* Bytes of the body that follow those that came with the head. */
static long long body_left(ssize_t n) {
  char *end = memmem(buffer, (size_t)n, "\r\n\r\n", 4);
  char *length = memmem(buffer, (size_t)n, "Content-Length: ", 16);
  if (!end || !length || memcmp(buffer, "HTTP/1.1 200", 12) != 0) {
    fprintf(stderr, "no answer with a length\n");
    exit(1);
  }
  return atoll(length + 16) - (n - (end + 4 - buffer));
}

int main(int count, char **words) {
  struct pollfd polls[MOST];
  long long left[MOST];
  long long total = 0;
  if (count != 5 || atoi(words[3]) < 1 || atoi(words[3]) > MOST) return 2;
  int connections = atoi(words[3]);
  double seconds = atof(words[4]);
  snprintf(request, sizeof(request),
           "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", words[2]);
  for (int i = 0; i < connections; i++) {
    polls[i] = (struct pollfd){open_connection(atoi(words[1])), POLLIN, 0};
    left[i] = -1;
    ask(polls[i].fd);
  }
  double begun = now();
  while (now() - begun < seconds) {
    if (poll(polls, (nfds_t)connections, 100) < 0) fail("poll");
    for (int i = 0; i < connections; i++) {
      if (!polls[i].revents) continue;
      ssize_t n = recv(polls[i].fd, buffer, sizeof(buffer), MSG_DONTWAIT);
      if (n <= 0) fail("recv");
      total += n;
      left[i] = left[i] < 0 ? body_left(n) : left[i] - n;
      if (left[i] > 0) continue;
      left[i] = -1;
      ask(polls[i].fd);
    }
  }
  printf("{\"bytes\": %lld, \"seconds\": %f}\n", total, now() - begun);
  return 0;
}
