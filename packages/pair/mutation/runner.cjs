// Runs the test files for one mutant, the quickest first, and none after one that noticed it.
const path = require('node:path');
const { default: TestRunner } = require('jest-runner');

const quickest = ['step', 'apps', 'epochs', 'claiming', 'handover', 'chunks', 'queue-rules', 'vocabulary', 'initial-state', 'golden', 'queue', 'table', 'output-hash']
  .map((name) => `${name}.test.ts`); // prettier-ignore

function rank({ path: file }) {
  const at = quickest.indexOf(path.basename(file));
  return at === -1 ? quickest.length : at;
}

module.exports = class extends TestRunner {
  async runTests(tests, watcher, options) {
    let isNoticed = false;
    this.on('test-file-success', ([, result]) => {
      if (result.numFailingTests > 0) isNoticed = true;
    });
    for (const test of [...tests].sort((a, b) => rank(a) - rank(b))) {
      if (!isNoticed) await super.runTests([test], watcher, options);
    }
  }
};
