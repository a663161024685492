/*
 * http_framing.c - what the fields of a head say about its message.
 *
 * Where one message ends and the next begins must be beyond dispute: two
 * parties that disagree about it are what request smuggling lives on
 * (RFC 9112 section 11.2). So whatever could be read in two ways is refused,
 * also where the RFC would let a server choose.
 */
#include "http_framing.h"

#include <string.h>

#include "http_characters.h"
#include "weir/errors.h"

/* A DNS name is at most 253 characters (RFC 1035 section 2.3.4). */
#define HOST_MAX 255u
/* Larger lengths do not fit the signed integers of those who use them. */
#define LENGTH_MAX ((uint64_t)INT64_MAX)
#define PORT_MAX   65535u

/* What has been met among the fields. */
typedef struct census {
  uint32_t hosts;
  uint32_t lengths;
  uint32_t codings;
  int length_is_number;
  int coding_is_chunked;
  int close;
  int keep_alive;
} census_t;

static int equal(weir_slice_t left, weir_slice_t right) {
  if (left.length != right.length) return 0;
  for (size_t i = 0; i < left.length; i++) {
    if (weir__http_lower(left.bytes[i]) != weir__http_lower(right.bytes[i])) {
      return 0;
    }
  }
  return 1;
}

static int is(weir_slice_t slice, const char *text) {
  return equal(slice, (weir_slice_t){text, strlen(text)});
}

static int number(weir_slice_t digits, uint64_t most, uint64_t *value) {
  uint64_t sum = 0;
  if (digits.length == 0) return 0;
  for (size_t i = 0; i < digits.length; i++) {
    if (!weir__http_is_digit(digits.bytes[i])) return 0;
    uint64_t digit = (uint64_t)(digits.bytes[i] - '0');
    if (sum > (most - digit) / 10) return 0;
    sum = sum * 10 + digit;
  }
  *value = sum;
  return 1;
}

/* HTAB is white space around a value, but parties differ on whether it is
 * there: a length or a coding must not be hidden by one. `field` stands in a
 * whole line, so its value ends before a CR. */
static int has_tab_beside(const weir_http_field_t *field) {
  const char *at = field->name.bytes + field->name.length + 1;
  for (; at < field->value.bytes; at++) {
    if (*at == '\t') return 1;
  }
  for (at += field->value.length; *at != '\r'; at++) {
    if (*at == '\t') return 1;
  }
  return 0;
}

/* The length of a host without its port; 0 when it is none. Narrower than
 * RFC 3986: no escapes and no sub-delims, which no name in DNS has. */
static size_t host_name(weir_slice_t host) {
  size_t at = 0;
  if (host.length == 0) return 0;
  if (host.bytes[0] != '[') {
    while (at < host.length && weir__http_is(host.bytes[at], WEIR__HTTP_NAME)) {
      at++;
    }
    return at;
  }
  size_t colons = 0;
  for (at = 1; at < host.length; at++) {
    char character = host.bytes[at];
    if (character == ']') return colons >= 2 ? at + 1 : 0;
    if (character == ':') {
      colons++;
    } else if (character != '.' && weir__http_hex(character) < 0) {
      return 0;
    }
  }
  return 0;
}

int weir__http_host_is_plausible(weir_slice_t host) {
  if (host.length > HOST_MAX) return 0;
  size_t name = host_name(host);
  if (name == 0) return 0;
  if (name == host.length) return 1;
  if (host.bytes[name] != ':') return 0;
  uint64_t port;
  weir_slice_t digits = {host.bytes + name + 1, host.length - name - 1};
  return number(digits, PORT_MAX, &port);
}

weir_slice_t weir__http_authority(weir_slice_t target) {
  weir_slice_t authority = {NULL, 0};
  if (target.length == 0) return authority;
  if (target.bytes[0] == '/' || target.bytes[0] == '*') return authority;
  /* The scan has seen "http://" or "https://". */
  const char *colon = memchr(target.bytes, ':', target.length);
  if (colon == NULL) return authority;
  const char *end = target.bytes + target.length;
  authority.bytes = colon + 3;
  const char *at = authority.bytes;
  while (at < end && *at != '/' && *at != '?') {
    at++;
  }
  authority.length = (size_t)(at - authority.bytes);
  return authority;
}

