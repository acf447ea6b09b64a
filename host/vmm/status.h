/* SPDX-License-Identifier: MIT */
/* What becomes of a guest's request. */
#ifndef INSTAR_HOST_VMM_STATUS_H
#define INSTAR_HOST_VMM_STATUS_H

enum run_status {
        RUN_OK = 0,
        RUN_CHANGED,       /* the image is not what the plan rests on: a fresh try */
        RUN_PROTOCOL,      /* the guest broke a rule */
        RUN_READ_ERROR,    /* reading the image failed */
        RUN_WRITE_ERROR,   /* writing, resizing or syncing the image failed */
        RUN_JOURNAL_ERROR, /* the journal could not be written */
        RUN_INTERRUPTED,   /* a signal came before the switch */
        RUN_OUTPUT_ERROR,  /* a report could not be passed on */
};

/* The text of the rule that was broken, or errno, of the last status but RUN_OK. */
struct run_fault {
        const char *rule;
        int error; /* negative errno */
};

#endif
