#!/usr/bin/env bash
# Folds and trials on a real Slurm of this machine: the bytes of a run and a search alone, also where a job is preempted
# (about 4 minutes, as root).
# Wanted: slurm-wlm and munge (Debian's packages), nothing of them running; everything is started and ended here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
work=$(mktemp -d /tmp/kit-slurm-XXXXXX)
export PYTHONPATH=$PWD OMP_NUM_THREADS=1 SLURM_CONF=$work/slurm.conf
knobs=(digits --data "$work/data" --epochs 150 --folds 2 --width 8 --limit 300 --dropout 0.1 --snapshot 1 --quiet)
started=()
trap 'for one in "${started[@]}"; do kill "$one" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT

dd if=/dev/urandom of="$work/key" bs=1024 count=1 status=none
chmod 400 "$work/key"
mkdir -p "$work/state" "$work/spool"
cat > "$work/slurm.conf" <<CONF
ClusterName=kit
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CryptoType=crypto/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobRequeue=1
KillWait=10
ReturnToService=2
MpiDefault=none
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
munged --foreground --force --key-file="$work/key" --socket="$work/munge.socket" --pid-file="$work/munged.pid" \
  --log-file="$work/munged.log" --seed-file="$work/munged.seed" & started+=($!)
sleep 1
slurmctld -D -f "$work/slurm.conf" > "$work/slurmctld.log" 2>&1 & started+=($!)
slurmd -D -f "$work/slurm.conf" > "$work/slurmd.log" 2>&1 & started+=($!)
for _ in $(seq 60); do sinfo -h -o %t 2>/dev/null | grep -q idle && break; sleep 1; done
sinfo

"$python" -c "from pathlib import Path; from kit import competition as c; c.load('digits').competition.embedded(Path('$work/data'))"
"$python" -m kit run "${knobs[@]}" --out "$work/alone" > /dev/null
"$python" -m kit run "${knobs[@]}" --out "$work/queued" --on slurm > /dev/null & run=$!
for _ in $(seq 300); do compgen -G "$work/queued/fold0/snapshot-*" > /dev/null && break; sleep 0.2; done
job=$(squeue -h -t R -o %i | head -1)
echo "preempted in mid-fold: job $job"
scontrol requeue "$job"
wait "$run"
for name in oof.csv test.csv submission.csv folds.csv fold0/oof.npz fold1/oof.npz; do cmp "$work/alone/$name" "$work/queued/$name"; done

search=("${knobs[@]}" --trials 4 --knobs "lr=1e-3:1e-1,width=4|8" --epochs 20)
"$python" -m kit tune "${search[@]}" --out "$work/tuned" --jobs 1 > /dev/null
"$python" -m kit tune "${search[@]}" --out "$work/tuned-queued" --jobs 1 --on slurm > /dev/null
for name in tuned tuned-queued; do cut -d, -f1-4,6- "$work/$name/trials.csv" > "$work/$name.csv"; done  # without seconds
cmp "$work/tuned.csv" "$work/tuned-queued.csv"
sleep 5
echo "the same bytes; jobs left: $(squeue -h -r -t PD,R | wc -l)"
