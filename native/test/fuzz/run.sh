#!/bin/sh
# Runs every target of the fuzz binary $1 for $2 seconds, from the seeds in $3/TARGET and what earlier runs found
# in $4/corpus/TARGET; one line a target. FUZZ_ONLY names a single one. What fails is kept in $4/found.
#
# FUZZ_LIST prints the targets' names only.
#
# A small quarantine and short stacks of allocations, no entropic schedule, inputs that grow soon: a target that
# opens a store does half as much again a second.
set -u
binary=$1 seconds=$2 seeds=$3 work=$4
# As in ../Makefile.
unmoved=""
! setarch "$(uname -m)" -R true 2>/dev/null || unmoved="setarch $(uname -m) -R"
[ -z "${FUZZ_LIST:-}" ] || exec $unmoved "$binary"
mkdir -p "$work/found" "$work/logs"
status=0
for target in $(FUZZ_LIST=1 $unmoved "$binary"); do
  [ -z "${FUZZ_ONLY:-}" ] || [ "$target" = "$FUZZ_ONLY" ] || continue
  mkdir -p "$work/corpus/$target"
  known=""
  [ ! -d "$seeds/$target" ] || known="$seeds/$target"
  log="$work/logs/$target.log"
  FUZZ_TARGET="$target" UBSAN_OPTIONS=print_stacktrace=1 \
    ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=8 \
    $unmoved "$binary" -max_total_time="$seconds" -entropic=0 -len_control=10 \
    -timeout=100 -rss_limit_mb=2048 -malloc_limit_mb=768 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$work/found/$target-" "$work/corpus/$target" $known >"$log" 2>&1
  code=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  added=$(sed -n 's/^stat::new_units_added: *//p' "$log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  if [ "$code" = 0 ]; then
    echo "ok - fuzz: $target, ${runs:-0} runs, ${coverage:-0} edges, ${added:-0} new inputs"
  else
    echo "not ok - fuzz: $target, see $log"
    grep -aE 'ERROR|SUMMARY|: not |runtime error' "$log" | head -5 | sed 's/^/#   /'
    status=1
  fi
done
exit $status
