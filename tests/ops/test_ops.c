#include "tests/ops/cases.h"

#include <stdio.h>
#include <string.h>


int main(int argc, char **argv)
{
    const struct {
        const struct op_case *row;
        int64_t count;
    } table[] = {
        {linear_cases, linear_case_count},
        {norm_cases, norm_case_count},
        {elementwise_cases, elementwise_case_count},
        {layout_cases, layout_case_count},
        {window_cases, window_case_count},
        {attention_cases, attention_case_count},
        {deform_cases, deform_case_count},
        {resample_cases, resample_case_count},
    };
    int64_t ran = 0;
    for (int64_t i = 0; i < UDA_LEN(table); i++) {
        for (int64_t k = 0; k < table[i].count; k++) {
            const struct op_case *c = &table[i].row[k];
            if (argc < 2 || strncmp(c->name, argv[1], strlen(argv[1])) == 0) {
                op_case_check(c);
                ran++;
            }
        }
    }
    (void)printf("%lld cases\n", (long long)ran);
    return op_failures() > 0 || ran == 0 ? 1 : 0;
}
