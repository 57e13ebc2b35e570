# The table of a GPU's benchmark, ours beside Hugging Face's Mask2Former, from what tools/gpu-check.sh has written.
#
#   awk -f tools/gpu-table.awk OUT.txt ...     several files: a number that comes again replaces the one before
#
# Reads rows of tab-separated fields and passes over everything else:
#   ours|eager|compile  fp32|bf16  train|adapt  model  size  batch  part  figure  figure
# part: "step, one graph" (ours), "step" (the peer's), "adapt step": median and p90 in ms; "device memory MiB": the most
# allocated at once, and what was taken from the device; "not measured": why, in words. And lines "# ours: ..." and
# "# peer: ...", which name the devices: without one and the same for both there are ratios and no verdicts.
#
# TFLOP/s, GB/s: the step's arithmetic and its least traffic with bf16 activations (docs/performance.md: The floor), in
# our time. In fp32 the traffic is another, and there is no floor.

BEGIN {
    FS = "\t"
    # TFLOP, GB, floor ms of a step at 1024 x 1024, batch 3
    work["train", "swin-t", "1024x1024", 3] = "4.66 42.5 16.7"
    work["adapt", "swin-t", "1024x1024", 3] = "10.91 98.6 38.5"
    work["train", "swin-l", "1024x1024", 3] = "16.71 87.5 37.4"
    work["adapt", "swin-l", "1024x1024", 3] = "39.08 196.5 84.2"
    whole["ours", "train"] = "step, one graph"
    whole["eager", "train"] = whole["compile", "train"] = "step"
    whole["ours", "adapt"] = whole["eager", "adapt"] = whole["compile", "adapt"] = "adapt step"
}

/^# (ours|peer): / {
    if (!($0 in heard)) {
        heard[$0] = 1
        head[heads++] = $0
        name_device($0)
    }
}

($1 == "ours" || $1 == "eager" || $1 == "compile") && NF >= 8 {
    key = $4 SUBSEP $5 SUBSEP $6 SUBSEP $3 SUBSEP $2
    if (!(key in known)) {
        known[key] = 1
        row[rows++] = key
    }
    if ($7 == whole[$1, $3]) {
        ms[$1, key] = $8
    } else if ($7 == "device memory MiB") {
        mib[$1, key] = $8
    } else if ($7 == "not measured") {
        why[$1, key] = $8
    }
}

# ours: ... device 'NVIDIA H200, 139.8 GiB, ...'; peer: torch ..., 16 threads, NVIDIA H200
function name_device(line,    ours, name) {
    ours = line ~ /^# ours/
    name = line
    if (ours ? !sub(/.*device '/, "", name) : !sub(/.* threads, /, "", name)) {
        name = "no GPU"
    }
    sub(/[,'].*/, "", name)
    if (ours) {
        our_device = our_device == "" || our_device == name ? name : "several devices"
    } else {
        peer_device = peer_device == "" || peer_device == name ? name : "several devices"
    }
}

function shown(value, format) { return value > 0 ? sprintf(format, value) : "not measured" }

function verdict(good) { return !one_device ? "no verdict" : good ? "met" : "not met" }

# Both cells say nothing where a number is missing.
function at_least(wanted, peer, ours) {
    return peer > 0 && ours > 0 ? sprintf("%.3f, %s", peer / ours, verdict(peer >= wanted * ours)) : "not measured"
}
function below(ours, peer) {
    return peer > 0 && ours > 0 ? sprintf("%.3f, %s", ours / peer, verdict(ours < peer)) : "not measured"
}

function print_row(key,    k, about, w, ours, eager, compiled, cells) {
    split(key, k, SUBSEP)
    ours = ms["ours", key]; eager = ms["eager", key]; compiled = ms["compile", key]
    about = k[1] " " k[2] ", batch " k[3] " | " k[4] " | " k[5]
    cells = shown(ours, "%.1f") " | " shown(eager, "%.1f") " | " at_least(3, eager, ours) " | " \
        shown(compiled, "%.1f") " | " at_least(2, compiled, ours)
    cells = cells " | " shown(mib["ours", key], "%d") " | " shown(mib["eager", key], "%d") " | " \
        below(mib["ours", key], mib["eager", key]) " | " shown(mib["compile", key], "%d") " | " \
        below(mib["ours", key], mib["compile", key])
    split(work[k[4], k[1], k[2], k[3]], w, " ")
    cells = cells " | " (w[1] == "" ? "not computed" : shown(ours > 0 ? 1000 * w[1] / ours : 0, "%.1f"))
    if (k[5] != "bf16" || w[1] == "") {
        cells = cells " | not computed | not computed | not computed"
    } else {
        cells = cells " | " shown(ours > 0 ? 1000 * w[2] / ours : 0, "%.0f") " | " w[3] " | " \
            shown(ours / w[3], "%.2f")
    }
    print "| " about " | " cells " |"
}

function print_reasons(key,    who, k, i) {
    split(key, k, SUBSEP)
    split("ours eager compile", who, " ")
    for (i = 1; i <= 3; i++) {
        if (!(ms[who[i], key] > 0) && why[who[i], key] != "") {
            print "not measured: " who[i] ", " k[1] " " k[2] ", " k[4] ", " k[5] ": " why[who[i], key]
        }
    }
}

END {
    if (rows == 0) {
        exit
    }
    for (i = 0; i < heads; i++) {
        print head[i]
    }
    one_device = our_device == peer_device && our_device != "no GPU" && our_device != "several devices"
    if (!one_device && peer_device != "") {
        print "no verdict: ours ran on '" our_device "', the peer on '" peer_device "'"
    }
    print "| model | step | precision | ours ms | eager ms | eager / ours, 3 wanted | compiled ms |" \
        " compiled / ours, 2 wanted | ours MiB | eager MiB | ours / eager, below 1 wanted | compiled MiB |" \
        " ours / compiled, below 1 wanted | TFLOP/s | GB/s | floor ms | ours / floor |"
    print "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for (i = 0; i < rows; i++) {
        print_row(row[i])
    }
    for (i = 0; i < rows; i++) {
        print_reasons(row[i])
    }
}
