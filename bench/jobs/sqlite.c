/* What claiming and completing jobs costs with SQLite alone: the statements
 * that Weir runs, on a file that Weir filled, by one thread and one connection.
 *
 *   sqlite FILE full|normal BATCH aged best take ready
 *
 * The last four are statements, as `weir bench jobs --step statements` prints
 * them. A round is two transactions: the claim of a batch, with every column
 * of its jobs read, and its completion. Prints a line of JSON when nothing is
 * queued any more; ends with 1 when anything went otherwise.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AGED, BEST, TAKE, READY, BEGIN, COMMIT, STATEMENTS };
enum { BATCH_MAX = 1000, LEASE_MS = 30000, AGING_CAP_MS = 300000 };

static sqlite3 *database;
static sqlite3_stmt *statements[STATEMENTS];

static struct job { int64_t id, fence; } jobs[BATCH_MAX];

/* Of every column that was read, so that reading is not left out. */
static uint64_t weight;

static void fail(const char *what) {
  fprintf(stderr, "sqlite: %s: %s\n", what,
          database != NULL ? sqlite3_errmsg(database) : "no database");
  exit(1);
}

static void check(int status, const char *what) {
  if (status != SQLITE_OK) fail(what);
}

static double seconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int64_t milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Runs a statement that has no rows. */
static void run(sqlite3_stmt *statement, const char *what) {
  if (sqlite3_step(statement) != SQLITE_DONE) fail(what);
  sqlite3_reset(statement);
}

static void integer(sqlite3_stmt *statement, int at, int64_t value) {
  check(sqlite3_bind_int64(statement, at, value), "bind");
}

static void text(sqlite3_stmt *statement, int at, const char *value) {
  check(sqlite3_bind_text(statement, at, value, -1, SQLITE_TRANSIENT), "bind");
}

static void read_columns(sqlite3_stmt *statement) {
  int count = sqlite3_column_count(statement);
  for (int column = 0; column < count; column++) {
    if (sqlite3_column_type(statement, column) == SQLITE_INTEGER) {
      weight += (uint64_t)sqlite3_column_int64(statement, column);
    } else if (sqlite3_column_text(statement, column) != NULL) {
      weight += (uint64_t)sqlite3_column_bytes(statement, column);
    }
  }
}

/* Appends the jobs that a statement picks; how many there are then. */
static int pick(int which, int have, int limit, int64_t cut) {
  sqlite3_stmt *statement = statements[which];
  integer(statement, 1, limit - have);
  integer(statement, 2, cut);
  int status;
  while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
    read_columns(statement);
    /* MediaEntry.columns: the id is the first, the fence the fourteenth. */
    jobs[have].id = sqlite3_column_int64(statement, 0);
    jobs[have].fence = sqlite3_column_int64(statement, 13);
    have++;
  }
  if (status != SQLITE_DONE) fail("pick");
  sqlite3_reset(statement);
  return have;
}

static int claim(int batch) {
  int64_t now = milliseconds();
  run(statements[BEGIN], "begin");
  int count = pick(AGED, 0, batch, now - AGING_CAP_MS);
  if (count < batch) count = pick(BEST, count, batch, now - AGING_CAP_MS);
  for (int i = 0; i < count; i++) {
    sqlite3_stmt *take = statements[TAKE];
    integer(take, 1, jobs[i].id);
    integer(take, 2, now + LEASE_MS);
    text(take, 3, "bench-0");
    integer(take, 4, now);
    run(take, "take");
  }
  run(statements[COMMIT], "commit");
  return count;
}

static void complete(int count) {
  int64_t now = milliseconds();
  run(statements[BEGIN], "begin");
  for (int i = 0; i < count; i++) {
    sqlite3_stmt *ready = statements[READY];
    integer(ready, 1, jobs[i].id);
    integer(ready, 2, jobs[i].fence + 1);
    integer(ready, 3, now);
    text(ready, 4, "file");
    text(ready, 5, "unique");
    integer(ready, 6, 0);
    run(ready, "ready");
    if (sqlite3_changes(database) != 1) fail("a lease did not hold");
  }
  run(statements[COMMIT], "commit");
}

static void open_database(const char *path, const char *synchronous) {
  check(sqlite3_open_v2(path, &database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL),
        path);
  char pragmas[256];
  snprintf(pragmas, sizeof pragmas,
           "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;"
           "PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;"
           "PRAGMA cache_size = -8192;",
           synchronous);
  check(sqlite3_exec(database, pragmas, NULL, NULL, NULL), "pragmas");
}

int main(int argc, char **argv) {
  int batch = argc > 3 ? atoi(argv[3]) : 0;
  if (argc != 8 || batch < 1 || batch > BATCH_MAX ||
      (strcmp(argv[2], "full") != 0 && strcmp(argv[2], "normal") != 0)) {
    fprintf(stderr, "sqlite FILE full|normal BATCH aged best take ready\n");
    return 2;
  }
  open_database(argv[1], argv[2]);
  for (int i = 0; i < STATEMENTS; i++) {
    const char *sql = i == BEGIN    ? "BEGIN IMMEDIATE"
                      : i == COMMIT ? "COMMIT"
                                    : argv[4 + i];
    check(sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT,
                             &statements[i], NULL),
          sql);
  }
  double began = seconds(CLOCK_MONOTONIC);
  double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  int64_t done = 0;
  for (;;) {
    int count = claim(batch);
    if (count == 0) break;
    complete(count);
    done += count;
  }
  printf(
      "{\"jobs\": %lld, \"seconds\": %.6f, \"cpu_seconds\": %.6f, "
      "\"weight\": %llu}\n",
      (long long)done, seconds(CLOCK_MONOTONIC) - began,
      seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, (unsigned long long)weight);
  for (int i = 0; i < STATEMENTS; i++)
    sqlite3_finalize(statements[i]);
  return sqlite3_close(database) == SQLITE_OK ? 0 : 1;
}
