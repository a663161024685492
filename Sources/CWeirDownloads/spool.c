/* spool.c - room for bytes in files. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "fill.h"

int weir_spool_memory(void) {
  int file = memfd_create("weir-download", MFD_CLOEXEC);
  return file < 0 ? -errno : file;
}

int weir_spool_open(const char *directory, uint64_t length) {
  int file;
  if (length <= WEIR_SPOOL_MEMORY) return weir_spool_memory();
  file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  /* Not every file system has such files. */
  return weir_spool_memory();
}

int weir_spool_reserve(int file, uint64_t length) {
  int status;
  if (length == 0) return 0;
  if (length > INT64_MAX) return UV_EFBIG;
  do
    status = fallocate(file, FALLOC_FL_KEEP_SIZE, 0, (off_t)length);
  while (status != 0 && errno == EINTR);
  if (status == 0 || (errno != ENOSPC && errno != EDQUOT && errno != EFBIG))
    return 0;
  return -errno;
}

int weir_spool_copy(int from, int to, uint64_t length) {
  uint8_t *block = malloc(WEIR_FILL_BLOCK);
  uint64_t done = 0;
  int status = 0;
  if (!block) return UV_ENOMEM;
  while (done < length && status == 0) {
    size_t room = length - done < WEIR_FILL_BLOCK ? (size_t)(length - done)
                                                  : WEIR_FILL_BLOCK;
    size_t put = 0;
    ssize_t count = pread(from, block, room, (off_t)done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      status = count < 0 ? -errno : UV_EOF;
      continue;
    }
    while (put < (size_t)count) {
      ssize_t n =
          pwrite(to, block + put, (size_t)count - put, (off_t)(done + put));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        status = n < 0 ? -errno : UV_ENOSPC;
        break;
      }
      put += (size_t)n;
    }
    done += put;
  }
  free(block);
  return status;
}
