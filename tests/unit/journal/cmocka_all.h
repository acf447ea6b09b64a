/* SPDX-License-Identifier: MIT */
/* cmocka wants its headers in this order. */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_CMOCKA_ALL_H
#define INSTAR_TESTS_UNIT_JOURNAL_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
