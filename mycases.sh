. /work/tmp/t24/env.sh
out=/work/tmp/t24/cases.out; : > $out; mkdir -p /work/tmp/t24/lm
for f in /work/shared/cases/faults/*.py /work/tmp/t24/cases/*.py; do
 cd /work/tmp/t24/lm; nice -n 15 timeout 300 python $f > /work/tmp/t24/lm/case.log 2>&1; echo "$? $f $(tail -1 /work/tmp/t24/lm/case.log | cut -c1-200)" >> $out; done; echo done >> $out
