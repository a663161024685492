/*
 * http_head.c - the scan of a request head, byte by byte.
 *
 * One pass: every byte is looked at once, and the first one that cannot stand
 * where it stands ends the scan. What the fields mean together (lengths,
 * codings, Host) is judged when the empty line has been reached, so that the
 * verdict on a prefix is the same whatever pieces it came in.
 *
 * A head that trickles in is taken up where the last call stopped. Nothing is
 * kept between calls: the place is found again from the bytes themselves.
 * That takes a bounded look back, because methods, field names and versions
 * are bounded: within so many bytes there is a line's end, or the scan is in
 * a target or a value. The whole head is then read once more when it is
 * complete, to find the fields.
 */
#include <string.h>

#include "http_characters.h"
#include "http_framing.h"
#include "weir/errors.h"
#include "weir/http_head.h"

/* Heads shorter than this are simply read again. */
#define RESUME_MIN     512u

#define VERSION_PREFIX "HTTP/1."
#define VERSION_LENGTH (sizeof(VERSION_PREFIX) - 1 + 1)

/* What a step of the scan answers, beside errors. */
enum { MORE = 0, FOUND = 1 };

/* Where a scan can begin or be taken up. */
typedef enum { AT_BEGIN, IN_TARGET, IN_VERSION, AT_FIELD, IN_VALUE } place_t;

typedef struct scan {
  const char *at;  /* the next byte to look at */
  const char *end; /* the end of what there is */
  weir_slice_t method;
  weir_slice_t target;
  const char *value; /* where the field's value began */
  weir_slice_t name;
  uint32_t minor;
  uint32_t field_count;
  weir_http_field_t *fields; /* NULL: they are not wanted */
} scan_t;

static const char *skip(const char *at, const char *end, int class) {
  while (at < end && weir__http_is(*at, class)) {
    at++;
  }
  return at;
}

/* Values are most of a head: eight bytes at a time while none is a control
 * (the tests for a byte less than n, Anderson, "Bit Twiddling Hacks"). */
static const char *skip_value(const char *at, const char *end) {
  const uint64_t ones = 0x0101010101010101u;
  while (end - at >= 8) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    uint64_t deletes = word ^ (ones * 0x7F);
    uint64_t below_space = (word - ones * 0x20) & ~word;
    uint64_t zero = (deletes - ones) & ~deletes;
    if ((below_space | zero) & (ones * 0x80)) break;
    at += 8;
  }
  return skip(at, end, WEIR__HTTP_VALUE);
}

/* CR and LF, and nothing else, end a line. */
static int scan_line_end(scan_t *scan) {
  if (scan->at == scan->end) return MORE;
  if (*scan->at != '\r') return WEIR_EHTTP;
  if (scan->at + 1 == scan->end) return MORE;
  if (scan->at[1] != '\n') return WEIR_EHTTP;
  scan->at += 2;
  return FOUND;
}

static int scan_empty_line(scan_t *scan) {
  if (scan->at == scan->end) return MORE;
  return *scan->at == '\r' ? scan_line_end(scan) : FOUND;
}

static int scan_method(scan_t *scan) {
  const char *start = scan->at;
  const char *at = skip(start, scan->end, WEIR__HTTP_TOKEN);
  size_t length = (size_t)(at - start);
  if (length > WEIR_HTTP_METHOD_MAX) return WEIR_EHTTP;
  if (at == scan->end) return MORE;
  if (*at != ' ' || length == 0) return WEIR_EHTTP;
  scan->method = (weir_slice_t){start, length};
  /* Its target is an authority, which no other method's is. */
  if (length == 7 && memcmp(start, "CONNECT", 7) == 0) return WEIR_EHTTP;
  scan->at = at + 1;
  scan->target = (weir_slice_t){scan->at, 0};
  return FOUND;
}

/* Whether what there is of a target begins with a scheme: FOUND, MORE while
 * it may, or an error. */
