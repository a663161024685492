/* llhttp.c - llhttp as a peer, in its strict default. */
#include <llhttp.h>

#include "peers.h"

static int on_headers_complete(llhttp_t *parser) {
  *(int *)parser->data = 1;
  return 0;
}

int peer_llhttp(const char *bytes, size_t length, const char **why) {
  int complete = 0;
  llhttp_t parser;
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_headers_complete = on_headers_complete;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = &complete;
  llhttp_errno_t error = llhttp_execute(&parser, bytes, length);
  /* It stops behind the head of what would change the protocol. */
  if (error == HPE_PAUSED_UPGRADE) error = HPE_OK;
  *why = error == HPE_OK && !complete ? "waits" : llhttp_errno_name(error);
  return complete && error == HPE_OK;
}
