#!/usr/bin/env bash
# Before a job's first step: a machine that is not fit ends the job here, and takes no other one.
set -euo pipefail
: >"<[ places.requests ]>/started"
exec "<[ places.checkout ]>/.ci/inferfleet" runner preflight <[ setup.site.host ]><[ here ]> --refuse-into "<[ places.requests ]>"
