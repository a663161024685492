/* sink.c - a listener's socket without TLS. */
#include "sink.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* How much a peer may have sent us that is read away before closing, so that
 * the kernel ends the connection instead of resetting it. Bytes. */
#define CLOSE_DRAIN 65536u

static int64_t plain_write(void *context, int fd, const struct iovec *iov,
                           int count) {
  (void)context;
  ssize_t n;
  do {
    if (count == 1) {
      n = send(fd, iov[0].iov_base, iov[0].iov_len,
               MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                               .msg_iovlen = (size_t)count};
      n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
  } while (n < 0 && errno == EINTR);
  return n < 0 ? uv_translate_sys_error(errno) : n;
}

static void plain_close(void *context, int fd, int clean) {
  (void)context;
  if (clean) {
    char bytes[4096];
    (void)shutdown(fd, SHUT_WR);
    for (size_t drained = 0; drained < CLOSE_DRAIN;) {
      ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
      if (n <= 0) break;
      drained += (size_t)n;
    }
  }
  (void)close(fd);
}

const weir_sink_t weir__plain_sink = {.write = plain_write,
                                      .close = plain_close};
