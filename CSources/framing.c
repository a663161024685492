/* framing.c - titles between a listener's bytes, and chunks around them. */
#include "framing.h"

#include <stdio.h>
#include <string.h>

#include "allocation.h"

/* The pieces of an offer. */
enum { PLAIN, CHUNK_HEADER, BODY, TITLE, CHUNK_END };

static const char chunk_end[] = "\r\n0\r\n\r\n"; /* and the last chunk */
#define CRLF_LENGTH 2u

static const uint8_t no_title[1] = {0}; /* the same title as before */

/* ---- titles ---- */

weir__title_t *weir__title_make(const weir_allocator_t *allocator,
                                const char *text) {
  static const char start[] = "StreamTitle='";
  uint8_t block[WEIR__TITLE_MAX + 1];
  size_t at = 1 + sizeof start - 1;
  size_t most = WEIR__TITLE_MAX - 2; /* "';" ends it */
  memset(block, 0, sizeof block);
  memcpy(block + 1, start, sizeof start - 1);
  for (const char *from = text; *from != '\0' && at <= most; from++) {
    /* Players look for the first "';". */
    if (*from == ';' && from > text && from[-1] == '\'') block[at++] = ' ';
    block[at++] = (unsigned char)*from < ' ' ? ' ' : (uint8_t)*from;
  }
  if (at > most) { /* too long: it is not cut within a character (RFC 3629) */
    at = most;
    while (at > sizeof start && (block[at] & 0xC0) == 0x80)
      at--;
    memset(block + at, 0, sizeof block - at);
  }
  block[at++] = '\'';
  block[at++] = ';';
  block[0] = (uint8_t)((at - 1 + 15) / 16);
  size_t length = 1 + 16u * block[0];
  weir__title_t *title =
      weir__allocate(allocator, sizeof(weir__title_t) + length);
  if (title == NULL) return NULL;
  title->allocator = *allocator;
  title->references = 1;
  title->length = (uint16_t)length;
  memcpy(title->bytes, block, length);
  return title;
}

void weir__title_release(weir__title_t *title) {
  if (title == NULL || --title->references > 0) return;
  weir__release(&title->allocator, title,
                sizeof(weir__title_t) + title->length);
}

static int is_news(const weir__framing_t *framing, const weir__title_t *title) {
  const weir__title_t *told = framing->told;
  if (title == NULL || title == told) return 0;
  return told == NULL || title->length != told->length ||
         memcmp(title->bytes, told->bytes, told->length) != 0;
}

static void begin_title(weir__framing_t *framing, weir__title_t *title) {
  framing->until = framing->interval;
  framing->is_new = (uint8_t)is_news(framing, title);
  framing->title_left = framing->is_new ? title->length : sizeof no_title;
  if (!framing->is_new) return;
  title->references++;
  weir__title_release(framing->told);
  framing->told = title;
}

/* ---- offering ---- */

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

static void put(weir__wire_t *wire, int kind, const void *bytes,
                size_t length) {
  if (length == 0) return;
  wire->iov[wire->count] = (struct iovec){(void *)(uintptr_t)bytes, length};
  wire->kind[wire->count++] = (uint8_t)kind;
  wire->length += length;
}

/* Where the body has been offered up to. */
typedef struct cursor {
  const struct iovec *iov;
  int count;
  size_t offset; /* in the first of them */
} cursor_t;

/* Offers bytes of the first piece that is left. */
static size_t put_body(weir__wire_t *wire, int kind, cursor_t *body,
                       size_t most) {
  size_t run = least(body->iov->iov_len - body->offset, most);
  put(wire, kind, (const uint8_t *)body->iov->iov_base + body->offset, run);
  body->offset += run;
  if (body->offset == body->iov->iov_len) {
    body->iov++;
    body->count--;
    body->offset = 0;
  }
  return run;
}

/* Offers body and titles, at most so many bytes; the last place in the offer is
 * the chunk's end's. */
