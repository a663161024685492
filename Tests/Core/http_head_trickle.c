/* A head that trickles in is not read again: what lies between its request
 * line and the last few hundred bytes cannot be read at all here. */
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

static const char line[] = "GET / HTTP/1.1\r\nHost: a\r\n";

int main(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (page > WEIR_HTTP_HEAD_MAX / 4) {
    printf("http_head_trickle: skipped, pages of %zu bytes\n", page);
    return 0;
  }
  char *bytes = mmap(NULL, WEIR_HTTP_HEAD_MAX, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(bytes != MAP_FAILED);
  weir_http_head_t head;
  const size_t last = WEIR_HTTP_HEAD_MAX - page;
  const char *const ends[] = {"\r\n\r\n", "\r\nB: x\r\n\r\n", "\x01"};
  const int verdicts[] = {1, 1, WEIR_EHTTP};

  for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
    size_t end = strlen(ends[i]);
    size_t total = WEIR_HTTP_HEAD_MAX - 100;
    memset(bytes, 'v', WEIR_HTTP_HEAD_MAX);
    memcpy(bytes, line, sizeof(line) - 1);
    memcpy(bytes + sizeof(line) - 1, "A: ", 3);
    memcpy(bytes + total - end, ends[i], end);

    CHECK_EQ(mprotect(bytes + page, last - page, PROT_NONE), 0);
    for (size_t seen = last + 513; seen + 1 < total; seen++) {
      CHECK_EQ(weir_http_head_parse(bytes, seen + 1, seen, &head), 0);
    }
    CHECK_EQ(mprotect(bytes + page, last - page, PROT_READ | PROT_WRITE), 0);
    int verdict = weir_http_head_parse(bytes, total, total - 1, &head);
    CHECK_EQ(verdict, verdicts[i] < 0 ? verdicts[i] : (int)total);
  }
  CHECK_EQ(munmap(bytes, WEIR_HTTP_HEAD_MAX), 0);
  return 0;
}
