/* SPDX-License-Identifier: MIT */
#include "journal/boot.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* The 16 bytes of "01234567-89ab-...\n". */
void boot_id(uint8_t boot[JOURNAL_BOOT_ID_SIZE])
{
        char text[64];
        size_t digits = 0;
        ssize_t length;
        int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);

        memset(boot, 0, JOURNAL_BOOT_ID_SIZE);
        if (fd < 0)
                return;
        length = read(fd, text, sizeof text);
        close(fd);
        for (ssize_t i = 0; i < length && digits < 2 * JOURNAL_BOOT_ID_SIZE; i++) {
                int digit = hex_digit(text[i]);
                if (digit < 0)
                        continue;
                boot[digits / 2] = (uint8_t)(boot[digits / 2] << 4 | digit);
                digits++;
        }
}

uint64_t boot_now(void)
{
        struct timespec now;

        if (clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec < 0)
                return 0;
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
