#!/usr/bin/env bash
# Starts a SLURM of one node on this machine, runs the tests that need one, and ends it. Needs root and
# Debian, whose packages it installs. Arguments go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

is_root || fail "a SLURM is started by root" "run:  sudo bash scripts/slurm.sh"
require_packages slurm-wlm munge

PLACE=$(mktemp -d)
chmod 755 "$PLACE"
mkdir -p -m 755 /run/munge
chown munge: /run/munge
mkdir "$PLACE/state" "$PLACE/spool"
NODE=$(hostname -s)
cat >"$PLACE/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$NODE(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
# No cgroups: inside a container there may be none to use.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MpiDefault=none
# Time for a worker to end the frame in work, in s.
KillWait=20
StateSaveLocation=$PLACE/state
SlurmdSpoolDir=$PLACE/spool
SlurmctldPidFile=$PLACE/slurmctld.pid
SlurmdPidFile=$PLACE/slurmd.pid
SlurmctldLogFile=$PLACE/slurmctld.log
SlurmdLogFile=$PLACE/slurmd.log
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=3000 State=UNKNOWN
PartitionName=main Nodes=$NODE Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$PLACE/slurm.conf"

end() {
  local file
  for file in "$PLACE"/slurmd.pid "$PLACE"/slurmctld.pid; do
    [ -f "$file" ] && kill "$(cat "$file")" || true
  done
  [ -z "$MUNGED" ] || pkill -x munged || true
  rm -rf "$PLACE"
}
trap end EXIT

MUNGED=""
if ! pgrep -x munged >/dev/null; then
  su munge -s /bin/sh -c munged
  MUNGED=ours
fi
slurmctld
slurmd
for _ in $(seq 60); do
  [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && break
  sleep 1
done
sinfo
bash "$ROOT/scripts/test.sh" -n 0 -s src/napari_sa2va/_tests/test_batch_real_slurm.py "$@"