static size_t put_data(const weir__framing_t *framing,
                       const weir__title_t *title, cursor_t *body,
                       weir__wire_t *wire, size_t most) {
  size_t until = framing->interval > 0 ? framing->until : SIZE_MAX;
  int news = is_news(framing, title);
  size_t left = framing->title_left;
  const uint8_t *bytes = no_title;
  if (left > 0 && framing->is_new)
    bytes = framing->told->bytes + framing->told->length - left;
  size_t data = 0;
  while (data < most && wire->count < (int)WEIR_SINK_PIECES - 1) {
    if (left > 0) {
      size_t run = least(left, most - data);
      put(wire, TITLE, bytes, run);
      data += run;
      left = 0; /* or there is no room for the rest */
    } else if (body->count == 0) {
      break;
    } else if (until == 0) {
      bytes = news ? title->bytes : no_title;
      left = news ? title->length : sizeof no_title;
      news = 0;
      until = framing->interval;
    } else {
      size_t run = put_body(wire, BODY, body, least(until, most - data));
      data += run;
      if (until != SIZE_MAX) until -= run;
    }
  }
  return data;
}

void weir__framing_wrap(weir__framing_t *framing, const weir__title_t *title,
                        const struct iovec *pieces, int count,
                        weir__wire_t *wire) {
  cursor_t body = {pieces, count, 0};
  wire->count = 0;
  wire->length = 0;
  for (size_t left = framing->plain; left > 0 && body.count > 0;)
    left -= put_body(wire, PLAIN, &body, left);
  if (!framing->chunked) {
    (void)put_data(framing, title, &body, wire, SIZE_MAX);
    return;
  }
  size_t room = framing->chunk_left;
  const char *header = framing->header + framing->header_length;
  put(wire, CHUNK_HEADER, header - framing->header_left, framing->header_left);
  if (room == 0) {
    put(wire, CHUNK_END, chunk_end + CRLF_LENGTH - framing->end_left,
        framing->end_left);
    int place = wire->count++;
    room = put_data(framing, title, &body, wire, SIZE_MAX);
    wire->chunk = room;
    if (room == 0) {
      wire->count = place;
      return;
    }
    int length =
        snprintf(framing->header, sizeof framing->header, "%zx\r\n", room);
    framing->header_length = (uint8_t)length;
    wire->iov[place] = (struct iovec){framing->header, (size_t)length};
    wire->kind[place] = CHUNK_HEADER;
    wire->length += (size_t)length;
  } else if (put_data(framing, title, &body, wire, room) < room) {
    return;
  }
  put(wire, CHUNK_END, chunk_end, CRLF_LENGTH);
}

/* ---- accounting ---- */

static void take_data(weir__framing_t *framing, size_t taken) {
  if (framing->chunked) framing->chunk_left -= taken;
}

static void take_header(weir__framing_t *framing, const weir__wire_t *wire,
                        size_t taken) {
  if (framing->header_left == 0) {
    framing->chunk_left = wire->chunk;
    framing->header_left = framing->header_length;
    framing->end_left = CRLF_LENGTH;
  }
  framing->header_left = (uint8_t)(framing->header_left - taken);
}

size_t weir__framing_taken(weir__framing_t *framing, weir__title_t *title,
                           const weir__wire_t *wire, size_t taken) {
  size_t body = 0;
  for (int i = 0; taken > 0; i++) {
    size_t run = least(wire->iov[i].iov_len, taken);
    taken -= run;
    switch (wire->kind[i]) {
      case PLAIN:
        framing->plain -= run;
        body += run;
        break;
      case CHUNK_HEADER:
        take_header(framing, wire, run);
        break;
      case BODY:
        if (framing->interval > 0) framing->until -= (uint32_t)run;
        body += run;
        take_data(framing, run);
        break;
      case TITLE:
        if (framing->title_left == 0) begin_title(framing, title);
        framing->title_left = (uint16_t)(framing->title_left - run);
        take_data(framing, run);
        break;
      default:
        framing->end_left = (uint8_t)(framing->end_left - run);
        break;
    }
  }
  return body;
}

int weir__framing_is_pending(const weir__framing_t *framing) {
  return framing->header_left > 0 || framing->title_left > 0 ||
         (framing->chunk_left == 0 && framing->end_left > 0);
}

struct iovec weir__framing_end(const weir__framing_t *framing) {
  size_t from = CRLF_LENGTH - framing->end_left;
  if (!framing->chunked || framing->plain > 0 || framing->chunk_left > 0 ||
      framing->title_left > 0)
    return (struct iovec){NULL, 0};
  return (struct iovec){(void *)(uintptr_t)(chunk_end + from),
                        sizeof chunk_end - 1 - from};
}
