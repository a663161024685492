/*
 * options.h - reads the option structs of every host, older or newer.
 *
 * An option struct begins with `size`, what it measures where the host was
 * compiled, and grows at its end only. The rule, in the host's words, is in
 * weir.h.
 */
#ifndef WEIR_OPTIONS_H
#define WEIR_OPTIONS_H

#include <stddef.h>

/* The size of a struct whose last field is `last`, without padding: what
 * `least` is once the first version's struct has grown. */
#define WEIR__OPTIONS_TO(type, last) \
  (offsetof(type, last) + sizeof(((type *)0)->last))

#pragma GCC visibility push(hidden)

/*
 * Copies an option struct into `to`, of `known` bytes: what this version
 * knows. What the host's is short of is zero; what it has beyond is left out.
 * `least` is the size of the first version's. WEIR_EOPTION without a struct,
 * or with one that is smaller than that.
 */
int weir__options_read(void *to, size_t known, const void *from, size_t least);

#pragma GCC visibility pop

#endif
