#!/bin/sh
# docs/vmi-conformance.md against the suite, as it ran just before: `make test ONLY=conformance` runs all three.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

results=build/test/conformance
coverage="every call of the interface has a test"
document="docs/vmi-conformance.md lists the tests of the suite, no more and no less (make conformance-doc)"
if [ -s $results/everywhere.tap ] && [ -s $results/machine.tap ]; then
	check "$coverage" scripts/conformance-doc --coverage $results
	check "$document" scripts/conformance-doc --check $results
else
	skip "$coverage" "the suite did not run"
	skip "$document" "the suite did not run"
fi
done_testing
