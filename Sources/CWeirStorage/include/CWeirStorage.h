/*
 * CWeirStorage.h - what storage does in C: digests without a context to make,
 * and bytes between files, pipes and transfers.
 */
#ifndef CWEIRSTORAGE_H
#define CWEIRSTORAGE_H

#include <stddef.h>
#include <stdint.h>

struct uv_loop_s;

#pragma GCC visibility push(hidden)

#define WEIR_SHA256_SIZE 32u

/*
 * A key of HMAC-SHA-256 with its pads hashed already (RFC 2104 section 4): a
 * plain value, copied and thrown away at will. What is signed with it costs two
 * blocks less, and no allocation.
 */
typedef struct weir_hmac_key {
  uint32_t inner[8];
  uint32_t outer[8];
} weir_hmac_key_t;

/* A digest that is being made of pieces. */
typedef struct weir_sha256 {
  uint32_t state[28];
} weir_sha256_t;

/* Any thread; nothing of it allocates or can fail. */
void weir_sha256(const void *bytes, size_t length,
                 uint8_t digest[WEIR_SHA256_SIZE]);
void weir_sha256_begin(weir_sha256_t *sha);
void weir_sha256_add(weir_sha256_t *sha, const void *bytes, size_t length);
void weir_sha256_end(weir_sha256_t *sha, uint8_t digest[WEIR_SHA256_SIZE]);

/* In small hexadecimal digits, without a NUL behind them. */
void weir_sha256_hex(const uint8_t digest[WEIR_SHA256_SIZE],
                     char text[2 * WEIR_SHA256_SIZE]);

void weir_hmac_key(weir_hmac_key_t *key, const void *secret, size_t length);
void weir_hmac(const weir_hmac_key_t *key, const void *bytes, size_t length,
               uint8_t mac[WEIR_SHA256_SIZE]);

/* --- Bytes --------------------------------------------------------------- */

/* Bytes that a pump holds, at most. */
#define WEIR_PUMP_BUFFER 262144u
/* Bytes of each of the two blocks between a file and a transfer. */
#define WEIR_FILE_BLOCK 131072u

typedef struct weir_lane weir_lane_t;
typedef struct weir_pump weir_pump_t;
typedef struct weir_file_body weir_file_body_t;

/*
 * What a store does with its files while bytes move is done on the loop's pool,
 * one piece of work at a time. On the loop's thread, all of it. NULL without
 * memory.
 */
weir_lane_t *weir_lane_open(struct uv_loop_s *loop);

/* Lets go of it; it goes with the last that uses it. NULL is harmless. */
void weir_lane_close(weir_lane_t *lane);

/*
 * Moves `length` bytes, one at least, into a regular file, from `offset` on,
 * from a pipe or stream socket, which is the pump's from then on, on failure
 * too. `done` is called from the loop, once: with 0 when all has been moved,
 * and with a libuv error otherwise: UV_EOF when there was less. The pump is
 * closed by its owner.
 *
 * The file stays open until the pump is `done`, or `closed`.
 */
int weir_pump_open(weir_lane_t *lane, weir_pump_t **pump, int file,
                   uint64_t offset, uint64_t length, int socket,
                   void (*done)(void *, int), void *data);

/* The digest of what passes is made on the way. */
void weir_pump_digests(weir_pump_t *pump);

/* Of all that passed; after it is done. */
void weir_pump_digest(weir_pump_t *pump, uint8_t digest[WEIR_SHA256_SIZE]);

/* Bytes that are in the file. */
uint64_t weir_pump_moved(const weir_pump_t *pump);

/* Stops it, without calling `done`. `closed`, which may be NULL, is called from
 * the loop, or at once, when the file is not used any more. */
void weir_pump_close(weir_pump_t *pump, void (*closed)(void *), void *data);

/*
 * A regular file as the body of a transfer: `length` bytes of it, one at least,
 * from `offset` on. With `is_taking` they come from the transfer, else they go
 * to it. `on_event` is called from the loop when what was held can go on, when
 * it has failed, and when it is finished. NULL without memory.
 *
 * The file stays open until the body is `closed`.
 */
weir_file_body_t *weir_file_body_open(weir_lane_t *lane, int is_taking,
                                      int file, uint64_t offset,
                                      uint64_t length,
                                      void (*on_event)(void *data), void *data);

/* Functions for a transfer, whose data is the body: bytes that were given, 0
 * for bytes that were taken, or one of the two. */
enum { WEIR_FILE_BODY_HELD = -1, WEIR_FILE_BODY_FAILED = -2 };
int64_t weir_file_body_give(void *body, void *to, size_t room);
int weir_file_body_take(void *body, const void *bytes, size_t length);

/* Nothing more is taken: what waits is written. */
void weir_file_body_finish(weir_file_body_t *body);

/* All that was taken is in the file; or it has failed. */
int weir_file_body_is_finished(const weir_file_body_t *body);

/* Bytes that were given, or are in the file. */
uint64_t weir_file_body_moved(const weir_file_body_t *body);

/* 0, or the libuv error that it has failed with: UV_EOF when the file was
 * shorter, UV_E2BIG when the transfer was longer. */
int weir_file_body_status(const weir_file_body_t *body);

/* Lets go of it; no transfer calls it any more. `closed`, which may be NULL, is
 * called from the loop, or at once, when the file is not used any more. */
void weir_file_body_close(weir_file_body_t *body, void (*closed)(void *),
                          void *data);

/*
 * Copies `length` bytes from one file to another, from `place` on, and adds
 * them to a digest. For a thread that may wait. 0, UV_EOF when there is less,
 * or a libuv error.
 */
int weir_file_copy(int from, uint64_t offset, uint64_t length, int to,
                   uint64_t place, weir_sha256_t *sha);

/* The digest of a file that stays where it is; else the same. */
int weir_file_digest(int file, uint64_t offset, uint64_t length,
                     uint8_t digest[WEIR_SHA256_SIZE]);

/* A new file in a directory, without a name there, so that it goes with its
 * descriptor; or a libuv error. For a thread that may wait. */
int weir_file_unnamed(const char *directory);

/* Extended attributes, which the C library's module does not show to Swift: the
 * bytes of one, or a libuv error. */
long weir_file_attribute(int file, const char *name, void *bytes, size_t room);
int weir_file_set_attribute(int file, const char *name, const void *bytes,
                            size_t length);

#pragma GCC visibility pop

#endif
