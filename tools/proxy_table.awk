# The table of tools/proxy.sh from lines "ROW SEED FINGERPRINT CLASS AP AP50" (shares of 1).
# Means and sample deviations over seeds, in per cent.
function mean(key) { return n[key] > 0 ? sum[key] / n[key] : 0 }
function deviation(key,   m) {
    m = mean(key)
    return n[key] > 1 ? sqrt((square[key] - n[key] * m * m) / (n[key] - 1) + 1e-12) : 0
}
function bar(value,   text, i) {
    for (i = 0; i < int(value * 0.6 + 0.5); i++) { text = text "#" }
    return text
}
function short(class) { return class == "motorcycle" ? "motor" : class == "bicycle" ? "bike" : class }
{
    ap = 100 * $5; ap50 = 100 * $6
    key = $1 "/" $4 "/ap"; n[key]++; sum[key] += ap; square[key] += ap * ap
    key = $1 "/" $4 "/50"; n[key]++; sum[key] += ap50; square[key] += ap50 * ap50
    if ($4 == "mean") { prints[$1] = prints[$1] " " $3 }
}
END {
    says["source"] = "source only"; says["lab"] = "LAB colours only"; says["s2t"] = "LAB + S2T"
    says["t2s"] = "LAB + T2S"; says["both"] = "LAB + both directions"
    says["oracle"] = "both, true target labels (oracle)"; says["group_source"] = "source only, two groups fused"
    says["group"] = "both, two groups fused"; says["rare"] = "both, two groups, rare-class pool"
    says["full"] = "the whole method: trained on fused labels"; says["supervised"] = "supervised on the target"
    rows_count = split(rows, row, " "); classes = split("person rider car truck bus train motorcycle bicycle", class, " ")
    printf "manifests/proxy/ablations.yaml, seeds%s: mean +- deviation over seeds, per cent, 300 test scenes\n\n", seeds
    low = mean("source/mean/50")
    gap = mean("supervised/mean/50") - low
    printf "%-42s %13s %13s %7s\n", "", "AP", "AP50", "closed"
    for (r = 1; r <= rows_count; r++) {
        k = row[r] "/mean/"
        closed = gap > 0 ? sprintf("%5.0f %%", 100 * (mean(k "50") - low) / gap) : "-"
        printf "%-42s %5.1f +- %4.1f %5.1f +- %4.1f %7s  %s\n", says[row[r]], mean(k "ap"), deviation(k "ap"),
            mean(k "50"), deviation(k "50"), closed, bar(mean(k "50"))
    }
    printf "closed: share of the gap in AP50 between source only and supervised\n"
    printf "\nAP50 by class\n%-42s", ""
    for (c = 1; c <= classes; c++) { printf " %11s", short(class[c]) }
    printf "\n"
    for (r = 1; r <= rows_count; r++) {
        printf "%-42s", says[row[r]]
        for (c = 1; c <= classes; c++) {
            k = row[r] "/" class[c] "/50"
            printf " %4.1f +- %3.1f", mean(k), deviation(k)
        }
        printf "\n"
    }
    printf "\nfingerprints of the rows, seed by seed\n"
    for (r = 1; r <= rows_count; r++) { printf "%-14s%s\n", row[r], prints[row[r]] }
}
