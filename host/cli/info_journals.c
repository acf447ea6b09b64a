/* SPDX-License-Identifier: MIT */
#include "host/cli/info_journals.h"

#include "host/cli/info_view.h"
#include "host/cli/journal_item.h"
#include "host/cli/journal_places.h"

static bool search(struct info_journals *journals, struct image *image)
{
        struct journal_places places;
        int error = journal_places_start(&places, NULL);

        if (error)
                return false;
        error = recovery_start(&journals->found, image, NULL);
        journals->found.dry_run = true;
        if (!error)
                error = journal_places_search(&places, image, NULL, &journals->found);
        if (error < 0)
                journals->search_error = error;
        journals->index_error = places.index_error;
        journal_places_stop(&places);
        return true;
}

/* The items' JSON, made while memory can still be had. */
static bool make_json(struct info_journals *journals)
{
        for (unsigned int i = 0; i < journals->found.count; i++) {
                const struct recovery_item *item = &journals->found.items[i];

                if (!info_is_pending(item))
                        continue;
                if (!journals->pending)
                        journals->pending = json_array();
                if (json_array_append_new(journals->pending, journal_item_json(item)))
                        return false;
        }
        return true;
}

bool info_journals_look(struct info_journals *journals, struct image *image, bool json)
{
        *journals = (struct info_journals){0};
        return search(journals, image) && (!json || make_json(journals));
}
