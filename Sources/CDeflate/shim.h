/* libdeflate as Swift sees it. */
#include <libdeflate.h>
