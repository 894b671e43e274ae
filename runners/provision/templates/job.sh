#!/usr/bin/env bash
# One runner for one job, in a fresh copy of GitHub's runner: nothing that an earlier job wrote is still there.
set -euo pipefail
job=<[ places.job ]>
: >"<[ places.requests ]>/listening"
chmod -R u+rwX "$job"
find "$job" -mindepth 1 -delete
mkdir "$job/home" "$job/runner"
cp -R --preserve=mode,timestamps,links "<[ places.runner ]>/." "$job/runner/"
cd "$job/runner"
# In the environment, never in the arguments, which everybody on a machine can read. The runner removes it from there.
ACTIONS_RUNNER_INPUT_JITCONFIG=$(<"${CREDENTIALS_DIRECTORY:?}/jitconfig")
export ACTIONS_RUNNER_INPUT_JITCONFIG
exec ./run.sh