/* Connection is a list of tokens (RFC 9110 section 7.6.1). */
static void note_connection(census_t *census, weir_slice_t list) {
  const char *at = list.bytes;
  const char *end = list.bytes + list.length;
  while (at < end) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    const char *stop = comma != NULL ? comma : end;
    const char *last = stop;
    while (at < last && (*at == ' ' || *at == '\t')) {
      at++;
    }
    while (last > at && (last[-1] == ' ' || last[-1] == '\t')) {
      last--;
    }
    weir_slice_t option = {at, (size_t)(last - at)};
    if (is(option, "close")) census->close = 1;
    if (is(option, "keep-alive")) census->keep_alive = 1;
    at = stop + 1;
  }
}

static void note_field(census_t *census, weir_http_head_t *head,
                       const weir_http_field_t *field) {
  weir_slice_t name = field->name;
  weir_slice_t value = field->value;
  /* The length tells these apart, so that most fields cost one comparison. */
  switch (name.length) {
    case sizeof("Host") - 1:
      if (is(name, "Host")) {
        census->hosts++;
        head->host = value;
      }
      break;
    case sizeof("Expect") - 1:
      /* An HTTP/1.0 client cannot mean it (RFC 9110 section 10.1.1). */
      if (is(name, "Expect") && is(value, "100-continue")) {
        head->expect_continue = head->minor == 1;
      }
      break;
    case sizeof("Upgrade") - 1:
      if (is(name, "Upgrade")) head->upgrade = 1;
      break;
    case sizeof("Connection") - 1:
      if (is(name, "Connection")) note_connection(census, value);
      break;
    case sizeof("Content-Length") - 1:
      if (is(name, "Content-Length")) {
        census->lengths++;
        census->length_is_number =
            number(value, LENGTH_MAX, &head->content_length) &&
            !has_tab_beside(field);
      }
      break;
    case sizeof("Transfer-Encoding") - 1:
      if (is(name, "Transfer-Encoding")) {
        census->codings++;
        census->coding_is_chunked =
            is(value, "chunked") && !has_tab_beside(field);
      }
      break;
    default:
      break;
  }
}

static int judge_body(const census_t *census, weir_http_head_t *head) {
  if (census->codings > 0) {
    /* Both, or a coding in HTTP/1.0: the framing is faulty
     * (RFC 9112 section 6.1). */
    if (census->lengths > 0 || head->minor == 0) return WEIR_EHTTPLENGTH;
    if (census->codings > 1) return WEIR_EHTTPCODING;
    if (!census->coding_is_chunked) return WEIR_EHTTPCODING;
    head->chunked = 1;
  }
  if (census->lengths > 0) {
    if (census->lengths > 1) return WEIR_EHTTPLENGTH;
    if (!census->length_is_number) return WEIR_EHTTPLENGTH;
    head->has_length = 1;
  }
  return 0;
}

static int judge_host(const census_t *census, weir_http_head_t *head) {
  if (census->hosts > 1) return WEIR_EHTTPHOST;
  if (census->hosts == 0 && head->minor == 1) return WEIR_EHTTPHOST;
  if (census->hosts == 1 && !weir__http_host_is_plausible(head->host)) {
    return WEIR_EHTTPHOST;
  }
  weir_slice_t authority = weir__http_authority(head->target);
  if (authority.bytes != NULL) {
    /* The target's wins (RFC 9112 section 3.2.2), and a client must send
     * the same in Host (section 3.2). */
    if (census->hosts == 1 && !equal(authority, head->host)) {
      return WEIR_EHTTPHOST;
    }
    head->host = authority;
  }
  return 0;
}

int weir__http_framing(weir_http_head_t *head) {
  census_t census = {0};
  head->host = (weir_slice_t){NULL, 0};
  head->content_length = 0;
  head->has_length = 0;
  head->chunked = 0;
  head->expect_continue = 0;
  head->upgrade = 0;
  for (uint32_t i = 0; i < head->field_count; i++) {
    note_field(&census, head, &head->fields[i]);
  }
  head->keep_alive = !census.close && (head->minor == 1 || census.keep_alive);
  int error = judge_body(&census, head);
  return error != 0 ? error : judge_host(&census, head);
}

weir_slice_t weir_http_head_field(const weir_http_head_t *head,
                                  const char *name) {
  weir_slice_t wanted = {name, strlen(name)};
  for (uint32_t i = 0; i < head->field_count; i++) {
    if (equal(head->fields[i].name, wanted)) return head->fields[i].value;
  }
  return (weir_slice_t){NULL, 0};
}

int weir_http_head_status(int error) {
  switch (error) {
    case WEIR_EHTTPTARGET:
      return 414;
    case WEIR_EHTTPTOOLARGE:
      return 431;
    case WEIR_EHTTPCODING:
      return 501;
    case WEIR_EHTTPVERSION:
      return 505;
    default:
      return 400;
  }
}
