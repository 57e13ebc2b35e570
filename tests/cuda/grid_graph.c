#include "tests/cuda/grid_graph.h"

#include "src/base/arena.h"

struct kept {
    struct kept *next;
    bool grid;
    struct uda_grid_launch launch;
    void (*body)(void *);
    void *args;
    void (*drop)(void *);
};

struct uda_grid_graph {
    struct kept *first, **last;
    bool full; /* out of memory */
};

static struct uda_grid_graph *open_graph;

void uda_grid_graph_begin(void)
{
    open_graph = uda_calloc(sizeof *open_graph);
    if (open_graph != NULL) {
        open_graph->last = &open_graph->first;
    }
}

bool uda_grid_graph_open(void) { return open_graph != NULL; }

struct uda_grid_graph *uda_grid_graph_end(void)
{
    struct uda_grid_graph *graph = open_graph;
    open_graph = NULL;
    if (graph != NULL && graph->full) {
        uda_grid_graph_destroy(graph);
        graph = NULL;
    }
    return graph;
}

void uda_grid_graph_add(const struct uda_grid_launch *launch, void (*body)(void *args), void *args,
                        void (*drop)(void *args))
{
    struct kept *kept = uda_calloc(sizeof *kept);
    if (kept == NULL) {
        open_graph->full = true;
        drop(args);
        return;
    }
    *kept = (struct kept){.grid = launch != NULL, .body = body, .args = args, .drop = drop};
    if (launch != NULL) {
        kept->launch = *launch;
    }
    *open_graph->last = kept;
    open_graph->last = &kept->next;
}

void uda_grid_graph_run(const struct uda_grid_graph *graph)
{
    for (const struct kept *kept = graph->first; kept != NULL; kept = kept->next) {
        if (kept->grid) {
            uda_grid_run(&kept->launch, kept->body, kept->args);
        } else {
            kept->body(kept->args);
        }
    }
}

void uda_grid_graph_destroy(struct uda_grid_graph *graph)
{
    while (graph->first != NULL) {
        struct kept *kept = graph->first;
        graph->first = kept->next;
        kept->drop(kept->args);
        uda_free(kept);
    }
    uda_free(graph);
}
