/* source_file.h - a file that is read ahead, as both who play it see it. */
#ifndef WEIR_SOURCE_FILE_H
#define WEIR_SOURCE_FILE_H

#include "file_clock.h"
#include "source_state.h"

#pragma GCC visibility push(hidden)

/* Plays by PCR. */
extern const weir__source_kind_t weir__ts_file_kind;

/* Bytes of the block that is being drained were taken: turns to the other one
 * when it is empty, and reads on. */
void weir__file_read_on(weir_source_t *source);

/* Everything was played, and nothing more comes. */
int weir__file_is_over(const weir_source_t *source);

void weir__file_halt(weir_source_t *source);
void weir__file_close(weir_source_t *source);

#pragma GCC visibility pop

#endif
