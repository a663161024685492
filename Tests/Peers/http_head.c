/*
 * http_head.c - which requests are accepted, by weir_http_head_parse and by
 * its peers, over a table of requests (http_requests.txt, which says how it
 * is written). A row names the peers that decide otherwise, and why Weir
 * does; a row that is no longer true fails, and so does a request that Weir
 * accepts and no peer does.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peers.h"
#include "weir.h"

#define REQUEST_MAX    (1u << 20)
#define LINE_MAX_BYTES 4096u

static const struct peer {
  const char *name;
  int (*accepts)(const char *bytes, size_t length, const char **why);
} peers[] = {{"http-parser", peer_http_parser}, {"llhttp", peer_llhttp}};
enum { PEERS = sizeof(peers) / sizeof(peers[0]) };

typedef struct row {
  unsigned long line;
  char name[256];
  char verdict[64];
  char differing[64];
  char reason[512];
  char *bytes;
  size_t length;
} row_t;

typedef struct table {
  FILE *file;
  const char *path;
  unsigned long line;
} table_t;

static void die(const table_t *table, const char *what) {
  fprintf(stderr, "%s:%lu: %s\n", table->path, table->line, what);
  exit(2);
}

/* The next line without its end; NULL at the end of the file. */
static char *next_line(table_t *table, char *text) {
  if (fgets(text, LINE_MAX_BYTES, table->file) == NULL) return NULL;
  table->line++;
  char *end = strchr(text, '\n');
  if (end == NULL) die(table, "a line without end, or too long");
  *end = '\0';
  return text;
}

static void append(const table_t *table, row_t *row, char byte) {
  if (row->length == REQUEST_MAX) die(table, "a request that is too long");
  row->bytes[row->length++] = byte;
}

/* Appends what one line of a request stands for. */
static void append_line(const table_t *table, row_t *row, const char *text) {
  static const char letters[] = "rntv0\\";
  static const char values[] = "\r\n\t\v\0\\";
  while (*text != '\0') {
    if (*text != '\\') {
      append(table, row, *text++);
      continue;
    }
    const char *letter = strchr(letters, *++text);
    unsigned int number;
    int used = 0;
    char repeated;
    if (*text != '\0' && letter != NULL) {
      append(table, row, values[letter - letters]);
      text++;
    } else if (sscanf(text, "x%2x%n", &number, &used) == 1 && used == 3) {
      append(table, row, (char)number);
      text += used;
    } else if (sscanf(text, "{%u %c}%n", &number, &repeated, &used) == 2 &&
               used > 0) {
      for (; number > 0; number--) {
        append(table, row, repeated);
      }
      text += used;
    } else {
      die(table, "an escape that is not known");
    }
  }
}

/* "VERDICT" or "VERDICT | peer peer | reason". */
static void read_verdict(const table_t *table, row_t *row, const char *text) {
  int parts = sscanf(text, "%63[^ |] | %63[^|] | %511[^\n]", row->verdict,
                     row->differing, row->reason);
  if (parts != 1 && parts != 3) die(table, "no verdict, or one with no reason");
}

/* 1, or 0 at the end of the table. */
static int read_row(table_t *table, row_t *row) {
  char text[LINE_MAX_BYTES];
  char *bytes = row->bytes;
  *row = (row_t){.bytes = bytes};
  do {
    if (next_line(table, text) == NULL) return 0;
  } while (*text == '\0' || *text == '#');
  row->line = table->line;
  if (sscanf(text, "== %255[^\n]", row->name) != 1) die(table, "no == name");
  if (next_line(table, text) == NULL) die(table, "no verdict");
  read_verdict(table, row, text);
  while (next_line(table, text) != NULL && *text != '\0') {
    append_line(table, row, text);
  }
  return 1;
}

static void complain(const table_t *table, const row_t *row, const char *format,
                     ...) __attribute__((format(printf, 3, 4)));
static void complain(const table_t *table, const row_t *row, const char *format,
                     ...) {
  va_list arguments;
  fprintf(stderr, "%s:%lu: %s: ", table->path, row->line, row->name);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

/* Peers know methods by a list and refuse any other; a token that is not on
 * it is for the server to answer with 501 (RFC 9110 section 9.1). */
static int is_unknown_method(const char *why) {
  return strcmp(why, "HPE_INVALID_METHOD") == 0;
}

/* 1 when the row is true. */
static int check_row(const table_t *table, const row_t *row) {
  weir_http_head_t head;
  int length = weir_http_head_parse(row->bytes, row->length, 0, &head);
  int accepted = length > 0;
  const char *verdict = accepted      ? "accept"
                        : length == 0 ? "more"
                                      : weir_err_name(length);
  int holds = 1;
  if (strcmp(verdict, row->verdict) != 0) {
    complain(table, row, "%s, not %s", verdict, row->verdict);
    holds = 0;
  }
  int accepting = 0;
  int unknown_method = 0;
  for (size_t i = 0; i < PEERS; i++) {
    const char *why;
    int agrees = peers[i].accepts(row->bytes, row->length, &why);
    accepting += agrees;
    unknown_method += !agrees && is_unknown_method(why);
    int differs = agrees != accepted;
    if (differs == (strstr(row->differing, peers[i].name) != NULL)) continue;
    holds = 0;
    complain(table, row, "%s %s (%s), %s", peers[i].name,
             agrees ? "accepts" : "refuses", why,
             differs ? "which is not listed" : "and is listed as differing");
  }
  if (accepted && accepting == 0 && unknown_method != PEERS) {
    complain(table, row, "accepted, and no peer accepts it");
    holds = 0;
  }
  return holds;
}

int main(int argc, char **argv) {
  table_t table = {.path = argc == 2 ? argv[1] : ""};
  table.file = fopen(table.path, "r");
  row_t row = {.bytes = malloc(REQUEST_MAX)};
  if (table.file == NULL || row.bytes == NULL) {
    fprintf(stderr, "%s: %s\n", table.path, strerror(errno));
    return 2;
  }
  unsigned int passed = 0;
  unsigned int failed = 0;
  unsigned int stricter = 0;
  while (read_row(&table, &row)) {
    if (check_row(&table, &row)) {
      passed++;
      if (*row.differing && strcmp(row.verdict, "accept") != 0) stricter++;
    } else {
      failed++;
    }
  }
  fclose(table.file);
  free(row.bytes);
  printf("peers: %u requests, %u refused where a peer accepts\n",
         passed + failed, stricter);
  printf("peers: %u passed, %u failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