static int match_scheme(const scan_t *scan, const char *scheme) {
  for (const char *at = scan->at; *scheme != '\0'; at++, scheme++) {
    if (at == scan->end) return MORE;
    if (weir__http_lower(*at) != *scheme) return WEIR_EHTTP;
  }
  return FOUND;
}

static int scan_target_form(scan_t *scan) {
  if (scan->at == scan->end) return MORE;
  if (*scan->at == '/') return FOUND;
  if (*scan->at == '*') {
    if (scan->at + 1 == scan->end) return MORE;
    return scan->at[1] == ' ' ? FOUND : WEIR_EHTTP;
  }
  int plain = match_scheme(scan, "http://");
  return plain < 0 ? match_scheme(scan, "https://") : plain;
}

static int scan_target(scan_t *scan) {
  const char *at = skip(scan->at, scan->end, WEIR__HTTP_TARGET);
  size_t length = (size_t)(at - scan->target.bytes);
  if (length > WEIR_HTTP_TARGET_MAX) return WEIR_EHTTPTARGET;
  if (at == scan->end) return MORE;
  if (*at != ' ') return WEIR_EHTTP;
  scan->target.length = length;
  scan->at = at + 1;
  return FOUND;
}

/* What source clients of Icecast write where they mean HTTP/1.0. */
static int scan_ice(scan_t *scan) {
  for (const char *ice = "ICE/1.0"; *ice != '\0'; ice++, scan->at++) {
    if (scan->at == scan->end) return MORE;
    if (*scan->at != *ice) return WEIR_EHTTP;
  }
  scan->minor = 0;
  return scan_line_end(scan);
}

static int scan_version(scan_t *scan) {
  const char *at = scan->at;
  if (at < scan->end && *at == 'I' && scan->method.length == 6 &&
      memcmp(scan->method.bytes, "SOURCE", 6) == 0)
    return scan_ice(scan);
  const char *const digits = "HTTP/0.0";
  for (size_t i = 0; i < VERSION_LENGTH; i++, at++) {
    if (at == scan->end) return MORE;
    int is_digit = weir__http_is_digit(*at);
    if (digits[i] == '0' ? !is_digit : *at != digits[i]) return WEIR_EHTTP;
    if (i == 5 && *at != '1') return WEIR_EHTTPVERSION;
    if (i == 7 && *at > '1') return WEIR_EHTTPVERSION;
  }
  scan->minor = (uint32_t)(at[-1] - '0');
  scan->at = at;
  return scan_line_end(scan);
}

/* What can be said of a request line once it is whole. */
static int judge_request_line(const scan_t *scan) {
  weir_slice_t method = scan->method;
  if (scan->target.bytes[0] == '*' &&
      (method.length != 7 || memcmp(method.bytes, "OPTIONS", 7) != 0)) {
    return WEIR_EHTTP;
  }
  weir_slice_t authority = weir__http_authority(scan->target);
  if (authority.bytes != NULL && !weir__http_host_is_plausible(authority)) {
    return WEIR_EHTTPHOST;
  }
  return FOUND;
}

static void keep_field(scan_t *scan, const char *end) {
  uint32_t index = scan->field_count++;
  if (scan->fields == NULL || index >= WEIR_HTTP_FIELDS_MAX) return;
  const char *start = scan->value;
  while (start < end && (*start == ' ' || *start == '\t')) {
    start++;
  }
  while (end > start && (end[-1] == ' ' || end[-1] == '\t')) {
    end--;
  }
  scan->fields[index].name = scan->name;
  scan->fields[index].value = (weir_slice_t){start, (size_t)(end - start)};
}

static int scan_name(scan_t *scan) {
  const char *start = scan->at;
  const char *at = skip(start, scan->end, WEIR__HTTP_TOKEN);
  size_t length = (size_t)(at - start);
  if (length > WEIR_HTTP_NAME_MAX) return WEIR_EHTTPTOOLARGE;
  if (at == scan->end) return MORE;
  if (*at != ':' || length == 0) return WEIR_EHTTP;
  scan->name = (weir_slice_t){start, length};
  scan->at = at + 1;
  scan->value = scan->at;
  return FOUND;
}

