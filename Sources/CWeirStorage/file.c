/*
 * file.c - whole files, for threads that may wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <uv.h>

#include "CWeirStorage.h"

static int each_block(int from, uint64_t offset, uint64_t length, int to,
                      uint64_t place, weir_sha256_t *sha) {
  uint64_t done = 0;
  int status = 0;
  uint8_t *block = malloc(WEIR_PUMP_BUFFER);
  if (!block) return UV_ENOMEM;
  while (status == 0 && done < length) {
    size_t room = WEIR_PUMP_BUFFER;
    size_t written = 0;
    ssize_t count;
    if (room > length - done) room = (size_t)(length - done);
    count = pread(from, block, room, (off_t)(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      status = count < 0 ? -errno : UV_EOF;
      break;
    }
    weir_sha256_add(sha, block, (size_t)count);
    while (to >= 0 && written < (size_t)count) {
      ssize_t put = pwrite(to, block + written, (size_t)count - written,
                           (off_t)(place + done + written));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) {
        status = -errno;
        break;
      }
      written += (size_t)put;
    }
    done += (uint64_t)count;
  }
  free(block);
  return status;
}

int weir_file_copy(int from, uint64_t offset, uint64_t length, int to,
                   uint64_t place, weir_sha256_t *sha) {
  return each_block(from, offset, length, to, place, sha);
}

int weir_file_digest(int file, uint64_t offset, uint64_t length,
                     uint8_t digest[WEIR_SHA256_SIZE]) {
  weir_sha256_t sha;
  int status;
  weir_sha256_begin(&sha);
  status = each_block(file, offset, length, -1, 0, &sha);
  weir_sha256_end(&sha, digest);
  return status;
}

int weir_file_unnamed(const char *directory) {
  char name[PATH_MAX];
  int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  /* Not every file system has such files. */
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return -errno;
  if (snprintf(name, sizeof(name), "%s/.weir-XXXXXX", directory) >=
      (int)sizeof(name))
    return UV_ENAMETOOLONG;
  file = mkostemp(name, O_CLOEXEC);
  if (file < 0) return -errno;
  unlink(name);
  return file;
}

long weir_file_attribute(int file, const char *name, void *bytes, size_t room) {
  ssize_t count = fgetxattr(file, name, bytes, room);
  return count < 0 ? -errno : count;
}

int weir_file_set_attribute(int file, const char *name, const void *bytes,
                            size_t length) {
  return fsetxattr(file, name, bytes, length, 0) < 0 ? -errno : 0;
}
