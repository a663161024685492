/* http_parser.c - http-parser as a peer. */
#include <http_parser.h>

#include "peers.h"

static int on_headers_complete(http_parser *parser) {
  *(int *)parser->data = 1;
  return 0;
}

int peer_http_parser(const char *bytes, size_t length, const char **why) {
  int complete = 0;
  http_parser parser;
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_headers_complete = on_headers_complete;
  http_parser_init(&parser, HTTP_REQUEST);
  parser.data = &complete;
  http_parser_execute(&parser, &settings, bytes, length);
  enum http_errno error = HTTP_PARSER_ERRNO(&parser);
  *why = error == HPE_OK && !complete ? "waits" : http_errno_name(error);
  return complete && error == HPE_OK;
}
