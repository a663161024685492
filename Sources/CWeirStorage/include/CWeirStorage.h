/*
 * CWeirStorage.h - what storage does in C: digests without a context to make,
 * and bytes between a file and a socket.
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

typedef struct weir_lane weir_lane_t;
typedef struct weir_pump weir_pump_t;

typedef enum weir_pump_direction {
  WEIR_PUMP_OUT = 0, /* from the file to the socket */
  WEIR_PUMP_IN       /* from the socket to the file */
} weir_pump_direction_t;

/*
 * What a loop's pumps do with their files is done on its pool, one piece of
 * work at a time. On the loop's thread, all of it. NULL without memory.
 */
weir_lane_t *weir_lane_open(struct uv_loop_s *loop);

/* Lets go of it; it goes with its last pump. NULL is harmless. */
void weir_lane_close(weir_lane_t *lane);

/*
 * Moves `length` bytes, one at least, between a regular file, from `offset` on,
 * and a pipe or stream socket, which is the pump's from then on, on failure
 * too. `done` is called from the loop, once: with 0 when all has been moved,
 * and with a libuv error otherwise: UV_EOF when there was less, UV_EPIPE when
 * nobody reads. The pump is closed by its owner.
 *
 * The file stays open until the pump is `done`, or `closed`.
 */
int weir_pump_open(weir_lane_t *lane, weir_pump_t **pump,
                   weir_pump_direction_t direction, int file, uint64_t offset,
                   uint64_t length, int socket, void (*done)(void *, int),
                   void *data);

/* The digest of what passes is made on the way in. */
void weir_pump_digests(weir_pump_t *pump);

/* Of all that passed; after it is done. */
void weir_pump_digest(weir_pump_t *pump, uint8_t digest[WEIR_SHA256_SIZE]);

/* Bytes that have reached where they go. */
uint64_t weir_pump_moved(const weir_pump_t *pump);

/* Stops it, without calling `done`. `closed`, which may be NULL, is called from
 * the loop, or at once, when the file is not used any more. */
void weir_pump_close(weir_pump_t *pump, void (*closed)(void *), void *data);

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
