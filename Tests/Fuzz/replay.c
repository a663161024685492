/*
 * replay.c - runs a fuzz target over inputs that are kept, without a fuzzer:
 * each argument is a file, or a directory of files. Says how many were run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *path) {
  perror(path);
  exit(2);
}

static void run_file(const char *path, long size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(path);
  uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
  if (data == NULL) fail(path);
  if (fread(data, 1, (size_t)size, file) != (size_t)size) fail(path);
  fclose(file);
  LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
}

/* How many inputs were run. */
static unsigned long run_path(const char *path) {
  struct stat facts;
  if (stat(path, &facts) != 0) fail(path);
  if (!S_ISDIR(facts.st_mode)) {
    run_file(path, (long)facts.st_size);
    return 1;
  }
  DIR *directory = opendir(path);
  if (directory == NULL) fail(path);
  unsigned long count = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    char inner[4096];
    int length = snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
    if (length < 0 || (size_t)length >= sizeof(inner)) fail(path);
    count += run_path(inner);
  }
  closedir(directory);
  return count;
}

int main(int argc, char **argv) {
  unsigned long count = 0;
  for (int i = 1; i < argc; i++) {
    count += run_path(argv[i]);
  }
  const char *name = strrchr(argv[0], '/');
  printf("%s: %lu inputs\n", name != NULL ? name + 1 : argv[0], count);
  /* An empty corpus is a mistake in its path. */
  return count > 0 ? 0 : 2;
}
