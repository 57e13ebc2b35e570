/* Which ranks are on one machine. */
#include "src/base/arena.h"
#include "src/dist/dist.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void uda_dist_host(char text[UDA_DIST_HOST_BYTES])
{
    char name[64] = "", boot[9] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r"); /* machines of one name are told apart */
    if (file != NULL) {
        (void)!fgets(boot, (int)sizeof boot, file);
        (void)fclose(file);
    }
    (void)gethostname(name, sizeof name - 1);
    (void)snprintf(text, UDA_DIST_HOST_BYTES, "%s%s%s", name, boot[0] != '\0' ? "/" : "", boot);
}

int uda_dist_local(const struct uda_dist *dist, int *number, struct uda_err *err)
{
    char(*host)[UDA_DIST_HOST_BYTES] = uda_calloc((size_t)dist->ranks * sizeof *host);
    if (host == NULL) {
        return uda_fail(err, UDA_NOMEM, "ranks: out of memory");
    }
    uda_dist_host(host[dist->rank]);
    int rc = uda_dist_gather(dist, host, sizeof *host, err);
    int below = 0;
    for (int r = 0; r < dist->rank && rc == 0; r++) {
        below += strcmp(host[r], host[dist->rank]) == 0 ? 1 : 0;
    }
    uda_free(host);
    if (rc == 0) {
        *number = below;
    }
    return rc;
}
