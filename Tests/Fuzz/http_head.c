/*
 * Fuzz target: weir_http_head_parse.
 *
 * Whatever the input is: the answer does not depend on the pieces it came in,
 * an answer once given stays, every slice lies inside the head, and what was
 * accepted is one request by the rules that the header states.
 */
#include <stdlib.h>
#include <string.h>

#include "weir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding: stops here, so that the fuzzer keeps the input. */
static void require(int condition) {
  if (!condition) __builtin_trap();
}

static const char *input;
static size_t head_length;

static void require_inside(weir_slice_t slice) {
  if (slice.bytes == NULL) {
    require(slice.length == 0);
    return;
  }
  require(slice.bytes >= input);
  require(slice.length <= head_length);
  require(slice.bytes + slice.length <= input + head_length);
}

static void require_no_control(weir_slice_t slice, int but_tab) {
  for (size_t i = 0; i < slice.length; i++) {
    unsigned char byte = (unsigned char)slice.bytes[i];
    require(byte != 0x7F && (byte >= 0x20 || (but_tab && byte == '\t')));
  }
}

static void require_sound(const weir_http_head_t *head) {
  require(head_length <= WEIR_HTTP_HEAD_MAX);
  require(memcmp(input + head_length - 4, "\r\n\r\n", 4) == 0);
  require_inside(head->method);
  require_inside(head->target);
  require_inside(head->host);
  require(head->method.length >= 1);
  require(head->method.length <= WEIR_HTTP_METHOD_MAX);
  require(head->target.length >= 1);
  require(head->target.length <= WEIR_HTTP_TARGET_MAX);
  require_no_control(head->target, 0);
  require(memchr(head->target.bytes, ' ', head->target.length) == NULL);
  require(head->minor <= 1);
  require(head->minor == 0 || head->host.length > 0);
  require(!(head->chunked && head->has_length));
  require(!(head->chunked && head->minor == 0));
  require(head->has_length || head->content_length == 0);
  require(head->content_length <= INT64_MAX);
  require(head->field_count <= WEIR_HTTP_FIELDS_MAX);
  for (uint32_t i = 0; i < head->field_count; i++) {
    weir_slice_t name = head->fields[i].name;
    weir_slice_t value = head->fields[i].value;
    require_inside(name);
    require_inside(value);
    require(name.length >= 1 && name.length <= WEIR_HTTP_NAME_MAX);
    require(name.bytes[name.length] == ':');
    require_no_control(name, 0);
    require_no_control(value, 1);
    if (value.length > 0) {
      char first = value.bytes[0];
      char last = value.bytes[value.length - 1];
      require(first != ' ' && first != '\t' && last != ' ' && last != '\t');
    }
  }
}

/* Sizes of pieces that follow from the input: mostly small, some large. */
static size_t piece(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  size_t number = (size_t)(*state >> 40);
  switch (*state >> 62) {
    case 0:
      return 1;
    case 1:
      return number % 8 + 1;
    case 2:
      return number % 300 + 1;
    default:
      return number % 3000 + 1;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* A copy of exactly this size: AddressSanitizer sees a read past it. */
  char *bytes = calloc(1, size == 0 ? 1 : size);
  if (bytes == NULL) return 0;
  if (size > 0) memcpy(bytes, data, size);
  weir_http_head_t head;
  int verdict = weir_http_head_parse(bytes, size, 0, &head);

  if (verdict > 0) {
    require((size_t)verdict <= size);
    input = bytes;
    head_length = (size_t)verdict;
    require_sound(&head);
  } else if (verdict < 0) {
    int status = weir_http_head_status(verdict);
    require(status == 400 || status == 414 || status == 431 || status == 501 ||
            status == 505);
    require(strcmp(weir_err_name(verdict), "UNKNOWN") != 0);
  }

  /* In pieces, the answer to each prefix is that of a call that sees the
   * prefix for the first time; and the first that is not 0 is the verdict. */
  uint64_t state = size;
  for (size_t i = 0; i < size && i < 64; i++) {
    state = (state ^ data[i]) * 1099511628211u;
  }
  int trickled = 0;
  size_t seen = 0;
  while (seen < size && trickled == 0) {
    size_t length = seen + piece(&state);
    if (length > size) length = size;
    weir_http_head_t scratch;
    trickled = weir_http_head_parse(bytes, length, seen, &scratch);
    weir_http_head_t first;
    require(trickled == weir_http_head_parse(bytes, length, 0, &first));
    if (trickled > 0) {
      require(scratch.field_count == first.field_count);
      require(scratch.target.bytes == first.target.bytes);
      require(scratch.target.length == first.target.length);
    }
    seen = length;
  }
  require(trickled == verdict);
  free(bytes);
  return 0;
}
