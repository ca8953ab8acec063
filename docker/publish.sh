#!/usr/bin/env bash
# Publishes the worker as the container image holds it: docker/publish.sh <folder> [architecture]
# The Dockerfile runs this, and docker/try-image.sh where there is no Docker.
# ARTIFACTS names another folder for what is built on the way, SKIP_RESTORE=1 takes packages that were restored before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:?Usage: docker/publish.sh <folder> [x64|arm64]}
architecture=${2:-x64}

# Without analyzers: what is published here was built with them before, and they take half of the time.
restore=()
[[ ${SKIP_RESTORE:-} ]] && restore=(--no-restore)
# The analyzers have had their say when the solution was built.
dotnet publish Broker/Broker.csproj --configuration Release --runtime "linux-$architecture" --self-contained false --output "$out" --artifacts-path "${ARTIFACTS:-artifacts}" "${restore[@]}" \
    --nologo --verbosity quiet -p:UseAppHost=false -p:DebugType=none -p:RunAnalyzers=false -p:GenerateDocumentationFile=false

# Nothing that only a developer's machine needs.
find "$out" \( -name '*.pdb' -o -name '*.xml' -o -name 'appsettings.Development.json' \) -delete
