// Runs the test files for one mutant, those that take long last, and none after one that noticed it. The words that all
// others need while they are loaded come first.
const path = require('node:path');
const { default: TestRunner } = require('jest-runner');

const last = ['golden', 'queue', 'table', 'output-hash'];

function rank(test) {
  const name = path.basename(test.path, '.test.ts');
  return name === 'vocabulary' ? -2 : last.indexOf(name);
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
