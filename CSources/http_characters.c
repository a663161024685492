/* http_characters.c - one byte of classes for each character. */
#include "http_characters.h"

/* clang-format off */
#define N 0
#define V WEIR__HTTP_VALUE
#define T (V | WEIR__HTTP_TARGET)
#define K (V | WEIR__HTTP_TOKEN)
#define B (T | K)
#define A (B | WEIR__HTTP_NAME)
const uint8_t weir__http_characters[256] = {
    /* controls; only HTAB may stand in a value */
     N,  N,  N,  N,  N,  N,  N,  N,  N,  V,  N,  N,  N,  N,  N,  N,
     N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,
    /*   !   "   #   $   %   &   '   (   )   *   +   ,   -   .   / */
     V,  B,  V,  K,  B,  B,  B,  B,  T,  T,  B,  B,  T,  A,  A,  T,
    /* 0 to 9                              :   ;   <   =   >   ? */
     A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  T,  T,  V,  T,  V,  T,
    /* @   A to O                                                */
     T,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,
    /* P to Z                                  [   \   ]   ^   _ */
     A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  T,  V,  T,  B,  A,
    /* `   a to o                                                */
     B,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,
    /* p to z                                  {   |   }   ~ DEL */
     A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  A,  T,  B,  T,  A,  N,
    /* obs-text */
     V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,
     V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,
     V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,
     V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,
     V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,
     V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,
     V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,
     V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,  V,
};
/* clang-format on */
