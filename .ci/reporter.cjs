// Writes down how many tests passed and which were skipped, one JSON line per run of Jest, into the file that
// TANDEM_TEST_REPORT names: .ci/run adds them up. jest.config.ts uses it only where that variable is set.
const { appendFileSync } = require('node:fs');
const { relative } = require('node:path');

module.exports = class {
  onRunComplete(_contexts, results) {
    const file = process.env.TANDEM_TEST_REPORT;
    if (!file) return;
    const skipped = results.testResults.flatMap((suite) => {
      const path = relative(process.cwd(), suite.testFilePath);
      if (suite.skipped) return [path];
      return suite.testResults
        .filter((test) => test.status !== 'passed' && test.status !== 'failed')
        .map((test) => `${path}: ${test.fullName}`);
    });
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = results;
    // A file that could not be run has no tests to count: it counts as one that failed.
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    appendFileSync(file, `${JSON.stringify({ passed: numPassedTests, failed, skipped })}\n`);
  }
};
