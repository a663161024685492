#include "response.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static int wav_header_length(const char *bytes, size_t length) {
  if (length < 4) return RESPONSE_MORE;
  if (memcmp(bytes, "RIFF", 4) != 0) return 0;
  size_t at = 12;
  while (at + 8 <= length) {
    uint32_t size;
    memcpy(&size, bytes + at + 4, sizeof size);
    if (memcmp(bytes + at, "data", 4) == 0) return (int)(at + 8);
    if (size > RESPONSE_MAX) return RESPONSE_BAD;
    at += 8 + size + (size & 1);
  }
  return RESPONSE_MORE;
}

static int is_chunked(const char *head, size_t length) {
  static const char name[] = "\r\ntransfer-encoding:";
  for (size_t i = 0; i + sizeof name - 1 <= length; i++)
    if (strncasecmp(head + i, name, sizeof name - 1) == 0) return 1;
  return 0;
}

int response_parse(const char *bytes, size_t length, int *status) {
  const char *end = memmem(bytes, length, "\r\n\r\n", 4);
  if (end == NULL) return length < RESPONSE_MAX ? RESPONSE_MORE : RESPONSE_BAD;
  size_t head = (size_t)(end - bytes) + 4;
  if (head < 16 || memcmp(bytes, "HTTP/1.", 7) != 0) return RESPONSE_BAD;
  *status = 0;
  for (int i = 9; i < 12; i++) {
    if (bytes[i] < '0' || bytes[i] > '9') return RESPONSE_BAD;
    *status = *status * 10 + (bytes[i] - '0');
  }
  if (*status != 200) return (int)head;
  if (is_chunked(bytes, head)) return RESPONSE_BAD;
  int wav = wav_header_length(bytes + head, length - head);
  if (wav == RESPONSE_MORE && length - head < 4) return RESPONSE_MORE;
  if (wav == RESPONSE_BAD) return RESPONSE_BAD;
  if (wav == RESPONSE_MORE && memcmp(bytes + head, "RIFF", 4) == 0)
    return length < RESPONSE_MAX ? RESPONSE_MORE : RESPONSE_BAD;
  return (int)head + wav;
}
