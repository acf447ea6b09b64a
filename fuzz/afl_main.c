/* SPDX-License-Identifier: MIT */
/*
 * A harness under AFL++: persistent mode, inputs through shared memory.  A process runs
 * many inputs; it is replaced now and then in case the C library's memory has suffered.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/harness/harness.h"

#define RUNS_OF_A_PROCESS 100000u

__AFL_FUZZ_INIT();

int main(void)
{
        __AFL_INIT();
        const uint8_t *shared = __AFL_FUZZ_TESTCASE_BUF;
        while (__AFL_LOOP(RUNS_OF_A_PROCESS)) {
                size_t length = (size_t)__AFL_FUZZ_TESTCASE_LEN;
#ifdef INSTAR_SANITIZE
                /* A copy of its exact size, so that a read behind its end is seen. */
                uint8_t *exact = malloc(length ? length : 1);
                if (!exact)
                        abort();
                memcpy(exact, shared, length);
                LLVMFuzzerTestOneInput(exact, length);
                free(exact);
#else
                LLVMFuzzerTestOneInput(shared, length);
#endif
        }
        return 0;
}
