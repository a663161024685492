/* spool.h - room for bytes in files; for threads that may wait. */
#ifndef WEIR_SPOOL_H
#define WEIR_SPOOL_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Bytes up to which `weir_spool_open` takes memory. */
#define WEIR_SPOOL_MEMORY 4194304u

/* A new file without a name, in memory if `length` is small and on the
 * directory's disk otherwise; or a libuv error. */
int weir_spool_open(const char *directory, uint64_t length);

/* A new file in memory; or a libuv error. */
int weir_spool_memory(void);

/* Sees to it that a file has room for so many bytes, as far as its file system
 * can. 0, or a libuv error. */
int weir_spool_reserve(int file, uint64_t length);

/* Copies the first `length` bytes of a file into another. 0, UV_EOF when there
 * are fewer, or a libuv error. */
int weir_spool_copy(int from, int to, uint64_t length);

#pragma GCC visibility pop

#endif
