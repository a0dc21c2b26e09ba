// Skips the rest of a test file once one of its tests has failed: a mutant needs to be noticed only once.
const { TestEnvironment } = require('jest-environment-node');

module.exports = class extends TestEnvironment {
  isNoticed = false;

  handleTestEvent(event) {
    if (event.name === 'test_start' && this.isNoticed) event.test.mode = 'skip';
    if (event.name === 'test_done' && event.test.errors.length > 0) this.isNoticed = true;
  }
};