static int scan_value(scan_t *scan) {
  const char *end = skip_value(scan->at, scan->end);
  scan->at = end;
  int status = scan_line_end(scan);
  if (status == FOUND) keep_field(scan, end);
  return status;
}

/* From the beginning of a field's line to the empty line. */
static int scan_fields(scan_t *scan) {
  for (;;) {
    if (scan->at == scan->end) return MORE;
    if (*scan->at == '\r') return scan_line_end(scan);
    int status = scan_name(scan);
    if (status == FOUND) status = scan_value(scan);
    if (status != FOUND) return status;
  }
}

static int scan_head(scan_t *scan, place_t place) {
  int status = FOUND;
  switch (place) {
    case AT_BEGIN:
      status = scan_empty_line(scan);
      if (status == FOUND) status = scan_method(scan);
      if (status == FOUND) status = scan_target_form(scan);
      if (status != FOUND) return status;
      /* fall through */
    case IN_TARGET:
      status = scan_target(scan);
      if (status != FOUND) return status;
      /* fall through */
    case IN_VERSION:
      status = scan_version(scan);
      if (status == FOUND) status = judge_request_line(scan);
      if (status != FOUND) return status;
      break;
    case IN_VALUE:
      status = scan_value(scan);
      if (status != FOUND) return status;
      break;
    case AT_FIELD:
      break;
  }
  return scan_fields(scan);
}

/* Finds the place where a scan of the first `seen` bytes stopped. */
static int scan_resumed(scan_t *scan, size_t seen) {
  const char *stop = scan->at + seen; /* RESUME_MIN or more from the start */
  int status = scan_empty_line(scan);
  if (status == FOUND) status = scan_method(scan);
  if (status != FOUND) return status;
  scan->value = stop;

  if (memchr(scan->at, '\n', (size_t)(stop - scan->at)) == NULL) {
    /* The version and its CR, or the target, which holds no space. */
    const size_t back = 1 + VERSION_LENGTH + 1;
    const char *space = memrchr(stop - back, ' ', back);
    if (space == NULL) {
      scan->at = stop;
      return scan_head(scan, IN_TARGET);
    }
    scan->target.length = (size_t)(space - scan->target.bytes);
    scan->at = space + 1;
    return scan_head(scan, IN_VERSION);
  }
  /* A name and its colon are no longer than this. */
  const size_t back = WEIR_HTTP_NAME_MAX + 1;
  const char *line_end = memrchr(stop - back, '\n', back);
  if (line_end != NULL) {
    scan->at = line_end + 1;
    return scan_head(scan, AT_FIELD);
  }
  scan->at = stop[-1] == '\r' ? stop - 1 : stop;
  return scan_head(scan, IN_VALUE);
}

int weir_http_head_parse(const char *bytes, size_t length, size_t seen,
                         weir_http_head_t *head) {
  if (length == 0) return MORE;
  int status = FOUND;
  size_t most = length < WEIR_HTTP_HEAD_MAX ? length : WEIR_HTTP_HEAD_MAX;
  scan_t scan = {.at = bytes, .end = bytes + most};
  if (seen > RESUME_MIN && seen <= most) {
    status = scan_resumed(&scan, seen);
  }
  if (status == FOUND) {
    scan = (scan_t){.at = bytes, .end = bytes + most, .fields = head->fields};
    status = scan_head(&scan, AT_BEGIN);
  }
  if (status == MORE && most == WEIR_HTTP_HEAD_MAX) return WEIR_EHTTPTOOLARGE;
  if (status != FOUND) return status;
  if (scan.field_count > WEIR_HTTP_FIELDS_MAX) return WEIR_EHTTPTOOLARGE;
  head->method = scan.method;
  head->target = scan.target;
  head->minor = scan.minor;
  head->field_count = scan.field_count;
  status = weir__http_framing(head);
  return status < 0 ? status : (int)(scan.at - bytes);
}
