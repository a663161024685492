/*
 * icy.h - titles between the bytes of a stream, as Shoutcast and Icecast send
 * them to whoever asks with `Icy-MetaData: 1`.
 *
 * After every `icy-metaint` bytes of the stream comes one byte: how many times
 * 16 bytes of text follow, filled up with zeros: StreamTitle='...';
 *
 * Pure: no allocation, and the memory is that of the struct whatever comes.
 */
#ifndef WEIR_ICY_H
#define WEIR_ICY_H

#include <stddef.h>
#include <stdint.h>

#include "visibility.h"

WEIR_BEGIN_DECLS

/* Bytes of the longest text: 255 times 16. */
#define WEIR_ICY_TEXT_MAX 4080u
/* Bytes of stream between two texts, at most. */
#define WEIR_ICY_INTERVAL_MAX (1u << 24)

typedef struct weir_icy {
  uint32_t interval;
  uint32_t left;         /* bytes of the stream before the next text */
  uint16_t block_length; /* of the text that is being read */
  uint16_t block_used;
  uint16_t text_length;
  /* The text is another than when this was set to 0, by whoever reads it. */
  uint8_t is_changed;
  uint8_t text[WEIR_ICY_TEXT_MAX]; /* the last whole one, without its zeros */
  uint8_t block[WEIR_ICY_TEXT_MAX];
} weir_icy_t;

/* At the beginning of a stream. WEIR_EOPTION unless `interval` is 1 to
 * WEIR_ICY_INTERVAL_MAX. */
WEIR_EXTERN WEIR_NODISCARD int weir_icy_init(weir_icy_t *icy,
                                             uint32_t interval);

/*
 * Takes the texts out of the stream's next bytes, in place; returns how many
 * are left, at their beginning. Any split of the stream gives the same bytes
 * and texts. A text without characters says that nothing is new.
 *
 * Complexity: O(length).
 */
WEIR_EXTERN size_t weir_icy_decode(weir_icy_t *icy, void *bytes, size_t length);

WEIR_END_DECLS

#endif
